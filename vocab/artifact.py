"""The files of a vocabulary folder and their digests.

`SHA256SUMS` names the others with their digests, in the form that
`sha256sum --check` reads. It is written last.
"""

from collections.abc import Mapping

from wit_builder import storage
from wit_builder.errors import UserError

QUERIES = "queries.parquet"
"""The vocabulary; its SHA-256 is the vocabulary's digest."""
PLAIN_LIST = "queries.json"
MATCHER = "matcher.arrow"
ONTOLOGY = "ontology.arrow"
"""Only in the folder of a vocabulary that was made with WordNet."""
_DIGESTS = "SHA256SUMS"


def write_digests(folder: str, digests: Mapping[str, str]) -> None:
    """Write the SHA-256 (hex) of each file of the folder, by file name."""
    lines = (f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    storage.write_bytes(storage.join(folder, _DIGESTS), "".join(lines).encode())


def read_digests(folder: str) -> dict[str, str]:
    """Give the SHA-256, in hex, that each file of the folder should have, by file name.

    Raises:
        UserError: the folder holds no vocabulary.
    """
    path = storage.join(folder, _DIGESTS)
    if not storage.exists(path):
        raise UserError(f"{folder} holds no finished vocabulary ({_DIGESTS}); run `wit vocab build`")
    lines = storage.read_bytes(path).decode("utf-8", "replace").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def read_digest(folder: str, name: str) -> str:
    """Give the SHA-256, in hex, that one file of the folder should have.

    Raises:
        UserError: the folder holds no vocabulary, or none with such a file.
    """
    digests = read_digests(folder)
    if name not in digests:
        path = storage.join(folder, _DIGESTS)
        raise UserError(f"{path} does not name {name}; run `wit vocab build` again")
    return digests[name]

"""Write the second half of docs/vocab.md: every `wit vocab` verb, captured on a large vocabulary.

    python -m tests.bench.vocabulary_tour [FOLDER]

FOLDER keeps the vocabulary; without one it is made anew, in about half a minute.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from tests.bench.vocabulary import build_vocabulary

DOCS = Path(__file__).parents[2] / "docs"

_MARK = "<!-- captured -->\n"
_PIECE = "A Siberian husky and two fire trucks at the Golden Gate Bridge, San Francisco."


def main() -> None:
    """Build the vocabulary, run the verbs, write the page."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = sys.argv[1] if len(sys.argv) > 1 else f"{scratch}/vocabulary"
        if not Path(folder, "_SUCCESS").exists():
            build_vocabulary(folder)
        page = DOCS / "vocab.md"
        head = page.read_text().partition(_MARK)[0]
        metadata, imported = f"{scratch}/metadata.json", f"{scratch}/imported"
        shown = [
            f"\n## {title}\n\n{_captured(arguments, folder, scratch)}"
            for title, arguments in _tour(folder, metadata, imported)
        ]
    page.write_text("".join([head, _MARK, *shown]))


def _tour(folder: str, metadata: str, imported: str) -> list[tuple[str, list[str]]]:
    return [
        ("stats: what it holds", ["stats", folder]),
        ("stats --kind: how many are animals", ["stats", folder, "--kind", "animal", "--kind", "vehicle"]),
        ("show: why a text is a query", ["show", folder, "husky"]),
        ("show: a bigram", ["show", folder, "fire truck"]),
        ("show: why a text is none", ["show", folder, "the husky"]),
        ("show: a word that is too rare", ["show", folder, "zyzzyvas"]),
        ("search: by beginning", ["search", folder, "siberian", "--limit", "6"]),
        ("search: by glob", ["search", folder, "*hound", "--limit", "6"]),
        ("search --regex", ["search", folder, "^(red|blue|black).*bird$", "--regex", "--limit", "6"]),
        ("match: highlight the queries of a text", ["match", folder, _PIECE]),
        ("sample: drawn by hash", ["sample", folder, "6", "--source", "bigram"]),
        ("export: MetaCLIP's shape", ["export", folder, metadata, "--format", "metaclip"]),
        ("import: a list becomes a vocabulary", ["import", metadata, imported]),
        ("diff: what changed", ["diff", folder, imported, "--examples", "3"]),
        ("plot: rank and frequency", ["plot", folder, str(DOCS / "vocab.png")]),
    ]


def _captured(arguments: list[str], folder: str, scratch: str) -> str:
    before = _processor_seconds()
    command = [sys.executable, "-m", "pipelines.cli", "vocab", *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    taken = _processor_seconds() - before
    words = " ".join(
        f"'{word}'" if " " in word or "*" in word else word for word in ["wit", "vocab", *arguments]
    )
    shown = f"$ {words}\n{answer.stdout.rstrip()}".replace(f"{DOCS}/", "").replace(folder, "vocab")
    lines = "\n".join(line.rstrip() for line in shown.replace(f"{scratch}/", "").splitlines())
    return f"```\n{lines}\n```\n\n{taken:.2f} s of processor time.\n"


def _processor_seconds() -> float:
    usage = getrusage(RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()

"""Be `wit fetch` for a benchmark: `python -m tests.bench.fetch_run FOLDER CORES`."""

import sys
from pathlib import Path

from pipelines import fetch
from pipelines.options import construct
from pipelines.session import Session


def main(folder: Path, cores: int) -> None:
    """Fetch FOLDER/pairs, all from one server and so in one work item, with a decoder a core."""
    options = {
        "pairs": str(folder / "pairs"),
        "output": str(folder / "ours"),
        "requests_per_second": 0.0,
        "allow_private_networks": True,
        "workers_per_host": 32,
        "connections_per_host": 32,
        "decoders": cores,
        "item_seconds": 100_000.0,
        "urls_per_item": 1_000_000,
    }
    fetch.run(construct(fetch.FetchStageOptions, options), Session())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

"""The local runner: as many worker processes as cores.

Beam's "DirectRunner" would first try to download another runner, so this is its
FnApiRunner itself, whose workers are processes (`python -m pipelines.local`).
"""

import logging
import os
import sys

from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.runners.worker import sdk_worker_main
from apache_beam.transforms.environments import SubprocessSDKEnvironment


def local_runner() -> FnApiRunner:
    """Make a runner whose workers are processes of this Python."""
    return FnApiRunner(SubprocessSDKEnvironment.from_command_string(f"{sys.executable} -m pipelines.local"))


def worker_arguments() -> list[str]:
    """Beam options that give each core a worker."""
    return [f"--direct_num_workers={os.cpu_count()}"]


def main() -> None:
    """Be a worker: Beam's own, without its chatter on the terminal."""
    logging.getLogger().handlers = [logging.NullHandler()]
    sdk_worker_main.main(sys.argv)


if __name__ == "__main__":
    main()

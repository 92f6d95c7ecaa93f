"""The local runner: as many worker processes as cores, if there is work for them.

Beam's "DirectRunner" would first try to download another runner, so this is its
FnApiRunner itself, whose workers are processes (`python -m pipelines.local`).
"""

import logging
import sys

from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.runners.worker import sdk_worker_main
from apache_beam.transforms.environments import SubprocessSDKEnvironment


def local_runner(workers: int) -> FnApiRunner:
    """Make a runner: one worker is this process, several are processes of this Python."""
    if workers == 1:
        return FnApiRunner()
    return FnApiRunner(SubprocessSDKEnvironment.from_command_string(f"{sys.executable} -m pipelines.local"))


def main() -> None:
    """Be a worker: Beam's own, without its chatter on the terminal."""
    logging.getLogger().handlers = [logging.NullHandler()]
    sdk_worker_main.main(sys.argv)


if __name__ == "__main__":
    main()

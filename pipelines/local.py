"""The local runner: as many worker processes as cores, if there is work for them.

Beam's "DirectRunner" would first try to download another runner, so this is its
FnApiRunner itself. Its workers are forked from one process that has imported Beam, so
that a pipeline starts in half a second: the import takes a worker two seconds of a
core, and a stage runs several pipelines.
"""

import logging
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing import forkserver
from types import ModuleType
from typing import Any

from apache_beam.portability.api import endpoints_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.runners.portability.fn_api_runner.worker_handlers import GrpcWorkerHandler, WorkerHandler
from apache_beam.runners.worker import sdk_worker_main
from apache_beam.transforms.environments import Environment
from google.protobuf import json_format, text_format

_URN = "wit-builder:env:forked:v1"


def local_runner(workers: int) -> FnApiRunner:
    """Make a runner: one worker is this process, several are processes of this Python."""
    if workers == 1:
        return FnApiRunner()
    _nursery()
    return FnApiRunner(_ForkedEnvironment())


@cache
def _nursery() -> Any:
    """Start the process that workers are forked from; it ends with this one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "pipelines.session"])
    forkserver.ensure_running()
    return context


@Environment.register_urn(_URN, bytes)
class _ForkedEnvironment(Environment):
    def to_runner_api_parameter(self, context: Any) -> tuple[str, bytes]:
        del context
        return _URN, b""

    @staticmethod
    def from_runner_api_parameter(*arguments: Any) -> "_ForkedEnvironment":
        del arguments
        return _ForkedEnvironment()


@WorkerHandler.register_environment(_URN, bytes)
class _ForkedWorkerHandler(GrpcWorkerHandler):
    def __init__(self, payload: bytes, state: Any, provision_info: Any, grpc_server: Any) -> None:
        del payload
        super().__init__(state, provision_info, grpc_server)

    def start_worker(self) -> None:
        control = endpoints_pb2.ApiServiceDescriptor(url=self.control_address)
        settings = {
            "CONTROL_API_SERVICE_DESCRIPTOR": text_format.MessageToString(control),
            "PIPELINE_OPTIONS": json_format.MessageToJson(
                self.provision_info.provision_info.pipeline_options
            ),
            "WORKER_ID": self.worker_id,
        }
        self._process = _nursery().Process(target=_work, args=(settings,), daemon=True)
        with _without_main():
            self._process.start()

    def stop_worker(self) -> None:
        self._process.join()


@contextmanager
def _without_main() -> Iterator[None]:
    """Keep `multiprocessing` from running the program again in the worker, which needs nothing of it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _work(settings: dict[str, str]) -> None:
    """Be a worker: Beam's own, without its chatter on the terminal."""
    threading.Thread(target=_end_with_launcher, daemon=True).start()
    os.environ.update(settings)
    logging.getLogger().handlers = [logging.NullHandler()]
    sdk_worker_main.main(sys.argv)


def _end_with_launcher() -> None:
    """End this worker if the launcher is killed, so that none writes on beside the next run."""
    launcher = multiprocessing.parent_process()
    if launcher:
        launcher.join()
        os._exit(1)

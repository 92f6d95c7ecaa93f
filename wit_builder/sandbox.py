"""Decoding in a process of its own, which may be killed: no image takes the job down.

The child runs `process_image` under a limit of memory for itself and of processor time for
each image. It answers in JSON, so that bytes which took it over could still not run
anything here. An image whose child dies is a failure with a word; the next one has a new child.
"""

import fcntl
import hashlib
import json
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from wit_builder.errors import UserError
from wit_builder.images import ImageError, ImageFailure, ImageOptions, ProcessedImage, process_image

_LENGTHS = struct.Struct("<II")  # of the JSON head and of the bytes behind it
_MAX_HEAD = 1 << 20
_KEEP_PAGES = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20)}
"""Of glibc: up to 64 MB of one image are kept for the next, which saves up to ten milliseconds of page
faults; more would be taken from the limit of the images after a hungry one."""
_PIPE_BYTES = 1 << 20  # most images go through in one piece
_WALL_FACTOR = 10  # the clock ends what sleeps; a loaded machine must not fail good images


@dataclass(frozen=True, kw_only=True)
class DecodeLimits:
    """What one image may take. Checked when made."""

    decode_seconds: float = field(default=30.0, metadata={"help": "processor time for one image"})
    decode_memory: int = field(
        default=512, metadata={"help": "megabytes for one image, above the decoder itself"}
    )

    def __post_init__(self) -> None:
        for name in ("decode_seconds", "decode_memory"):
            if getattr(self, name) <= 0:
                raise UserError(f"{name} is {getattr(self, name)}; give a number above 0")


class Decoder:
    """A child process that makes images; use it as a context manager, from one thread at a time.

    Args:
        options: what the images look like.
        limits: what one image may take.
    """

    def __init__(self, options: ImageOptions, limits: DecodeLimits | None = None) -> None:
        self._options = options
        self._limits = limits or DecodeLimits()
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def process(self, data: bytes) -> ProcessedImage | ImageFailure:
        """Decode, resize and encode one image in the child; any bytes at all give one or the other.

        Raises:
            UserError: the child cannot work at all, such as without the chosen backend.
        """
        child = self._child or self._begin()
        deadline = time.monotonic() + self._limits.decode_seconds * _WALL_FACTOR
        try:
            return _read_answer(*_ask(child, data, deadline))
        except UserError:
            raise
        except (OSError, EOFError, ValueError, TypeError, KeyError, RecursionError) as fault:
            return ImageFailure(self._cause_of_death(fault), hashlib.sha256(data).hexdigest())

    def _begin(self) -> subprocess.Popen[bytes]:
        settings = json.dumps({"options": asdict(self._options), "limits": asdict(self._limits)})
        self._child = subprocess.Popen(
            [sys.executable, "-m", __name__, settings],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_KEEP_PAGES, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            process_group=0,  # an interrupt at the terminal is for us to handle
        )
        for pipe in (self._child.stdin, self._child.stdout):
            with suppress(OSError):  # an unprivileged user may have used up what pipes may hold
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)  # type: ignore[arg-type]
        return self._child

    def _cause_of_death(self, fault: Exception) -> ImageError:
        code = self._end()
        if isinstance(fault, TimeoutError) or code == -signal.SIGPROF:
            return ImageError.DECODE_TIMEOUT
        return ImageError.DECODER_CRASHED

    def _end(self) -> int:
        """End the child and give its exit status."""
        child, self._child = self._child, None
        if child is None:
            return 0
        for pipe in (child.stdin, child.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]  # both are pipes
        try:
            return child.wait(1)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()


def _ask(child: subprocess.Popen[bytes], data: bytes, deadline: float) -> tuple[dict[str, Any], bytes]:
    """Send one file and take the answer.

    Raises:
        OSError, EOFError: the child is gone.
        TimeoutError: the deadline passed.
        ValueError: the answer is none of ours.
    """
    assert child.stdin is not None
    assert child.stdout is not None
    _send(child.stdin, {}, data)
    answers = child.stdout.fileno()
    head_length, body_length = _LENGTHS.unpack(_take(answers, _LENGTHS.size, deadline))
    if head_length > _MAX_HEAD:
        raise ValueError("an answer without bound")
    head = json.loads(_take(answers, head_length, deadline))
    return head, _take(answers, body_length, deadline)


def _read_answer(head: Mapping[str, Any], body: bytes) -> ProcessedImage | ImageFailure:
    if "user_error" in head:
        raise UserError(head["user_error"])
    if "error" in head:
        return ImageFailure(ImageError(head["error"]), head["sha256"])
    return ProcessedImage(data=body, **head)


def _send(pipe: IO[bytes], head: Mapping[str, Any], body: bytes) -> None:
    text = json.dumps(head).encode()
    pipe.write(_LENGTHS.pack(len(text), len(body)) + text)
    pipe.write(body)
    pipe.flush()


def _take(pipe: int, size: int, deadline: float) -> bytes:
    """Read exactly `size` bytes."""
    taken = bytearray()
    while len(taken) < size:
        if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError
        got = os.read(pipe, min(size - len(taken), _PIPE_BYTES))
        if not got:
            raise EOFError
        taken += got
    return bytes(taken)


def _limit_memory(megabytes: int) -> None:
    """Let this process take so much more memory than it has now."""
    status = Path("/proc/self/status").read_text()
    used = int(status.partition("VmData:")[2].split()[0]) << 10
    most = used + (megabytes << 20)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answer(data: bytes, options: ImageOptions) -> tuple[dict[str, Any], bytes]:
    try:
        result = process_image(data, options)
    except UserError as error:
        return {"user_error": str(error)}, b""
    head = {name: getattr(result, name) for name in result.__dataclass_fields__ if name != "data"}
    return head, result.data if isinstance(result, ProcessedImage) else b""


def main() -> None:
    """Be the child: answer until there are no more questions."""
    settings = json.loads(sys.argv[1])
    options, limits = ImageOptions(**settings["options"]), DecodeLimits(**settings["limits"])
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    import cv2
    from PIL import Image

    cv2.setNumThreads(1)
    Image.init()  # its plugins are not the first image's to pay for
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    _limit_memory(limits.decode_memory)
    while len(lengths := questions.read(_LENGTHS.size)) == _LENGTHS.size:
        head_length, body_length = _LENGTHS.unpack(lengths)
        data = questions.read(head_length + body_length)[head_length:]
        signal.setitimer(signal.ITIMER_PROF, limits.decode_seconds)
        head, body = _answer(data, options)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _send(answers, head, body)


if __name__ == "__main__":
    main()

"""Waiting: a host's turns, and the time that a URL may take."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Pace:
    """The turns of one host.

    Args:
        slots: requests under way at once.
        interval: least time between the beginnings of two requests, in seconds.
    """

    def __init__(self, slots: int, interval: float) -> None:
        self._slots = asyncio.Semaphore(slots)
        self._ready_at = 0.0
        self.interval = interval

    def hold(self, seconds: float) -> None:
        """Let no request begin for some seconds."""
        self._ready_at = max(self._ready_at, asyncio.get_running_loop().time() + seconds)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a slot and for the interval; the slot is free again at the end."""
        clock = asyncio.get_running_loop().time
        async with self._slots:
            while (wait := self._ready_at - clock()) > 0:
                await asyncio.sleep(wait)
            self._ready_at = clock() + self.interval
            yield


class TimeLeft:
    """The time of one URL, which runs only while it is on the wire, not while it waits its turn.

    Args:
        seconds: in all.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let the time run.

        Raises:
            TimeoutError: there is none left.
        """
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            async with asyncio.timeout(max(self._seconds, 0)):
                yield
        finally:
            self._seconds -= clock() - started

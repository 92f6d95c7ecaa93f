"""Waiting: a site's turns, the time that a URL may take, and room for bodies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_SLOWEST = 60.0  # seconds between requests that a busy site is slowed down to
_BUSY = 1.0  # seconds between requests, at least, once a site has said that it is busy


class Pace:
    """The turns of one site, which grow rarer while it says that it is busy.

    Args:
        interval: least time between the beginnings of two requests, in seconds.
    """

    def __init__(self, interval: float) -> None:
        self._ready_at = 0.0
        self._usual = interval
        self.interval = interval

    def hold(self, seconds: float) -> None:
        """Let no request begin for some seconds."""
        self._ready_at = max(self._ready_at, asyncio.get_running_loop().time() + seconds)

    def slow_down(self, seconds: float) -> None:
        """Keep at least so many seconds between requests from now on."""
        self._usual = max(self._usual, seconds)
        self.interval = max(self.interval, seconds)

    def back_off(self) -> None:
        """Double the interval: the site is busy."""
        self.interval = max(self._usual, min(max(2 * self.interval, _BUSY), _SLOWEST))

    def ease(self) -> None:
        """Come a fifth nearer to the usual interval: the site answers."""
        self.interval = max(self._usual, 0.8 * self.interval) if self.interval > 0.01 else self._usual

    async def turn(self) -> None:
        """Wait until the next request may begin."""
        clock = asyncio.get_running_loop().time
        while (wait := self._ready_at - clock()) > 0:
            await asyncio.sleep(wait)
        self._ready_at = clock() + self.interval


class Room:
    """Room for bytes that are held at once, given out in the order of asking.

    Args:
        most: bytes in all.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._free = most
        self._line = asyncio.Lock()
        self._freed = asyncio.Event()

    async def take(self, size: int) -> int:
        """Wait for room and take it; one body may take all there is.

        Returns:
            What to give back.
        """
        size = min(size, self._most)
        async with self._line:
            while self._free < size:
                self._freed.clear()
                await self._freed.wait()
            self._free -= size
        return size

    def give_back(self, size: int) -> None:
        """Free what was taken."""
        self._free += size
        self._freed.set()


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

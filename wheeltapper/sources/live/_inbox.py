"""Messages between the thread that reads a broker's socket and the loop that takes them in: a bounded queue."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from threading import Condition
from typing import Generic, TypeVar

Message = TypeVar("Message")


class Inbox(Generic[Message]):
    """Holds at most ``size`` messages; who puts one more waits, so that nothing is read on.

    Parameters
    ----------
    size : int
    loop : AbstractEventLoop
        The loop of the reader.
    """

    def __init__(self, size: int, loop: asyncio.AbstractEventLoop) -> None:
        self._size = size
        self._loop = loop
        self._changed = Condition()
        self._messages: deque[Message] = deque()
        self._is_closed = False
        self._has_news = asyncio.Event()
        self._is_woken = False

    def put(self, message: Message) -> None:
        """Add a message, from any thread; waits while the queue is full. What is put after `close` is dropped."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or len(self._messages) < self._size)
            if self._is_closed:
                return
            self._messages.append(message)
        self.wake()

    def drop(self, is_void: Callable[[Message], bool]) -> None:
        """Drop messages that will come again."""
        with self._changed:
            self._messages = deque(message for message in self._messages if not is_void(message))
            self._changed.notify_all()

    def wake(self) -> None:
        """Wake the reader, from any thread; once is enough until it has looked."""
        with self._changed:
            if self._is_woken or self._is_closed:
                return
            self._is_woken = True
        self._loop.call_soon_threadsafe(self._has_news.set)

    async def wait(self, seconds: float, most: int) -> list[Message]:
        """Return the next messages in order as soon as there are any, or nothing after some seconds."""
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                await self._has_news.wait()
        except TimeoutError:
            pass
        self._has_news.clear()
        with self._changed:
            self._is_woken = False
            messages = [self._messages.popleft() for _ in range(min(most, len(self._messages)))]
            if self._messages:
                self._is_woken = True
                self._has_news.set()
            self._changed.notify_all()
        return messages

    def close(self) -> None:
        """Let nobody wait any longer to put a message."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

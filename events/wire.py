"""The wire: one asyncio connection to Redis that carries what any number of tasks ask at a time."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any, Self

import hiredis
from redis.exceptions import ConnectionError, InvalidResponse, TimeoutError  # noqa: A004 - theirs

from .connection import translate
from .replies import ErrorReply, needs_another_connection

AT_ONCE = 16
"""Commands that make a write worth it: the server is at work on them while the next are made."""

_NOTHING = object()


class Wire(asyncio.Protocol):
    """Commands go out as they come, replies come back in their order.

    What is asked in one turn of the event loop shares writes. There is no end to what may be
    written before the server takes it: every task waits for its reply before it asks again.
    """

    def __init__(self, connection: Any, timeout: float) -> None:
        """Take over a connection of redis-py's, which has greeted the server and has no reply due.

        A reply may take `timeout` seconds: then the connection, and all that was asked, is lost.
        """
        self._loop = asyncio.get_running_loop()
        self._timeout = timeout
        self._asked: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._unsent: list[tuple[bytes, asyncio.Future[Any]]] = []
        self._heard = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self._is_open = True
        self._is_new = True
        # redis-py has no public way to hand its stream on; the stream's writer would close the
        # connection with itself, so it is kept
        self._writer = connection._writer  # noqa: SLF001 - said above
        connection._reader = connection._writer = None  # noqa: SLF001 - said above
        self._transport = self._writer.transport
        self._transport.set_protocol(self)
        self._replies = hiredis.Reader(
            protocolError=InvalidResponse,
            replyError=ErrorReply,
            notEnoughData=_NOTHING,
        )

    @classmethod
    async def open(cls, connection: Any, timeout: float) -> Self:  # noqa: ASYNC109 - of replies
        """Connect; LogUnavailable, or InvalidSettings and LogRefused, which no other try mends."""
        try:
            await connection.connect()
        except BaseException as error:
            await connection.disconnect(nowait=True)
            if translation := translate(error, is_new=True):
                raise translation from error
            raise
        return cls(connection, timeout)

    @property
    def is_open(self) -> bool:
        """Say if it may be asked: neither it nor the event loop that it lives in has ended."""
        return self._is_open and not self._loop.is_closed()

    def ask(self, packed: bytes) -> asyncio.Future[Any]:
        """Send one command of a connection that is open; the future brings its reply or error."""
        asked = self._loop.create_future()
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.append((packed, asked))
        if len(self._unsent) == AT_ONCE:
            self._send()
        return asked

    def close(self) -> None:
        """Close the connection; who still waits for a reply is told that it is lost."""
        self._lose(ConnectionError("Connection closed."))

    def drop(self) -> None:
        """Close it from any thread: where garbage is collected, nobody chose to be."""
        with suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(self.close)

    def data_received(self, data: bytes) -> None:
        """Hand replies to who asked; those of calls that were cancelled are passed over."""
        self._heard = self._loop.time()
        self._replies.feed(data)
        try:
            while (reply := self._replies.gets()) is not _NOTHING:
                asked, _ = self._asked.popleft()
                if isinstance(reply, ErrorReply):
                    self._refuse(asked, reply)
                    continue
                self._is_new = False
                if not asked.done():
                    asked.set_result(reply)
        except (InvalidResponse, IndexError) as error:  # what comes is no reply to anything
            self._lose(InvalidResponse(str(error)))

    def connection_lost(self, error: Exception | None) -> None:
        """Tell all who wait."""
        lost = ConnectionError(str(error or "Connection closed by server."))
        lost.__cause__ = error
        self._lose(lost)

    def _refuse(self, asked: asyncio.Future[Any], reply: ErrorReply) -> None:
        error = translate(reply, is_new=self._is_new) or reply
        if not asked.done():
            asked.set_exception(error)
        if needs_another_connection(error):
            self._lose(reply)  # what was asked after it would be answered in the same way

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, []
        if unsent:
            # their time runs from now: the caller's own work may have come in between
            now = self._loop.time()
            self._asked += [(asked, now) for _, asked in unsent]
            self._transport.write(b"".join([packed for packed, _ in unsent]))
            if self._watch is None:
                self._watch = self._loop.call_later(self._timeout, self._look)

    def _look(self) -> None:
        """Give the connection up if the oldest question has had no reply for too long."""
        self._watch = None
        if self._asked:
            since = max(self._asked[0][1], self._heard)
            left = since + self._timeout - self._loop.time()
            if left <= 0:
                self._lose(TimeoutError("Timeout reading from socket"))
            else:
                self._watch = self._loop.call_later(left, self._look)

    def _lose(self, error: Exception) -> None:
        self._is_open = False
        if self._watch:
            self._watch.cancel()
        with suppress(RuntimeError):  # the event loop is closed, and so is the connection
            self._transport.abort()
        asked = [*(one for one, _ in self._asked), *(one for _, one in self._unsent)]
        self._asked, self._unsent = deque(), []
        for one in asked:
            if not one.done():
                one.set_exception(translate(error, is_new=self._is_new) or error)

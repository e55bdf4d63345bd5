"""The line: one blocking connection to Redis."""

from collections.abc import Iterable
from time import monotonic
from typing import Any, Self

import hiredis
from redis.exceptions import ConnectionError, InvalidResponse  # noqa: A004 - theirs

from .connection import translate
from .replies import ErrorReply

SURE_SECONDS = 0.5
"""A line that was used so lately is taken as it is; an idle one is looked at first."""

READ_BYTES = 64 * 1024

_NOTHING = object()


class Line:
    """Commands go out as they are given, and replies are read in their order.

    Every method raises the driver's errors, or ErrorReply; after one that is no reply, the line is
    to be closed.
    """

    def __init__(self, connection: Any, patience: float) -> None:
        """Take over a connection of redis-py's that is connected and has no reply due.

        Its socket waits up to `patience` seconds.
        """
        self._connection = connection
        self._patience = patience
        self._used = monotonic()
        self.is_new = True
        """Whether the server has not replied with anything but errors yet."""
        self._due = 0
        # redis-py has no public way to hand its socket on
        self._socket = connection._sock  # noqa: SLF001 - said above
        self._replies = hiredis.Reader(
            protocolError=InvalidResponse,
            replyError=ErrorReply,
            notEnoughData=_NOTHING,
        )

    @classmethod
    def open(cls, connection: Any, patience: float) -> Self:
        """Connect; LogUnavailable, or InvalidSettings and LogRefused, which no other try mends."""
        try:
            connection.connect()
        except BaseException as error:
            connection.disconnect()
            if translation := translate(error, is_new=True):
                raise translation from error
            raise
        return cls(connection, patience)

    @property
    def is_sound(self) -> bool:
        """Say if the line is as it was left: with nothing to read, not even its end."""
        if monotonic() - self._used < SURE_SECONDS:
            return True
        try:
            return not self._connection.can_read(0)
        except (ConnectionError, OSError):
            return False

    @property
    def is_quiet(self) -> bool:
        """Say if no reply is due."""
        return not self._due

    def wait_at_most(self, seconds: float) -> None:
        """Let the server take so many seconds for what is sent and read from now on."""
        if seconds != self._patience:  # it costs a system call
            self._socket.settimeout(seconds)
            self._patience = seconds

    def send(self, packed: Iterable[bytes]) -> None:
        """Send commands, each as soon as it is made."""
        try:
            for one in packed:
                self._due += 1
                self._socket.sendall(one)
        except OSError as error:
            raise ConnectionError(f"while sending: {error}") from error

    def read(self) -> Any:
        """Read one reply; an error with which the server answers is raised."""
        try:
            while (reply := self._replies.gets()) is _NOTHING:
                data = self._socket.recv(READ_BYTES)
                if not data:
                    raise ConnectionError("Connection closed by server.")
                self._replies.feed(data)
        except OSError as error:
            raise ConnectionError(f"while waiting for a reply: {error}") from error
        self._used = monotonic()
        self._due -= 1
        if isinstance(reply, ErrorReply):
            raise reply
        self.is_new = False
        return reply

    def close(self) -> None:
        """Close the connection."""
        self._connection.disconnect()

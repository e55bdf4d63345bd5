"""Packed: commands as the bytes that go over a connection."""

from typing import Any, cast

import hiredis

from .script import Argument, Call


def pack(words: tuple[Argument, ...]) -> bytes:
    """Pack the words of a command."""
    # hiredis 3.5 reads memory that is not its own where a signal handler raises while it writes a
    # number: a Ctrl-C would end the process with a segmentation fault
    texts = tuple([str(word) if isinstance(word, int) else word for word in words])
    return cast(bytes, cast(Any, hiredis.pack_command)(texts))


def pack_call(call: Call) -> bytes:
    """Pack the call of a script that Redis knows."""
    return pack(("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.args))


def pack_wait(timeout_ms: int) -> bytes:
    """Pack a wait for all that the connection has written to be on Redis' disk."""
    return pack(("WAITAOF", 1, 0, timeout_ms))

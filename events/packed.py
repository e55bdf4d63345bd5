"""Packed: commands as the bytes that go over a connection."""

from collections.abc import Callable
from typing import Any, cast

import hiredis

from .script import Argument, Call

pack: Callable[[tuple[Argument, ...]], bytes] = cast(Any, hiredis.pack_command)


def pack_call(call: Call) -> bytes:
    """Pack the call of a script that Redis knows."""
    return pack(("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.args))


def pack_wait(timeout_ms: int) -> bytes:
    """Pack a wait for all that the connection has written to be on Redis' disk."""
    return pack(("WAITAOF", 1, 0, timeout_ms))

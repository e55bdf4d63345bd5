"""Events to bytes and back. The payload inside stays undecoded (`msgspec.Raw`)."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from . import payload
from .errors import InvalidPayload, UndecodableEntry
from .event import UPCASTERS, AnyEvent

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


class _Tag(msgspec.Struct):
    type: str


MAX_DEPTH = payload.MAX_DEPTH + 1
"""How deep an event nests at most: as its data may, inside the event itself."""
_STRING = re.compile(rb'(?s)"(?:[^"\\]|\\.)*+"?')
_BRACKETS = b"[]{}"
_NO_BRACKETS = bytes(set(range(256)) - set(_BRACKETS))
_SQUARE = bytes.maketrans(_BRACKETS, b"[][]")

_tag_decoder = msgspec.json.Decoder(_Tag)

_UNREADABLE = (
    msgspec.MsgspecError,
    InvalidPayload,
    RecursionError,
    # what an upcaster may stumble over in a document that only looks like an old event
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
)


def encode(event: AnyEvent) -> bytes:
    """Write an event as the JSON that the log keeps."""
    return _encoder.encode(event)


def decode(encoded: bytes, upcasters: Mapping[str, Upcaster] = UPCASTERS) -> AnyEvent:
    """Read an event, bringing an older version forward; UndecodableEntry where it is none."""
    if _nests_too_deep(encoded):
        raise UndecodableEntry(
            f"Not an event that this version can read: it nests deeper than {MAX_DEPTH} levels"
        )
    try:
        event = _decoder.decode(encoded)
        # Whoever wrote this escape around `payload.encode` may have written what jsonb refuses.
        # The search for one byte is many times faster, and most events do not even have that.
        if b"\\" in encoded and b"\\u" in encoded:
            payload.check(msgspec.json.decode(encoded))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, InvalidPayload) as error:
        return _upcast(encoded, upcasters, error)
    return event


def _upcast(encoded: bytes, upcasters: Mapping[str, Upcaster], first: Exception) -> AnyEvent:
    try:
        if _tag_decoder.decode(encoded).type not in upcasters:
            raise first
        old: dict[str, Any] = msgspec.json.decode(encoded, type=dict[str, Any])
        while (tag := old.get("type")) in upcasters:
            old = upcasters[str(tag)](old)
        return _decoder.decode(_encoder.encode(old))
    except _UNREADABLE as error:
        raise UndecodableEntry(f"Not an event that this version can read: {error}") from error


def _nests_too_deep(encoded: bytes) -> bool:
    """Return whether JSON nests deeper than MAX_DEPTH, whatever Python's own limit is."""
    if encoded.count(b"[") + encoded.count(b"{") <= MAX_DEPTH:
        return False
    pairs = _STRING.sub(b"", encoded).translate(_SQUARE, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        pairs = pairs.replace(b"[]", b"")  # the innermost level, at the speed of C
    return b"[" in pairs

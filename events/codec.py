"""Events to bytes and back. The payload inside stays undecoded (`msgspec.Raw`)."""

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

"""Messages: a key, a value and headers as the fields of an entry."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

KEY, VALUE, HEADERS = b"k", b"v", b"h"
"""The fields of a message's entry. A field that is missing stands for None."""

Headers: TypeAlias = list[tuple[str, bytes]]
_headers = msgspec.json.Decoder(Headers)


def encode(
    key: bytes | None,
    value: bytes | None,
    headers: Mapping[str, Any] | Iterable[tuple[str, Any]] | None,
) -> dict[bytes, bytes]:
    """Turn a message into the fields of an entry; header values are bytes, or made so as UTF-8."""
    fields = {name: one for name, one in ((KEY, key), (VALUE, value)) if one is not None}
    if headers or not fields:
        fields[HEADERS] = msgspec.json.encode(_pairs(headers or ()))
    return fields


def decode(fields: Iterable[bytes]) -> tuple[bytes | None, bytes | None, Headers | None]:
    """Turn the fields of an entry into key, value and headers of a message.

    Fields that no message has are passed over; headers that are none are left out.
    """
    flat = iter(fields)
    values = dict(zip(flat, flat, strict=True))
    return values.get(KEY), values.get(VALUE), _read_headers(values.get(HEADERS))


def _read_headers(encoded: bytes | None) -> Headers | None:
    # Anybody can XADD anything, and one bad entry must not stop the partition.
    try:
        return None if encoded is None else _headers.decode(encoded)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _pairs(headers: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Headers:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [(name, one if isinstance(one, bytes) else str(one).encode()) for name, one in pairs]

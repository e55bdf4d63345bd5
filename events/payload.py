"""The data that callers save with a stage: what may go in, and how it comes back.

What JSON, Python and Postgres do not all keep is refused here, by path, before anything is sent.
"""

import math
from collections.abc import Iterator
from typing import Any, TypeVar, overload

import msgspec

from .errors import CheckpointError, InvalidPayload, PayloadTooLarge

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 100
MIN_INT, MAX_INT = -(2**63), 2**64 - 1

T = TypeVar("T")
_SCALARS = frozenset({str, int, float, bool, type(None)})


def encode(data: Any, limit: int = MAX_BYTES) -> msgspec.Raw:
    """Turn data into JSON of at most `limit` bytes.

    Plain values, and what msgspec writes besides: dataclasses, Structs, datetimes, bytes (base64),
    enums, decimals, UUIDs. InvalidPayload names the path of what cannot be kept; PayloadTooLarge.
    """
    try:
        check(msgspec.to_builtins(data))
        encoded = msgspec.json.encode(data)
    except RecursionError:
        raise InvalidPayload(f"The data nests deeper than {MAX_DEPTH} levels") from None
    except (TypeError, ValueError) as error:
        raise InvalidPayload(
            f"{_unwritable(data, 'data')} cannot be written as JSON: {error}. Save a plain value "
            "instead, as str(…) or float(…) make one"
        ) from error
    if len(encoded) > limit:
        raise PayloadTooLarge(
            f"The data takes {len(encoded):,} bytes, and an event holds at most {limit:,}: "
            "save it to a file and keep its path, size and checksum in the checkpoint"
        )
    return msgspec.Raw(encoded)


@overload
def decode(raw: bytes | msgspec.Raw, type: None = None) -> Any: ...
@overload
def decode(raw: bytes | msgspec.Raw, type: type[T]) -> T: ...
def decode(raw: bytes | msgspec.Raw, type: Any = None) -> Any:  # noqa: A002 - msgspec's own word
    """Read data back, as plain values or as `type`; CheckpointError if it is not of that type."""
    try:
        return msgspec.json.decode(raw, type=Any if type is None else type)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"The stored data is not a {type!r}: {error}") from error


def storable(text: str) -> str:
    """Replace what Postgres cannot hold in a text: NUL and lone surrogates."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def check(value: Any) -> None:
    """Raise InvalidPayload if a builtin value holds something that would not come back."""
    if problem := next(_problems(value, "data", 0), None):
        raise InvalidPayload(problem)


def _unwritable(value: Any, path: str) -> str:
    """Return the path of the first thing inside a value that msgspec cannot write."""
    if isinstance(value, dict):
        items = [(f"{path}.{key}", item) for key, item in value.items()]
    elif isinstance(value, list | tuple):
        items = [(f"{path}[{position}]", item) for position, item in enumerate(value)]
    else:
        items = []
    for inner, item in items:
        try:
            msgspec.json.encode(item)
        except (TypeError, ValueError):
            return _unwritable(item, inner)
    return path


def _problems(value: Any, path: str, depth: int) -> Iterator[str]:
    kind = type(value)
    if kind in _SCALARS:
        yield from _scalar_problems(value, path)
    elif depth >= MAX_DEPTH:
        yield f"{path[:200]} nests deeper than {MAX_DEPTH} levels"
    elif kind is dict:
        for key, item in value.items():
            if type(key) is not str:
                yield f"{path} has the key {key!r}: JSON's keys are str, not {type(key).__name__}"
            elif not _is_storable(key):
                yield f"{path} has the key {key!r}: Postgres holds no NUL and no lone surrogate"
            elif type(item) not in _SCALARS or _is_suspect(item):
                yield from _problems(item, f"{path}.{key}", depth + 1)
    else:
        for position, item in enumerate(value):
            if type(item) not in _SCALARS or _is_suspect(item):
                yield from _problems(item, f"{path}[{position}]", depth + 1)


def _is_suspect(value: Any) -> bool:
    """Say whether a scalar needs a closer look: a cheap test that most values pass."""
    if type(value) is str:
        return not value.isascii() or "\0" in value
    if type(value) is float:
        return not math.isfinite(value)
    return type(value) is int and not MIN_INT <= value <= MAX_INT


def _scalar_problems(value: Any, path: str) -> Iterator[str]:
    if type(value) is str and not _is_storable(value):
        yield f"{path} is {value[:40]!r}: Postgres holds no NUL and no lone surrogate in a string"
    elif type(value) is float and not math.isfinite(value):
        yield f"{path} is {value}: JSON has no NaN and no infinity"
    elif type(value) is int and not MIN_INT <= value <= MAX_INT:
        yield f"{path} is {value}: an integer is kept exactly from -2**63 to 2**64-1; use a str"


def _is_storable(text: str) -> bool:
    return "\0" not in text and (
        text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)
    )

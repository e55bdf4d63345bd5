"""The data that callers save with a stage: what may go in, and how it comes back.

What JSON, Python and Postgres do not all keep is refused here, by path, before anything is sent.
"""

import math
from datetime import datetime, time, timedelta
from typing import Any, TypeVar, overload

import msgspec

from .errors import CheckpointError, InvalidPayload, PayloadTooLarge

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 100
MIN_INT, MAX_INT = -(2**63), 2**64 - 1

T = TypeVar("T")
_TIMES = (datetime, time)
_SCALARS = frozenset({str, int, float, bool, type(None), *_TIMES})
_MINUTE = timedelta(minutes=1)


def encode(data: Any, limit: int = MAX_BYTES) -> msgspec.Raw:
    """Turn data into JSON of at most `limit` bytes.

    Plain values, and what msgspec writes besides: dataclasses, Structs, datetimes, bytes (base64),
    enums, decimals, UUIDs. InvalidPayload names the path of what cannot be kept; PayloadTooLarge.
    """
    try:
        check(msgspec.to_builtins(data, builtin_types=_TIMES))
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
    if problem := _problem(value, 0):
        path, what = problem
        raise InvalidPayload(f"{f'data{path}'[:200]} {what}")


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


def _problem(value: Any, depth: int) -> tuple[str, str] | None:
    """Find the first thing inside a builtin value that would not come back: where, and why."""
    kind = type(value)
    if kind in _SCALARS:
        why = _scalar_problem(value)
        return ("", why) if why else None
    if depth >= MAX_DEPTH:
        return "", f"nests deeper than {MAX_DEPTH} levels"
    if kind is dict:
        return _problem_in_dict(value, depth)
    for position, item in enumerate(value):
        if problem := _problem(item, depth + 1):
            return f"[{position}]{problem[0]}", problem[1]
    return None


def _problem_in_dict(value: dict[Any, Any], depth: int) -> tuple[str, str] | None:
    for key, item in value.items():
        if type(key) in _TIMES:
            if why := _offset_problem(key):
                return "", f"has a key that {why}"
        elif type(key) is not str:
            return "", f"has the key {key!r}: JSON's keys are str, not {type(key).__name__}"
        elif not key.isprintable() and not _is_storable(key):
            return "", f"has the key {key!r}: Postgres holds no NUL and no lone surrogate"
        if type(item) is str and item.isprintable():
            continue  # as most are: a look at a time, for all that is saved comes by here
        if problem := _problem(item, depth + 1):
            return f".{key}{problem[0]}", problem[1]
    return None


def _scalar_problem(value: Any) -> str | None:
    kind = type(value)
    if kind is str and not _is_storable(value):
        return f"is {value[:40]!r}: Postgres holds no NUL and no lone surrogate in a string"
    if kind is float and not math.isfinite(value):
        return f"is {value}: JSON has no NaN and no infinity"
    if kind is int and not MIN_INT <= value <= MAX_INT:
        return f"is {value}: an integer is kept exactly from -2**63 to 2**64-1; use a str"
    if kind in _TIMES:
        return _offset_problem(value)
    return None


def _offset_problem(value: datetime | time) -> str | None:
    offset = value.utcoffset()
    if offset is None or not offset % _MINUTE:
        return None
    return (
        f"is {value.isoformat()}: a UTC offset is kept in whole minutes; "
        "convert the time to UTC first"
    )


def _is_storable(text: str) -> bool:
    return "\0" not in text and (
        text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)
    )

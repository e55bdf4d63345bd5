"""The block of an atomic checkpoint: the dict that it fills, and how long it took."""

import inspect
import traceback
from collections.abc import Iterator, Mapping
from time import monotonic
from types import FrameType
from typing import Any, Self
from weakref import ref

from checkpoint.events import payload
from checkpoint.events.errors import InvalidPayload
from checkpoint.events.event import TRACEBACK_BYTES

TRACEBACK_FRAMES = 20

_PASSED_OVER = ("contextlib", "checkpoint.")
"""Modules between the caller's `with` statement and this one."""

_Line = tuple[int, int]


class StageData(dict[str, Any]):
    """The dict that a block fills. What cannot be saved is refused when it is put in."""

    def __init__(self, block: "StageBlock") -> None:
        """Begin empty."""
        super().__init__()
        self._block = block

    def __setitem__(self, key: str, value: Any) -> None:
        """Put a value in; InvalidPayload where it cannot be saved."""
        payload.encode({key: value}, self._block.limit)
        super().__setitem__(key, value)

    def update(self, *values: Any, **more: Any) -> None:
        """Put values in; InvalidPayload where one cannot be saved."""
        for key, value in dict(*values, **more).items():
            self[key] = value

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return a value, put in first where there is none; InvalidPayload."""
        if key not in self:
            self[key] = default
        return self[key]

    def __ior__(self, values: Any) -> Self:  # type: ignore[override,misc]
        """Put values in; InvalidPayload where one cannot be saved."""
        self.update(values)
        return self

    def __del__(self) -> None:
        """Note where the block let go of it."""
        self._block.dropped = next(_lines(), None)


class StageBlock:
    """One run of a block.

    `with … as data: data = {…}` would save nothing: the dict that is saved is the one that the
    block was given. So the block holds only a weak reference to it, and notices where its caller
    drops it: a caller that never named it does so in the `with` statement itself.
    """

    def __init__(self, stage: str, limit: int) -> None:
        """Begin a stage whose data may take `limit` bytes."""
        self.limit = limit
        self._stage = stage
        self._begun = monotonic()
        self._data: ref[StageData] | None = None
        self._opened: frozenset[_Line] = frozenset()
        self.dropped: _Line | None = None
        """The line that dropped the last reference to the dict."""

    @property
    def took(self) -> float:
        """Seconds since the block began."""
        return monotonic() - self._begun

    def open(self) -> StageData:
        """Return the dict to fill."""
        data = StageData(self)
        self._data = ref(data)
        self._opened = frozenset(_lines())
        return data

    def result(self) -> Mapping[str, Any]:
        """Return what the block put into its dict; InvalidPayload where it dropped the dict."""
        data = self._data() if self._data else None
        if data is not None:
            return dict(data)
        if self.dropped not in self._opened:
            raise InvalidPayload(
                f"The block of stage {self._stage!r} replaced the dict that it was given, so its "
                "values would not be saved: put them into it, as data.update(…) does"
            )
        return {}


def _lines() -> Iterator[_Line]:
    """Yield the code and line of each frame outside this package and contextlib, inmost first."""
    frame: FrameType | None = inspect.currentframe()
    while frame:
        if not frame.f_globals.get("__name__", "").startswith(_PASSED_OVER):
            yield id(frame.f_code), frame.f_lineno
        frame = frame.f_back


def message_of(error: BaseException) -> str:
    """Return the message of an exception, also of one whose `__str__` fails."""
    try:
        return payload.storable(str(error))
    except Exception as failed:  # noqa: BLE001 - the pipeline's own code, and it is failing already
        return f"<its message cannot be had: {type(failed).__name__}>"


def traceback_of(error: BaseException) -> str:
    """Return the last frames of an exception's traceback, its causes included."""
    try:
        text = "".join(traceback.format_exception(error, limit=-TRACEBACK_FRAMES))
    except Exception:  # noqa: BLE001 - as in message_of
        return ""
    encoded = payload.storable(text).encode()
    if len(encoded) <= TRACEBACK_BYTES:
        return encoded.decode()
    return "…" + encoded[-TRACEBACK_BYTES + len("…".encode()) :].decode(errors="ignore")

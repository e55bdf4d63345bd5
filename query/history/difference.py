"""Differences: what two states of a job do not have in common. Pure."""

import re
from collections.abc import Iterator
from typing import Any, TypedDict

import msgspec

from checkpoint.projector.fold import JobState
from checkpoint.query.resume import data_of

DEEPEST = 100
"""Levels down to which data is compared part by part; what lies deeper is one value."""
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MISSING: Any = object()


class Change(TypedDict):
    """One place in a stage's data where two states differ."""

    path: str
    """A JSON path: `$` is the data as a whole."""
    kind: str
    """added, removed or changed."""
    before: Any
    after: Any


class Difference(TypedDict):
    """What became of a job between two states."""

    added: list[str]
    """Stages that are completed only in the later state."""
    removed: list[str]
    changed: dict[str, list[Change]]
    """Stages that were completed again: nothing in the list where the data is the same."""
    failed: dict[str, tuple[int, int]]
    """Stages whose number of failures is another: before and after."""
    owners: tuple[str | None, str | None] | None
    """Who held the job, before and after; None where that is the same."""


def difference(before: JobState, after: JobState) -> Difference:
    """Compare two states; their checkpoints must have their data."""
    old, new = before.checkpoints, after.checkpoints
    failed = dict.fromkeys([*before.failures, *after.failures])
    counts = {stage: (_failures(before, stage), _failures(after, stage)) for stage in failed}
    return Difference(
        added=[stage for stage in new if stage not in old],
        removed=[stage for stage in old if stage not in new],
        changed={
            stage: list(changes(data_of(old[stage]), data_of(new[stage])))
            for stage in new
            if stage in old and old[stage].id != new[stage].id
        },
        failed={stage: count for stage, count in counts.items() if count[0] != count[1]},
        owners=_owners(before.owner, after.owner),
    )


def _owners(before: str, after: str) -> tuple[str | None, str | None] | None:
    return None if before == after else (before or None, after or None)


def _failures(state: JobState, stage: str) -> int:
    failure = state.failures.get(stage)
    return failure.attempts if failure else 0


def changes(before: Any, after: Any, path: str = "$", depth: int = 0) -> Iterator[Change]:
    """Yield the places where two values that JSON can hold differ."""
    if before is _MISSING:
        yield Change(path=path, kind="added", before=None, after=after)
    elif after is _MISSING:
        yield Change(path=path, kind="removed", before=before, after=None)
    elif depth < DEEPEST and isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            old, new = before.get(key, _MISSING), after.get(key, _MISSING)
            yield from changes(old, new, path + _step(key), depth + 1)
    elif depth < DEEPEST and isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            old, new = _item(before, index), _item(after, index)
            yield from changes(old, new, f"{path}[{index}]", depth + 1)
    elif not _same(before, after):
        yield Change(path=path, kind="changed", before=before, after=after)


def _same(before: Any, after: Any) -> bool:
    # 1, 1.0 and true are equal to Python, but not the same JSON
    return bool(before == after) and type(before) is type(after)


def _item(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else _MISSING


def _step(key: str) -> str:
    return f".{key}" if _PLAIN_KEY.fullmatch(key) else f"[{msgspec.json.encode(key).decode()}]"

"""Pipelines: a name and the ordered stages that a job goes through.

What a manager declares is on record in Redis, for those who look at jobs and do not run them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from zlib import crc32

import msgspec

from checkpoint.events.errors import InvalidName, UnknownStage
from checkpoint.events.keys import pipelines, read_pipelines
from checkpoint.events.names import check_name
from checkpoint.events.steps import AskArchive, Steps, command


@dataclass(frozen=True, slots=True, init=False)
class Pipeline:
    """An ordered set of stages. Without stages it is open: any stage name will do."""

    name: str
    stages: tuple[str, ...]
    _places: dict[str, int] = field(repr=False, compare=False)
    """Where each stage is in the order: a look-up costs the same for any number of stages."""

    def __init__(self, name: str, stages: Iterable[str]) -> None:
        """Check the names; InvalidName where one cannot be used or comes twice."""
        names = tuple(check_name("stage", stage) for stage in stages)
        places = {stage: place for place, stage in enumerate(names)}
        if len(places) < len(names):
            twice = next(stage for stage, times in Counter(names).items() if times > 1)
            raise InvalidName(f"Pipeline {name!r} has the stage {twice!r} more than once")
        object.__setattr__(self, "name", check_name("pipeline", name) if name else "")
        object.__setattr__(self, "stages", names)
        object.__setattr__(self, "_places", places)

    def __reduce__(self) -> tuple[type["Pipeline"], tuple[str, tuple[str, ...]]]:
        """Pickle the name and the stages alone."""
        return Pipeline, (self.name, self.stages)

    def __contains__(self, stage: object) -> bool:
        """Return whether the pipeline declares a stage."""
        return stage in self._places

    def check(self, stage: str) -> str:
        """Return `stage` if it is one of the pipeline's; UnknownStage names those that are."""
        if not self.stages:
            return check_name("stage", stage)
        if stage not in self:
            raise UnknownStage(
                f"{stage!r} is not a stage of {repr(self.name) if self.name else 'this pipeline'}; "
                "its stages are: "
                f"{', '.join(self.stages)}"
            )
        return stage

    def in_order(self, done: Iterable[str]) -> list[str]:
        """Sort completed stages into the pipeline's order; others follow in the order given."""
        known = dict.fromkeys(done)
        ours = sorted((stage for stage in known if stage in self), key=self._places.__getitem__)
        return ours + [stage for stage in known if stage not in self]


LONGEST = 60
"""Characters of a stage's name that go into the name of a pipeline."""

OPEN = Pipeline("", ())
"""The pipeline of a manager that was given none."""


def as_pipeline(stages: Pipeline | Sequence[str]) -> Pipeline:
    """Take a pipeline as it is; name one of plain stage names after its first and its last."""
    if isinstance(stages, Pipeline):
        return stages
    ordered = tuple(stages)
    return Pipeline(_name_of(ordered) if ordered else "", ordered)


def _name_of(stages: Sequence[str]) -> str:
    """Name stages after the first and the last, with a mark that tells others in between."""
    mark = crc32("\n".join(stages).encode()) % 0x10000
    return f"{stages[0][:LONGEST]}..{stages[-1][:LONGEST]}#{mark:04x}"


def declare(namespace: str, pipeline: Pipeline) -> Steps[None]:
    """Put a pipeline's stages on record, in place of what is known of its name."""
    if pipeline.name and pipeline.stages:
        stages = msgspec.json.encode(pipeline.stages)
        yield from command("HSET", pipelines(namespace), pipeline.name, stages)


def declared(namespace: str) -> Steps[dict[str, Pipeline]]:
    """Return the pipelines on record by their names."""
    found = yield from command("HGETALL", pipelines(namespace))
    return {name: Pipeline(name, stages) for name, stages in read_pipelines(found).items()}


def archived_pipelines() -> Steps[dict[str, Pipeline]]:
    """Return the pipelines that the archive knows of, by their names."""
    from checkpoint.snapshotter.pipelines import kept  # noqa: PLC0415 - psycopg

    found = yield AskArchive(kept)
    return {name: Pipeline(name, stages) for name, stages in found.items()}

"""Steps: what a computation asks of the outside world, as plain values.

What the managers do is written once, as generators that yield steps and are sent the results.
Who runs a generator decides how: with a blocking client, or with an asynchronous one.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeAlias, TypeVar

from .entry_id import EntryId
from .errors import ScriptUnknown
from .script import Argument, Call, Script

T = TypeVar("T")


LEAST_SECONDS = 0.1
"""A reply of Redis may take so long even where the deadline is over: a healthy one takes less."""
WAKE_SECONDS = 0.2
"""A wait in Redis may end so late: it looks ten times a second for those that are over."""


@dataclass(frozen=True, slots=True)
class Command:
    """One Redis command, by its words."""

    words: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class BlockingCommand(Command):
    """One that may wait for what is yet to happen: nothing else waits for its reply."""


@dataclass(frozen=True, slots=True)
class SyncedCall:
    """A call of a script, and then a wait for its writes to be on Redis' disk.

    It ends at `deadline`, by the monotonic clock, or after `longest` seconds. The result is the
    script's reply and how many local copies were synced: 1 or 0.
    """

    call: Call
    deadline: float
    longest: float

    @property
    def timeout_ms(self) -> int:
        """How long the wait may be that begins now; never 0, which would be for ever."""
        return max(1, int(min(self.deadline - monotonic(), self.longest) * 1000))


@dataclass(frozen=True, slots=True)
class LoadScript:
    """Make Redis know a script. A call of one that it does not know throws ScriptUnknown in."""

    script: Script


@dataclass(frozen=True, slots=True)
class AskArchive:
    """A question to the archive; ArchiveUnavailable is thrown in where it has no answer."""

    question: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class AskSpool:
    """A question to the spool's file; SpoolUnavailable is thrown in where it has no answer."""

    question: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class WatermarkWait:
    """A wait until the watermark in a stream is at an entry or past it.

    The result is the mark that was found, or None where `deadline`, by the monotonic clock, comes
    first.
    """

    stream: str
    entry: EntryId
    deadline: float


@dataclass(frozen=True, slots=True)
class OneRun:
    """Steps whose commands all go to one run of Redis, over one connection that is not made anew.

    The result is theirs. LogUnavailable is thrown into them once the connection is lost.
    """

    steps: "Steps[Any]"


@dataclass(frozen=True, slots=True)
class Alone:
    """Steps that no other thread or task of the manager carries out at the same time.

    The result is theirs. LogUnavailable where others take until `deadline`, by the monotonic clock.
    """

    steps: "Steps[Any]"
    deadline: float


@dataclass(frozen=True, slots=True)
class Together:
    """Several computations, each of which first calls a script, and of which none needs another.

    All calls are sent before the first is answered. The result is what they come to, in their
    order; if some fail, the others are done all the same, and the first error is thrown in.
    """

    parts: "Sequence[Steps[Any]]"


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connections, which lead to the wrong server: the address may lead elsewhere now."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A wait of so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Deadline:
    """The result is when the whole computation must end, by the monotonic clock; inf for never."""


Step: TypeAlias = (
    Call
    | Command
    | SyncedCall
    | LoadScript
    | AskArchive
    | AskSpool
    | WatermarkWait
    | OneRun
    | Alone
    | Together
    | Disconnect
    | Pause
    | Deadline
)
Steps: TypeAlias = Generator[Step, Any, T]


def command(*words: Argument) -> Steps[Any]:
    """Run one Redis command and return its reply."""
    return (yield Command(words))


def loaded(call: Call) -> Steps[Any]:
    """Call a script that Redis may know at any time, loading it where Redis does not."""
    while True:  # it may be restarted, or its scripts flushed, again and again
        try:
            return (yield call)
        except ScriptUnknown:
            yield LoadScript(call.script)


def together(parts: "Sequence[Steps[T]]") -> Steps[list[T]]:
    """Carry out computations that first call a script: one as it is, several as `Together`."""
    if len(parts) == 1:
        return [(yield from parts[0])]
    results: list[T] = yield Together(parts)
    return results

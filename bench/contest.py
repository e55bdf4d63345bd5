"""The contest: all contenders take turns on the same servers, each in a process of its own."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import sql

from checkpoint import CheckpointError, Settings

from .benchmark import LOOKUPS, SAVES, Load, bare_median, bare_rate, name_of_bare, prepare_hash
from .contenders import ENTRANTS, Entrant
from .machine import version
from .row import Spread
from .servers import Bench, environ
from .workers import working

ANSWER_SECONDS = 90.0
PIPELINED = 64

VERBS = {
    "save": "save_micros",
    "lookup": "look_up_micros",
    "ingest": "ingested_per_second",
    "replay": "replayed_per_second",
    "bytes": "bytes_per_event",
}
UNITS = {"save": "µs", "lookup": "µs", "ingest": "events/s", "replay": "events/s", "bytes": "bytes"}


class Standing(Struct, kw_only=True):
    """What a contender came to: for each verb the quartiles over the rounds."""

    name: str
    version: str
    durable: bool
    figures: dict[str, Spread] = {}
    missing: dict[str, str] = {}
    """Why there is no figure, by verb; "" stands for all."""


def contest(bench: Bench) -> Iterator[Standing]:
    """Let all take turns, verb by verb; who cannot take part is named with the reason."""
    with ExitStack() as stack:
        children = {one: _entered(stack, bench, one) for one in ENTRANTS}
        found: dict[Entrant, dict[str, list[float]]] = {one: {} for one in ENTRANTS}
        for verb, method in VERBS.items():
            arguments = _arguments(bench, verb)
            for _ in range(1 if verb == "bytes" else bench.plan.peer_rounds):
                for entrant, child in children.items():
                    if (figure := child.ask(verb, method, *arguments)) is not None:
                        found[entrant].setdefault(verb, []).append(figure)
        yield _raw(bench)
        for entrant, child in children.items():
            yield Standing(
                name=entrant.name,
                version=version(entrant.distribution),
                durable=entrant.durable,
                figures={verb: Spread.of(values) for verb, values in found[entrant].items()},
                missing=child.missing,
            )


def _arguments(bench: Bench, verb: str) -> list[int]:
    plan = bench.plan
    return {
        "save": [max(1, plan.calls // 8)],
        "lookup": [max(1, plan.calls // 20)],
        "ingest": [plan.peer_jobs],
        "replay": [],
        "bytes": [2 * plan.peer_jobs],
    }[verb]


def _raw(bench: Bench) -> Standing:
    """Measure what the server itself can do, with data that is JSON already."""
    prepare_hash(bench)
    calls, rounds = bench.plan.calls * 5, range(bench.plan.peer_rounds)
    saves = [bare_median(bench, SAVES, calls) for _ in rounds]
    lookups = [bare_median(bench, LOOKUPS, calls) for _ in rounds]
    count = max(PIPELINED, bench.plan.peer_jobs * 8 * 5)
    ingested = [bare_rate(bench, SAVES, Load(count, pipelined=PIPELINED)) for _ in rounds]
    return Standing(
        name=f"{name_of_bare()}, one client",
        version="",
        durable=False,
        figures={
            "save": Spread.of(saves),
            "lookup": Spread.of(lookups),
            "ingest": Spread.of(ingested),
        },
        missing={"replay": "it decodes nothing", "bytes": "as redis-py's"},
    )


def _entered(stack: ExitStack, bench: Bench, entrant: Entrant) -> "Child":
    try:
        return stack.enter_context(_child(bench, entrant))
    except CheckpointError as error:
        return Absent(str(error))


class Child:
    """A contender's process."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        """Take the process, and wait until it is ready or says why it never will be."""
        self._process = process
        self.missing: dict[str, str] = {}
        answer = self._read()
        if not answer.get("ready"):
            self.missing[""] = answer.get("missing") or answer["error"]

    def ask(self, verb: str, method: str, *arguments: int) -> float | None:
        """Ask for a figure; None where there is none, and `missing` says why."""
        if "" in self.missing or verb in self.missing:
            return None
        assert self._process.stdin  # noqa: S101 - a pipe was asked for
        try:
            self._process.stdin.write(msgspec.json.encode([method, *arguments]) + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self.missing[""] = "its process has ended"
            return None
        answer = self._read()
        if "error" in answer:
            self.missing[verb] = answer["error"]
            return None
        return float(answer["figure"])

    def _read(self) -> dict[str, Any]:
        """Read an answer; who gives none for long is killed."""
        assert self._process.stdout  # noqa: S101 - a pipe was asked for
        timer = threading.Timer(ANSWER_SECONDS, self._process.kill)
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            return {"error": f"its process ended, or gave no answer for {ANSWER_SECONDS:.0f} s"}
        return msgspec.json.decode(line, type=dict[str, Any])


class Absent(Child):
    """A contender whose worker did not start."""

    def __init__(self, why: str) -> None:
        """Say why."""
        self.missing = {"": why}


@contextmanager
def _child(bench: Bench, entrant: Entrant) -> Iterator[Child]:
    """Run a contender; ours has the worker beside it that its figures are of."""
    command = [sys.executable, "-m", "bench.contenders", entrant.module]
    with ExitStack() as stack:
        settings = bench.settings("contest")
        if entrant.module == "ours":
            settings = bench.settings("contest", postgres_url=None)
            stack.enter_context(working(bench, settings, "projector"))
        elif entrant.module == "ours_durable":
            stack.enter_context(working(bench, settings, "snapshotter"))
        elif entrant.durable:
            settings = _with_database(bench, settings)
        log = stack.enter_context((bench.folder / f"{entrant.module}.log").open("wb"))
        process = subprocess.Popen(
            command,
            env={**environ(settings), "PYTHONWARNINGS": "ignore"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        with process:
            try:
                yield Child(process)
            finally:
                if process.stdin:
                    process.stdin.close()
                timer = threading.Timer(10.0, process.kill)
                timer.start()
                process.wait()
                timer.cancel()


def _with_database(bench: Bench, settings: Settings) -> Settings:
    """Make a database of the contender's own."""
    name = settings.namespace
    with bench.psycopg() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return replace(settings, postgres_url=bench.postgres.url.rpartition("/")[0] + f"/{name}")

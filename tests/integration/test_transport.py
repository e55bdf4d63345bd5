"""Plain Faust apps on Redis Streams, as their users run them: worker processes, a real server."""

import asyncio
import operator
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faust
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from checkpoint.embedded import Valkey
from checkpoint.events.entry_id import EntryId
from checkpoint.events.errors import PartitionCountMismatch

PATIENCE_SECONDS = 40.0
"""How long a test waits for what must happen, before it fails."""


@dataclass
class Bench:
    """A server, and the app that a test runs on it."""

    url: str
    name: str
    folder: Path
    stack: ExitStack

    @property
    def client(self) -> "redis.Redis":
        return redis.Redis.from_url(self.url, retry=Retry(NoBackoff(), 0))

    @property
    def broker(self) -> str:
        return self.url.replace("://", "+streams://", 1)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "APP": self.name,
            "BROKER": self.broker,
            "OUT_URL": self.url,
            "DATADIR": str(self.folder),
        }

    def start(self, app: str = "plain", **environment: str) -> "Worker":
        return self.stack.enter_context(running(self, app, environment))

    def send(self, values: range, partitions: int = 4, **more: Any) -> None:
        asyncio.run(self._send(values, partitions, more))

    async def _send(self, values: range, partitions: int, more: dict[str, Any]) -> None:
        app = faust.App(self.name, broker=self.broker, datadir=self.folder)
        topic = app.topic(self.name, partitions=partitions, key_type=str)
        try:
            await topic.declare()
            for value in values:
                await topic.send(value=value, **more)
        finally:
            await app.producer.stop()

    def handled(self) -> list[list[str]]:
        with self.client as client:
            lines = client.lrange(f"{{{self.name}}}:handled", 0, -1)
        return [line.decode().split("|") for line in lines]

    def values(self) -> list[int]:
        return [int(value) for _, _, _, value, _ in self.handled()]

    def group(self, partition: int) -> dict[str, Any]:
        with self.client as client:
            (group,) = client.xinfo_groups(f"{{{self.name}:{partition}}}:log")
        return group

    def members(self) -> int:
        with self.client as client:
            return client.zcard(f"{{{self.name}}}:members:{self.name}")


@dataclass
class Worker:
    """A worker process."""

    process: "subprocess.Popen[bytes]"
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log
        return "Worker ready" in self.log

    def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(by)
        return self.process.wait(PATIENCE_SECONDS)


@contextmanager
def running(bench: Bench, app: str, environment: dict[str, str]) -> Iterator[Worker]:
    log_file = bench.folder / f"worker-{time.monotonic_ns()}.log"
    faust_worker = ["faust", "-A", f"faust_apps:{app}", "worker", "-l", "info", "--without-web"]
    command = [sys.executable, "-m", *faust_worker]
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=Path(__file__).parent,
            env={**os.environ, **bench.environment, **environment},
            stdout=log,
            stderr=log,
        )
    worker = Worker(process, log_file)
    try:
        yield worker
    finally:
        worker.stop(signal.SIGKILL)


def wait_until(true: Callable[[], object], worker: Worker | None = None) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline, worker and worker.log
        time.sleep(0.05)


@pytest.fixture
def bench(redis_url: str, namespace: str, tmp_path: Path) -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(redis_url, namespace, tmp_path, stack)


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path / "valkey", port=0) as server:
        yield server


@pytest.fixture
def own(valkey: Valkey, namespace: str, tmp_path: Path) -> Iterator[Bench]:
    """Run on a server that the test may hurt."""
    with ExitStack() as stack:
        yield Bench(valkey.url, namespace, tmp_path, stack)


def test_a_message_arrives_with_key_and_headers_in_the_partition_of_its_key(
    bench: Bench,
) -> None:
    worker = bench.start()
    bench.send(range(3), key="anna", headers={"trace": b"\x00\xff", "unit": b"ms"})
    bench.send(range(3, 6), partition=1)
    wait_until(lambda: len(bench.handled()) == 6, worker)
    headers = "{'trace': b'\\x00\\xff', 'unit': b'ms'}"
    keyed = [line[1:] for line in bench.handled() if line[2] == "anna"]
    assert keyed == [["3", "anna", str(value), headers] for value in range(3)]
    given = [line[1:] for line in bench.handled() if line[2] == "None"]
    assert given == [["1", "None", str(value), "{}"] for value in range(3, 6)]


def test_two_workers_share_the_partitions(bench: Bench) -> None:
    workers = [bench.start(), bench.start()]
    # who comes first has all partitions, until the other one has half of them
    wait_until(lambda: sum(worker.log.count("Worker ready") for worker in workers) == 3)
    bench.send(range(400))
    wait_until(lambda: set(bench.values()) == set(range(400)))
    owners = {(pid, partition) for pid, partition, *_ in bench.handled()}
    pids = sorted(int(pid) for pid, _ in owners)
    assert pids == sorted(worker.process.pid for worker in workers for _ in range(2))


def test_a_killed_worker_is_replaced_and_nothing_is_lost(bench: Bench) -> None:
    first, second = bench.start(SECONDS_EACH="0.01"), bench.start(SECONDS_EACH="0.01")
    bench.send(range(600))
    wait_until(lambda: len({pid for pid, *_ in bench.handled()}) == 2)
    first.stop(signal.SIGKILL)
    wait_until(lambda: set(bench.values()) == set(range(600)), second)
    assert second.stop() == 0


def test_a_worker_that_was_asleep_takes_its_share_again(bench: Bench) -> None:
    first, second = bench.start(), bench.start()
    wait_until(lambda: first.log.count("Worker ready") + second.log.count("Worker ready") == 3)
    first.process.send_signal(signal.SIGSTOP)
    bench.send(range(100))
    wait_until(lambda: set(bench.values()) == set(range(100)), second)
    ready = second.log.count("Worker ready")
    first.process.send_signal(signal.SIGCONT)
    wait_until(lambda: second.log.count("Worker ready") > ready, second)
    bench.send(range(100, 500))
    wait_until(lambda: set(bench.values()) == set(range(500)), first)
    latest = [int(pid) for pid, _, _, value, _ in bench.handled() if int(value) >= 100]
    assert set(latest) == {first.process.pid, second.process.pid}


def test_a_stopped_worker_leaves_at_once_and_its_work_is_not_repeated(bench: Bench) -> None:
    worker = bench.start()
    bench.send(range(100))
    wait_until(lambda: len(bench.handled()) == 100, worker)
    assert worker.stop() == 0
    assert bench.members() == 0
    bench.send(range(100, 200))
    worker = bench.start()
    wait_until(lambda: 199 in bench.values(), worker)
    worker.stop()
    assert sorted(bench.values()) == list(range(200))


def test_a_message_is_a_slice_where_the_url_asks_for_it(bench: Bench) -> None:
    bench.send(range(1000), partitions=2, partition=1)
    worker = bench.start("sliced")
    wait_until(lambda: len(bench.handled()) == 10, worker)
    offsets, partitions, after, first, last, numbers = zip(*bench.handled(), strict=True)
    assert offsets == tuple(map(str, range(1, 11)))
    assert set(partitions) == {"1"}
    assert ",".join(numbers) == ",".join(map(str, range(1000)))
    assert after == ("0-0", *last[:-1])
    assert all(map(operator.gt, map(EntryId.parse, first), map(EntryId.parse, after)))


def test_the_lag_is_shown_to_any_redis_tool(bench: Bench) -> None:
    bench.send(range(200), partition=2)
    worker = bench.start(SECONDS_EACH="0.02")
    lags: list[int] = []
    wait_until(bench.handled, worker)
    wait_until(lambda: lags.append(bench.group(2)["lag"]) or lags[-1] == 0, worker)
    assert any(0 < lag < 200 for lag in lags)
    assert lags == sorted(lags, reverse=True)
    assert bench.group(2)["entries-read"] == 200
    bench.send(range(200, 210), partition=2)
    wait_until(lambda: bench.group(2)["entries-read"] == 210, worker)


def test_a_backlog_stays_in_redis_while_the_agent_is_slow(own: Bench) -> None:
    own.send(range(1), partition=0)
    with own.client as client, client.pipeline(transaction=False) as pipeline:
        for _ in range(100_000):
            pipeline.xadd(f"{{{own.name}:0}}:log", {"k": "key", "v": f'"{"x" * 200}"'})
        pipeline.execute()
        before = client.info("stats")["total_net_output_bytes"]
        worker = own.start(SECONDS_EACH="1")
        wait_until(own.handled, worker)
        wait_until(lambda: len(own.handled()) == 3, worker)
        read = client.info("stats")["total_net_output_bytes"] - before
    assert 0 < read < 3_000_000


def test_a_worker_outlives_its_server(own: Bench, valkey: Valkey) -> None:
    worker = own.start()
    own.send(range(100))
    wait_until(lambda: len(own.handled()) == 100, worker)
    assert valkey.pid is not None
    os.kill(valkey.pid, signal.SIGKILL)
    wait_until(lambda: not valkey.is_running)
    time.sleep(4)
    valkey.stop()
    valkey.start()
    own.send(range(100, 200))
    wait_until(lambda: set(own.values()) == set(range(200)), worker)
    assert worker.log.count("Trying again") <= 2
    assert worker.log.count("Back after") <= 2
    assert worker.stop() == 0


def test_a_worker_goes_on_when_redis_has_lost_everything(own: Bench) -> None:
    worker = own.start()
    own.send(range(100))
    wait_until(lambda: len(own.handled()) == 100, worker)
    with own.client as client:
        client.flushall()
    own.send(range(100, 200))
    wait_until(lambda: set(own.values()) == set(range(100, 200)), worker)
    assert worker.stop() == 0


def test_the_password_is_printed_nowhere(own: Bench) -> None:
    worker = own.start()
    wait_until(worker.is_ready)
    worker.stop()
    password = redis.connection.parse_url(own.url)["password"]
    assert "redis+streams://:***@" in worker.log
    assert password not in worker.log


def test_agents_answer(bench: Bench) -> None:
    worker = bench.start("asked")
    wait_until(worker.is_ready)
    program = (
        "import asyncio, faust_apps\n"
        "async def main():\n"
        "    print(await asyncio.wait_for(faust_apps.double.ask(21), 20))\n"
        "    await faust_apps.asked.stop()\n"
        "asyncio.run(main())\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parent,
        env={**os.environ, **bench.environment},
        check=False,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )
    assert answer.stdout == b"42\n", answer.stderr.decode() + worker.log


@pytest.mark.parametrize(
    ("app", "why"),
    [
        ("with_table", "The app has tables (counts): their changelogs need Kafka"),
        ("transactional", "processing_guarantee='exactly_once' needs Kafka's transactions"),
    ],
)
def test_what_there_is_not_is_refused(bench: Bench, app: str, why: str) -> None:
    worker = bench.start(app)
    assert worker.process.wait(PATIENCE_SECONDS) != 0
    assert why in worker.log


def test_another_number_of_partitions_is_refused(bench: Bench) -> None:
    bench.send(range(1), partitions=8)
    with pytest.raises(PartitionCountMismatch, match="was created with 8 partitions, not 4"):
        bench.send(range(1), partitions=4)
    worker = bench.start()
    assert worker.process.wait(PATIENCE_SECONDS) != 0
    assert "was created with 8 partitions, not 4" in worker.log

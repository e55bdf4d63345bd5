"""TCP links to a server on a unix socket, which can be cut, slowed, held, silenced and moved."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum

CHUNK_BYTES = 65536
LOOK_SECONDS = 0.02


class Way(Enum):
    """A direction of a link."""

    REQUESTS = "requests"
    REPLIES = "replies"


class Link:
    """A port of 127.0.0.1 that leads to a unix socket. The faults may be set from any thread."""

    def __init__(self, path: str) -> None:
        """Lead to the server at `path`; nothing listens yet."""
        self.port = 0
        self.path = path
        """Where new connections lead; those that are open stay where they are."""
        self.delay = 0.0
        """Seconds by which every piece of data is late."""
        self.swallows = False
        """Whether replies vanish: what was asked for is done, and nobody hears of it."""
        self.refuses = False
        """Whether new connections are closed at once."""
        self._held: Counter[Way] = Counter()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Reset all connections."""
        assert self._loop
        self._loop.call_soon_threadsafe(self._abort)

    @contextmanager
    def holding(self, ways: Sequence[Way]) -> Iterator[None]:
        """Let nothing through in some directions; it arrives when the block ends, as on a network.

        Connections stay open, and new ones are accepted.
        """
        self._held.update(ways)
        try:
            yield
        finally:
            self._held.subtract(ways)

    async def listen(self) -> asyncio.Server:
        """Listen on a free port."""
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def _abort(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not self.refuses:
                await self._pass_on(reader, writer)
        except OSError:
            pass  # the server is away, and so is its link
        finally:
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(self.path)
        self._open |= {writer, to_server}
        pumps = [
            asyncio.ensure_future(self._pump(Way.REQUESTS, reader, to_server, lambda: False)),
            asyncio.ensure_future(
                self._pump(Way.REPLIES, from_server, writer, lambda: self.swallows)
            ),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            self._open -= {writer, to_server}
            to_server.transport.abort()

    async def _pump(
        self,
        way: Way,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        swallowed: Callable[[], bool],
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                if self.delay:
                    await asyncio.sleep(self.delay)
                while self._held[way] > 0:  # noqa: ASYNC110 - other threads set it
                    await asyncio.sleep(LOOK_SECONDS)
                if not swallowed():
                    writer.write(data)
                    await writer.drain()


@contextmanager
def listening(*links: Link) -> Iterator[None]:
    """Serve links, in a thread of their own, as long as the block runs."""
    ready, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        servers = [await link.listen() for link in links]
        ready.set()
        await stop.wait()
        for link, server in zip(links, servers, strict=True):
            server.close()
            link._abort()  # noqa: SLF001 - of this module
        await asyncio.sleep(0.05)  # in which the connections close

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="links")
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()

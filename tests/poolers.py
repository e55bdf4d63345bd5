"""PgBouncer before a Postgres server."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

from checkpoint.embedded.account import Account

PGBOUNCER = shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
START_SECONDS = 10


@contextmanager
def pgbouncer(postgres_url: str, folder: Path, mode: str, **options: object) -> Iterator[str]:
    """Run PgBouncer in a pool mode; yields the URL of the same database through it."""
    assert PGBOUNCER
    server = conninfo_to_dict(postgres_url)
    names = ("host", "port", "user", "password")
    there = " ".join(f"{name}='{server[name]}'" for name in names if name in server)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    listen = {"listen_addr": "127.0.0.1", "listen_port": port, "unix_socket_dir": ""}
    chosen = {**listen, "auth_type": "any", "pool_mode": mode, **options}
    lines = ["[databases]", f"* = {there}", "[pgbouncer]"]
    lines += [f"{name} = {value}" for name, value in chosen.items()]
    config = folder / "pgbouncer.ini"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    config.chmod(0o644)
    command = Account.for_data(folder / "none").command([PGBOUNCER, "--quiet", str(config)])
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            yield f"postgresql://anybody@127.0.0.1:{port}/{quote(str(server['dbname']))}"
        finally:
            process.kill()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "PgBouncer does not start"
            time.sleep(0.05)
        else:
            return

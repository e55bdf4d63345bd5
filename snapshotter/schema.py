"""The archive's schema: its SQL files, its version, and whether it is that of this release."""

from functools import cache
from importlib.resources import files

from psycopg import Connection

from checkpoint.events.errors import ArchiveNotReady, SchemaTooNew, UnsupportedServer

_SQL = files("checkpoint.snapshotter").joinpath("sql")


@cache
def query(name: str) -> bytes:
    """Return the text of `sql/<name>.sql`."""
    return _SQL.joinpath(f"{name}.sql").read_bytes()


@cache
def migrations() -> dict[int, str]:
    """Return the names of the migrations by their numbers, in order."""
    names = (file.name.removesuffix(".sql") for file in _SQL.joinpath("migrations").iterdir())
    return {int(name[:4]): name for name in sorted(names) if name[:4].isdecimal()}


def enter(connection: Connection, namespace: str) -> None:
    """Make a connection see the schema of one log."""
    connection.execute(
        "SELECT set_config('search_path', %s, false), "
        "set_config('checkpoint.namespace', %s, false)",
        [f'"{namespace}"', namespace],
    )


def version(connection: Connection) -> int:
    """Return the number of the last migration that was applied, 0 for none; SchemaTooNew."""
    (table,) = connection.execute("SELECT to_regclass('migration')").fetchone() or (None,)
    if table is None:
        return 0
    (number,) = connection.execute("SELECT max(version) FROM migration").fetchone() or (None,)
    if (number or 0) > max(migrations()):
        raise SchemaTooNew(
            f"The archive has schema version {number}, and this release knows versions up to "
            f"{max(migrations())}: upgrade this installation of checkpoint"
        )
    return number or 0


def check(connection: Connection, namespace: str) -> int:
    """Return the schema's version; ArchiveNotReady where there is none, or an earlier one."""
    found, latest = version(connection), max(migrations())
    if found == latest:
        return found
    if found:
        raise ArchiveNotReady(
            f"The archive has schema version {found}, and this release needs {latest}: run "
            "`checkpoint migrate`, or start a snapshotter of this release"
        )
    raise ArchiveNotReady(_MISSING[_trouble(connection, namespace)].format(namespace))


def exists(connection: Connection) -> bool:
    """Return whether there is a schema of the log that was entered, whoever may use it."""
    found = connection.execute(
        "SELECT FROM pg_namespace WHERE nspname = current_setting('checkpoint.namespace')"
    )
    return found.fetchone() is not None


_MISSING = {
    "schema": (
        "Postgres has no schema {0!r}: the first save or snapshotter creates it, and so does "
        "`checkpoint migrate`. If there was one, restore it from a backup"
    ),
    "usage": (
        "This user has no rights in Postgres' schema {0!r}: grant it checkpoint_writer, or to read "
        "only, checkpoint_reader; `checkpoint migrate`, as the schema's owner, gives these roles "
        "their rights"
    ),
    "tables": (
        "Postgres' schema {0!r} has none of the archive's tables: restore them from a backup, or "
        "run `checkpoint migrate` to begin with empty ones"
    ),
}


def _trouble(connection: Connection, namespace: str) -> str:
    known = connection.execute(
        "SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = %s",
        [namespace],
    ).fetchone()
    if known is None:
        return "schema"
    return "tables" if known[0] else "usage"


def check_encoding(connection: Connection) -> None:
    """Raise UnsupportedServer for a database whose encoding cannot hold every text."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise UnsupportedServer(
            f"The database {connection.info.dbname!r} has the encoding {encoding}, which cannot "
            "hold every text: create one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE "
            "template0, and name it in POSTGRES_URL"
        )

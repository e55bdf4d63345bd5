"""The archive's schema: migrations are SQL files, forward only, under an advisory lock."""

from functools import cache
from importlib.resources import files

from psycopg import Connection

from checkpoint.events.errors import SchemaTooNew

LOCK = 0x636865636B706F69
"""Any 64-bit number will do, as long as every release takes the same; this one spells checkpoi."""

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


def migrate(connection: Connection) -> list[str]:
    """Apply the migrations that are missing, in one transaction; return their names."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        connection.execute(query("create_schema"))
        applied = version(connection)
        missing = [name for number, name in migrations().items() if number > applied]
        for name in missing:
            connection.execute(query(f"migrations/{name}"))
            connection.execute(
                "INSERT INTO migration (version, name) VALUES (%s, %s)", [int(name[:4]), name]
            )
        if missing:
            connection.execute(query("grants"))
    return missing

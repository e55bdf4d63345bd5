"""Migrating the schema: SQL files, forward only, under an advisory lock."""

from psycopg import Connection

from . import roles
from .schema import check_encoding, migrations, query, version

LOCK = 0x636865636B706F69
"""Any 64-bit number will do, as long as every release takes the same; this one spells checkpoi."""


def migrate(connection: Connection) -> list[str]:
    """Apply the migrations that are missing, in one transaction; return their names.

    The roles get the rights that they lack, whether they were there before or have come since.
    UnsupportedServer where the database's encoding is not UTF8.
    """
    check_encoding(connection)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        applied = version(connection)
        if not applied:
            connection.execute(query("create_schema"))
        missing = [name for number, name in migrations().items() if number > applied]
        for name in missing:
            connection.execute(query(f"migrations/{name}"))
            connection.execute(
                "INSERT INTO migration (version, name) VALUES (%s, %s)", [int(name[:4]), name]
            )
        roles.grant_rights(connection)
    return missing

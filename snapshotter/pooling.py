"""Poolers: the schema and the role are set once per session, so ours must be nobody else's.

A pooler in transaction mode, such as PgBouncer with `pool_mode=transaction`, gives each transaction
any session. So a session that is reached through a pooler gets a mark: whoever finds another's
mark, or misses its own, knows.
"""

from secrets import token_hex

import psycopg
from psycopg import Connection

from checkpoint.events.errors import InvalidSettings


def marked(connection: Connection) -> str | None:
    """Mark the session of a new connection; None where there is no pooler.

    Raises InvalidSettings where another connection has the session, too.
    """
    asked = "SELECT pg_backend_pid(), current_setting('checkpoint.session', true)"
    pid, mark = connection.execute(asked).fetchone() or (0, None)
    if pid == connection.info.backend_pid:  # poolers name another process than the server's
        return None
    if mark:
        raise _shared()
    mine = token_hex(8)
    try:
        with connection.transaction():
            connection.execute("SELECT set_config('checkpoint.session', %s, false)", [mine])
    except psycopg.errors.ProtocolViolation as error:  # statement mode knows no transactions
        raise _shared() from error
    return mine


def check(connection: Connection, mark: str) -> None:
    """Raise InvalidSettings where this transaction is in another session than the marked one."""
    try:
        # takes no snapshot, so that the isolation level can still be set
        found = connection.execute("SHOW checkpoint.session").fetchone()
    except psycopg.errors.UndefinedObject:
        found = None
    if found != (mark,):
        raise _shared()


def _shared() -> InvalidSettings:
    return InvalidSettings(
        "POSTGRES_URL leads to a pooler that gives each transaction another session, as PgBouncer "
        "does in transaction mode: name a pool with pool_mode=session, or the server itself"
    )

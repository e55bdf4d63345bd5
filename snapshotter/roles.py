"""The archive's roles: who may add to it, who may read it, and what they lack of their rights.

Roles belong to all databases of a server, and rights to one of them. So a role may be there that
was made for another archive, before or after this one, and has no rights here.
"""

from contextlib import suppress
from typing import NamedTuple

import psycopg
from psycopg import Connection

from .schema import query

WRITER = "checkpoint_writer"


class LackingRight(NamedTuple):
    """A right that a role should have in the archive's schema, and has not."""

    role: str
    right: str
    grant: str
    """The statement that gives it."""
    is_ours: bool
    """Whether this user may take on the role."""


def lacking_rights(connection: Connection) -> list[LackingRight]:
    """Return what the roles lack, as far as there are any."""
    return [LackingRight(*row) for row in connection.execute(query("lacking_rights"))]


def grant_rights(connection: Connection) -> None:
    """Create the roles and give them what they lack, as far as this user may."""
    connection.execute(query("create_roles"))
    with suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
        for one in lacking_rights(connection):
            connection.execute(one.grant.encode())


def become_writer(connection: Connection) -> None:
    """Take on the role that may do no more than add events, if it is there and may do that here."""
    (may_write,) = connection.execute(query("may_write")).fetchone() or (False,)
    if not may_write or any(one.role == WRITER for one in lacking_rights(connection)):
        return
    with suppress(psycopg.errors.InsufficientPrivilege):  # a member that may not SET ROLE
        connection.execute(query("become_writer"))

"""What Postgres refuses: the driver's errors, as this system's."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict

from checkpoint.events.errors import ArchiveNotReady, ArchiveUnavailable


class RefusedRow(ArchiveUnavailable):
    """The table refuses a row."""


class LockedOut(ArchiveUnavailable):
    """Another process has held a lock for too long."""


REFUSALS = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.StatementTooComplex,  # JSON that nests deeper than Postgres' stack
    OverflowError,  # a number that no column holds
)

_OTHER_TABLES = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedObject,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.WrongObjectType,
    psycopg.errors.DatatypeMismatch,
    psycopg.errors.UndefinedFunction,  # an operator, for a column of another type
)

MISREAD = (
    "Postgres cannot be reached. POSTGRES_URL has an @ in its host or database name: if that is "
    "of the user or the password, write it as %40 there, and / as %2F"
)


def may_hold_password(conninfo: str) -> bool:
    """Return whether host, port or database may be a part of the password.

    libpq ends the password of a URL at the first @ and at a /, so what follows one that is not
    escaped becomes the host and the database's name, which libpq's messages repeat.
    """
    parsed = conninfo_to_dict(conninfo)
    return any("@" in str(parsed.get(name, "")) for name in ("host", "port", "dbname"))


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into this system's; no password gets into a message."""
    try:
        yield
    except REFUSALS as error:
        raise RefusedRow(f"Postgres refuses a row: {error}") from error
    except psycopg.errors.LockNotAvailable as error:
        raise LockedOut(f"Postgres: {str(error).strip()}") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise ArchiveUnavailable(
            f"Postgres: {_first_line(error)}. Grant the user checkpoint_writer, or to read only, "
            "checkpoint_reader; `checkpoint migrate`, as the owner of the archive's schema, gives "
            "these roles their rights"
        ) from error
    except _OTHER_TABLES as error:
        raise ArchiveNotReady(
            f"The archive's tables are not those of this release ({_first_line(error)}): restore "
            "them from a backup, or upgrade this installation"
        ) from error
    except psycopg.Error as error:
        raise ArchiveUnavailable(f"Postgres: {str(error).strip()}") from error


def _first_line(error: psycopg.Error) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)

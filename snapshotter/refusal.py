"""What Postgres refuses: the driver's errors, as this system's."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

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

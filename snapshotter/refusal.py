"""What Postgres refuses: the driver's errors, as this system's."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from checkpoint.events.errors import ArchiveUnavailable


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


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into this system's; no password gets into a message."""
    try:
        yield
    except REFUSALS as error:
        raise RefusedRow(f"Postgres refuses a row: {error}") from error
    except psycopg.errors.LockNotAvailable as error:
        raise LockedOut(f"Postgres: {str(error).strip()}") from error
    except psycopg.Error as error:
        raise ArchiveUnavailable(f"Postgres: {str(error).strip()}") from error

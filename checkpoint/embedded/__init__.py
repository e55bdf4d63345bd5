"""Real servers out of wheels, for a machine that has none: Valkey and Postgres."""

from .postgres import Postgres
from .valkey import Valkey

__all__ = ["Postgres", "Valkey"]

"""The product: saves that the archive has committed, while a snapshotter runs."""

from . import ours
from .stored import postgres_bytes


class Subject(ours.Subject):
    """The same, durable; the replay is the archive's."""

    ack = "durable"
    consumer = "snapshotter"

    def stored_bytes(self) -> int:
        """Ask Postgres."""
        return postgres_bytes(self.settings.postgres_url or "")

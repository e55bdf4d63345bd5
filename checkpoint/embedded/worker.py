"""A projector or snapshotter as a child process."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from .service import Service

_READY = re.compile(r"^\s*ready\b", re.MULTILINE)


class Worker(Service):
    """`checkpoint worker KIND`, at work on the servers that it is given."""

    stop_seconds = 20.0

    def __init__(
        self, kind: str, folder: Path, servers: Mapping[str, str], web_port: int = 0
    ) -> None:
        """Take the worker's kind, its own folder, `REDIS_URL` and `POSTGRES_URL`, and its port."""
        super().__init__(folder)
        self.name = kind
        self._settings = {**servers, "CHECKPOINT_WEB_PORT": str(web_port)}

    def is_ready(self) -> bool:
        """Whether it has said so: partitions are assigned."""
        return self.is_running and _READY.search(self._output()) is not None

    @property
    def _environment(self) -> Mapping[str, str]:
        return {**super()._environment, **self._settings, "PYTHONUNBUFFERED": "1"}

    def _command(self) -> Sequence[str]:
        # -P: a folder `checkpoint` in the working directory is not the package
        return [sys.executable, "-P", "-m", "checkpoint", "worker", self.name]

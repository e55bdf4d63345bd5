"""Starts what has died again, at growing intervals."""

import time
from collections.abc import Sequence

from checkpoint.events.errors import CheckpointError

from .folder import Tell
from .service import Service

_LOOK_SECONDS = 0.25
_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 30.0
_STEADY_SECONDS = 60.0  # a service that lived so long starts with the first delay again


class Supervisor:
    """Keeps one service running."""

    def __init__(self, service: Service, tell: Tell) -> None:
        """Take a service that runs; `tell` hears of deaths and new starts."""
        self._service = service
        self._tell = tell
        self._delay = _FIRST_DELAY_SECONDS
        self._started_at = time.monotonic()
        self._start_at: float | None = None  # None while it runs

    def look(self) -> None:
        """Notice that the service has died, or start it again if it is time to."""
        now = time.monotonic()
        if self._service.is_running:
            return
        if self._start_at is None:
            self._plan(now)
        elif now >= self._start_at:
            self._start(now)

    def _plan(self, now: float) -> None:
        if now - self._started_at > _STEADY_SECONDS:
            self._delay = _FIRST_DELAY_SECONDS
        self._start_at = now + self._delay
        service = self._service
        self._tell(
            f"{service.name} ended with exit code {service.exit_code}, is started again in "
            f"{self._delay:g} s; see {service.log}"
        )
        self._delay = min(2 * self._delay, _LONGEST_DELAY_SECONDS)

    def _start(self, now: float) -> None:
        self._start_at = None
        self._started_at = now
        try:
            self._service.launch(self._tell)
        except CheckpointError as error:
            self._tell(str(error))
        else:
            self._tell(f"{self._service.name} runs again, as process {self._service.pid}")


def keep_running(services: Sequence[Service], tell: Tell) -> None:
    """Look after the services, in their order, until interrupted."""
    supervisors = [Supervisor(service, tell) for service in services]
    while True:
        for supervisor in supervisors:
            supervisor.look()
        time.sleep(_LOOK_SECONDS)

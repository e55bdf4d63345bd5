"""Who Postgres runs as: it refuses to be root.

Where we are root it runs as another user, but its data and its program may well lie below
folders that only root may enter, such as /root or pytest's temporary folders. Opening those is
not ours to do, so the process is given the one capability of passing through and reading them.
"""

import os
import pwd
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from checkpoint.events.errors import ServerStartError

_USERS = ("postgres", "nobody")
_READ_ANYTHING = 2  # CAP_DAC_READ_SEARCH in <linux/capability.h>


@dataclass(frozen=True, slots=True)
class Account:
    """A user who can run Postgres."""

    user: int | None  # None: this user
    group: int | None

    @classmethod
    def for_data(cls, data: Path) -> Self:
        """Return this user or, for root, the owner of `data`, or one that suits Postgres."""
        if os.geteuid() != 0:
            return cls(None, None)
        if data.exists() and (found := data.stat()).st_uid != 0:
            return cls(found.st_uid, found.st_gid)
        for name in _USERS:
            with suppress(KeyError):
                entry = pwd.getpwnam(name)
                return cls(entry.pw_uid, entry.pw_gid)
        raise ServerStartError(
            "Postgres refuses to run as root, and there is neither a user `postgres` nor `nobody` "
            "to run it as: run as a plain user."
        )

    def own(self, folder: Path) -> None:
        """Make the folder and all in it this account's."""
        if self.user is not None and self.group is not None:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, self.user, self.group, follow_symlinks=False)

    def command(self, command: Sequence[str]) -> Sequence[str]:
        """Return `command` so that it runs as this account."""
        if self.user is None:
            return command
        if shutil.which("setpriv") is None:
            raise ServerStartError(
                "Postgres refuses to run as root, and the program setpriv (of util-linux), which "
                "could start it as another user, is not here: run as a plain user."
            )
        capability = f"+{_passing_capability()}"
        return [
            "setpriv",
            f"--reuid={self.user}",
            f"--regid={self.group}",
            "--clear-groups",
            "--no-new-privs",
            "--securebits=+no_setuid_fixup",  # access(2) too is to know of the capability
            f"--inh-caps=-all,{capability}",
            f"--ambient-caps=-all,{capability}",
            "--pdeathsig=keep",
            *command,
        ]


def _passing_capability() -> str:
    """Return the capability to ask for: containers keep the weaker one from root."""
    status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    return "dac_read_search" if effective >> _READ_ANYTHING & 1 else "dac_override"

"""Lua scripts, and calls of them as plain values that any client can carry out."""

from collections.abc import Sequence
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import NamedTuple

Argument = str | bytes | int
"""What Redis takes as a key or an argument."""


class Script(NamedTuple):
    """A Lua script: its text, and the SHA-1 by which Redis knows it once it is loaded."""

    name: str
    text: str
    sha: str

    @classmethod
    def load(cls, package: str, name: str) -> "Script":
        """Read `lua/<name>.lua` from a package."""
        text = files(package).joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
        return cls.of(name, text)

    @classmethod
    def of(cls, name: str, text: str) -> "Script":
        """Make a script of its text."""
        return cls(name, text, sha1(text.encode(), usedforsecurity=False).hexdigest())

    @cache  # noqa: B019 - there are few scripts and few logs in a process
    def for_log(self, namespace: str) -> "Script":
        """Make the script one log's own: that Redis knows it says nothing of another log."""
        # at its end: its first line may tell Redis how to run it
        return self.of(self.name, f"{self.text}\n-- of the log {namespace}\n")


class Call(NamedTuple):
    """One call of a script: all its keys are of one partition."""

    script: Script
    keys: Sequence[str]
    args: Sequence[Argument]

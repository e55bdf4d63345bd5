"""What jobs, stages, pipelines and namespaces may be called."""

import re

from .errors import InvalidName

MAX_NAME_BYTES = 512
_NAMESPACE = re.compile(r"[A-Za-z0-9_.-]{1,48}")


def check_name(kind: str, name: object) -> str:
    """Return `name` if it can name a `kind` (job, stage …); InvalidName says why it cannot.

    Any text will do that is not empty, is printable as str.isprintable() has it (so no control
    characters, and no spaces but the plain one), and takes at most 512 bytes in UTF-8.
    """
    if not isinstance(name, str):
        raise InvalidName(f"A {kind} is named by a str, not by {type(name).__name__}: {name!r}")
    if not name or not name.isprintable():
        raise InvalidName(f"A {kind}'s name is printable text and not empty: {name!r}")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise InvalidName(
            f"A {kind}'s name takes at most {MAX_NAME_BYTES} bytes, not {len(name.encode())}: "
            f"{name[:40]!r}…"
        )
    return name


def check_namespace(name: object) -> str:
    """Return `name` if it can name a log: 1 to 48 of A-Z a-z 0-9 _ . - (InvalidName otherwise)."""
    if isinstance(name, str) and _NAMESPACE.fullmatch(name):
        return name
    raise InvalidName(f"A namespace is 1 to 48 letters, digits, '_', '.' or '-', not {name!r}")

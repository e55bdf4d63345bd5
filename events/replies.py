"""Error replies: what each error that Redis answers with means. Pure.

A reply's first word names the kind of error; for `ERR`, which names none, a phrase does. What is
not here does not pass by itself, as far as anybody knows: it is refused at once.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from .errors import (
    CheckpointError,
    InvalidSettings,
    LogNotReady,
    LogRefused,
    LogUnavailable,
    ScriptUnknown,
    UnsupportedServer,
)

REPLICA = "This Redis is a replica: connect to its primary"
CLUSTER = (
    "This Redis is part of a cluster, and the clients talk to one server: connect to one that runs "
    "with cluster-enabled no"
)
_PASSWORD = "Redis refuses REDIS_URL's user or password: {}"  # noqa: S105 - a sentence
_RIGHTS = "REDIS_URL's user lacks a right that the log needs: {}. Grant it with ACL SETUSER"
_UNKNOWN_COMMAND = (
    "Redis does not know a command that the log needs, because it was renamed or is too old: {}"
)

LONGEST = 300
"""Characters of a reply that are repeated."""

UNSAID = re.compile(r"(\.? script: [0-9a-f]*,? ?on |, with args beginning with).*", re.DOTALL)
"""What of a reply is not repeated: which line of a script it was; and the command's arguments, of
which one may be a password."""


class ErrorReply(Exception):
    """A reply that is an error, in the server's own words."""


class Meaning(NamedTuple):
    """What an error reply means."""

    error: type[CheckpointError]
    """LogUnavailable passes by itself, so it is retried and spooled; all others are raised."""
    sentence: str
    """`{}` stands for the reply."""
    reconnect: bool = False
    """Whether the connection is to be closed: another one may lead to a server that can help."""


BY_WORD: dict[str, Meaning] = {
    # this connection leads to the wrong server, or to one that is not ready
    "READONLY": Meaning(LogUnavailable, REPLICA, reconnect=True),
    "MASTERDOWN": Meaning(
        LogUnavailable, "This Redis is a replica that has lost its primary", reconnect=True
    ),
    "UNBLOCKED": Meaning(LogUnavailable, "Redis became a replica during a wait", reconnect=True),
    "LOADING": Meaning(LogUnavailable, "Redis is still loading its data", reconnect=True),
    "NOAUTH": Meaning(
        LogUnavailable, "Redis has revoked what this connection was authorised for", reconnect=True
    ),
    "CLUSTERDOWN": Meaning(LogUnavailable, "The cluster of Redis is down: {}", reconnect=True),
    "TRYAGAIN": Meaning(LogUnavailable, "Redis is moving its keys: {}", reconnect=True),
    # the right server, which cannot do it now
    "BUSY": Meaning(LogUnavailable, "Redis is busy with somebody's script: {}"),
    "OOM": Meaning(LogUnavailable, "Redis is at its maxmemory and takes no more entries"),
    "MISCONF": Meaning(LogUnavailable, "Redis cannot write to its disk: {}"),
    "NOREPLICAS": Meaning(
        LogUnavailable, "Redis has fewer replicas in reach than min-replicas-to-write asks for"
    ),
    "NOSCRIPT": Meaning(ScriptUnknown, ""),
    # what only a person can change
    "WRONGPASS": Meaning(InvalidSettings, _PASSWORD),
    "NOPERM": Meaning(LogRefused, _RIGHTS),
    "DENIED": Meaning(LogRefused, "Redis takes no connections from here: {}"),
    "MOVED": Meaning(UnsupportedServer, CLUSTER),
    "ASK": Meaning(UnsupportedServer, CLUSTER),
    "CROSSSLOT": Meaning(UnsupportedServer, CLUSTER),
    "WRONGTYPE": Meaning(LogRefused, "A key of the log holds what somebody else wrote there: {}"),
    "EXECABORT": Meaning(LogRefused, "Redis gave a transaction up: {}"),
}

BY_PHRASE: dict[str, Meaning] = {
    "max number of clients": Meaning(
        LogUnavailable, "Redis has as many connections as its maxclients allows", reconnect=True
    ),
    "with replica instances": Meaning(LogUnavailable, REPLICA, reconnect=True),  # WAITAOF
    "protocol error": Meaning(LogUnavailable, "Redis did not understand: {}", reconnect=True),
    # between two commands: a restart without data, or FLUSHALL
    "no such key": Meaning(LogNotReady, "Redis lost a key of the log while it was being read"),
    "script killed": Meaning(LogUnavailable, "Somebody ended a script with SCRIPT KILL"),
    "acl failure": Meaning(LogRefused, _RIGHTS),
    "user executing the script can't": Meaning(LogRefused, _RIGHTS),  # Redis 7.0
    "unknown command": Meaning(LogRefused, _UNKNOWN_COMMAND),
    "unknown subcommand": Meaning(LogRefused, _UNKNOWN_COMMAND),
    "unknown redis command": Meaning(LogRefused, _UNKNOWN_COMMAND),
    "db index": Meaning(InvalidSettings, "Redis has no database of the number in REDIS_URL"),
    "select is not allowed": Meaning(UnsupportedServer, CLUSTER),
    "invalid password": Meaning(InvalidSettings, _PASSWORD),
    "without any password": Meaning(InvalidSettings, _PASSWORD),
    "no password is set": Meaning(InvalidSettings, _PASSWORD),
    "'auth' command": Meaning(InvalidSettings, _PASSWORD),
}

AT_FIRST: dict[str, Meaning] = {
    "NOAUTH": Meaning(InvalidSettings, "Redis wants a password: write it into REDIS_URL"),
}
"""What is different of a connection that has had no other reply yet."""

UNKNOWN = Meaning(LogRefused, "Redis refuses the operation: {}")


def refusal(text: str, *, is_new: bool = False) -> CheckpointError:
    """Turn an error reply into the error that it means.

    A connection `is_new` until it has had a reply that is none.
    """
    meaning = (AT_FIRST.get(_word(text)) if is_new else None) or _meaning(text)
    message = meaning.sentence.replace("{}", _shortened(text))
    if meaning.error is LogUnavailable:
        return LogUnavailable(message, reconnect=meaning.reconnect)
    return meaning.error(message)


def needs_another_connection(outcome: object) -> bool:
    """Say whether another connection may lead to a server that can help."""
    return isinstance(outcome, LogUnavailable) and outcome.reconnect


def _meaning(text: str) -> Meaning:
    if known := BY_WORD.get(_word(text)):
        return known
    return next(_by_phrase(text.casefold()), UNKNOWN)


def _by_phrase(text: str) -> Iterator[Meaning]:
    return (meaning for phrase, meaning in BY_PHRASE.items() if phrase in text)


def _word(text: str) -> str:
    return text.partition(" ")[0]


def _shortened(text: str) -> str:
    return UNSAID.sub("", text)[:LONGEST].rstrip(". \r\n")

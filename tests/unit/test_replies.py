"""The table of error replies, row by row."""

import pytest

from checkpoint.events.errors import (
    CheckpointError,
    InvalidSettings,
    LogNotReady,
    LogRefused,
    LogUnavailable,
    ScriptUnknown,
    UnsupportedServer,
)
from checkpoint.events.replies import (
    BY_PHRASE,
    BY_WORD,
    LONGEST,
    needs_another_connection,
    refusal,
)

PASSES, RECONNECTS, NEVER = "passes", "reconnects", "never"

ROWS: list[tuple[str, type[CheckpointError], str]] = [
    ("READONLY You can't write against a read only replica.", LogUnavailable, RECONNECTS),
    ("MASTERDOWN Link with MASTER is down", LogUnavailable, RECONNECTS),
    ("UNBLOCKED force unblock from blocking operation", LogUnavailable, RECONNECTS),
    ("LOADING Redis is loading the dataset in memory", LogUnavailable, RECONNECTS),
    ("NOAUTH Authentication required.", LogUnavailable, RECONNECTS),
    ("CLUSTERDOWN The cluster is down", LogUnavailable, RECONNECTS),
    ("TRYAGAIN Multiple keys request during rehashing of slot", LogUnavailable, RECONNECTS),
    ("ERR max number of clients reached", LogUnavailable, RECONNECTS),
    ("ERR max number of clients + cluster connections reached", LogUnavailable, RECONNECTS),
    ("ERR WAITAOF cannot be used with replica instances.", LogUnavailable, RECONNECTS),
    ("ERR Protocol error: invalid bulk length", LogUnavailable, RECONNECTS),
    ("BUSY Redis is busy running a script.", LogUnavailable, PASSES),
    ("ERR Error running script: Script killed by user with SCRIPT KILL", LogUnavailable, PASSES),
    ("OOM command not allowed when used memory > 'maxmemory'.", LogUnavailable, PASSES),
    ("MISCONF Errors writing to the AOF file: No space left", LogUnavailable, PASSES),
    ("NOREPLICAS Not enough good replicas to write.", LogUnavailable, PASSES),
    ("ERR no such key", LogNotReady, NEVER),
    ("NOSCRIPT No matching script.", ScriptUnknown, NEVER),
    ("WRONGPASS invalid username-password pair", InvalidSettings, NEVER),
    ("ERR invalid password", InvalidSettings, NEVER),
    ("ERR AUTH <password> called without any password configured", InvalidSettings, NEVER),
    ("ERR Client sent AUTH, but no password is set", InvalidSettings, NEVER),
    ("ERR wrong number of arguments for 'auth' command", InvalidSettings, NEVER),
    ("ERR DB index is out of range", InvalidSettings, NEVER),
    ("NOPERM No permissions to access a key", LogRefused, NEVER),
    ("ERR ACL failure in script: User few has no permissions", LogRefused, NEVER),
    ("ERR The user executing the script can't run this command", LogRefused, NEVER),
    ("ERR unknown command 'XADD'", LogRefused, NEVER),
    ("ERR unknown subcommand 'LOAD'. Try SCRIPT HELP.", LogRefused, NEVER),
    ("ERR Unknown Redis command called from script", LogRefused, NEVER),
    ("DENIED Redis is running in protected mode", LogRefused, NEVER),
    ("WRONGTYPE Operation against a key holding the wrong kind", LogRefused, NEVER),
    ("EXECABORT Transaction discarded", LogRefused, NEVER),
    ("MOVED 3999 127.0.0.1:6381", UnsupportedServer, NEVER),
    ("ASK 3999 127.0.0.1:6381", UnsupportedServer, NEVER),
    ("CROSSSLOT Keys in request don't hash to the same slot", UnsupportedServer, NEVER),
    ("ERR SELECT is not allowed in cluster mode", UnsupportedServer, NEVER),
    ("ERR value is not an integer or out of range", LogRefused, NEVER),
    ("SOMETHINGNEW that nobody knows yet", LogRefused, NEVER),
    ("", LogRefused, NEVER),
]


@pytest.mark.parametrize(("text", "error", "what"), ROWS)
def test_each_reply_is_one_error_and_only_what_passes_by_itself_is_an_outage(
    text: str, error: type[CheckpointError], what: str
) -> None:
    found = refusal(text)
    assert type(found) is error
    assert str(found)
    assert "{}" not in str(found)
    assert isinstance(found, LogUnavailable) == (what != NEVER)
    assert needs_another_connection(found) == (what == RECONNECTS)


def test_every_row_of_the_table_is_tried() -> None:
    texts = [text for text, _, _ in ROWS]
    assert BY_WORD.keys() <= {text.partition(" ")[0] for text in texts}
    assert all(any(phrase in text.casefold() for text in texts) for phrase in BY_PHRASE)


@pytest.mark.parametrize(("text", "error", "what"), ROWS)
def test_a_new_connection_that_wants_a_password_is_a_matter_of_settings(
    text: str, error: type[CheckpointError], what: str
) -> None:
    found = refusal(text, is_new=True)
    if text.startswith("NOAUTH"):
        assert type(found) is InvalidSettings
        assert "REDIS_URL" in str(found)
    else:
        assert (type(found), str(found)) == (error, str(refusal(text)))


def test_what_a_command_was_given_is_not_repeated() -> None:
    reply = "ERR unknown command 'AUTH', with args beginning with: 'app' 'secret'"
    assert "secret" not in str(refusal(reply))
    assert "'AUTH'" in str(refusal(reply))


@pytest.mark.parametrize(
    "where",
    [
        " script: 3d9f548d262b1e9ccc3666ff6f7220e2380808a3, on @user_script:1.",
        " script: on @user_script:1.",
    ],
)
def test_which_line_of_which_script_it_was_is_not_repeated(where: str) -> None:
    reply = "ERR ACL failure in script: No permissions to access a key" + where
    assert "No permissions to access a key. Grant" in str(refusal(reply))


def test_a_reply_of_any_length_makes_a_message_that_can_be_read() -> None:
    assert len(str(refusal("ERR " + "x" * 100_000))) < LONGEST + 100

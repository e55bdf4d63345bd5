from pathlib import Path
from typing import Any

import pytest

from checkpoint.events.async_lines import AsyncLines
from checkpoint.events.errors import InvalidName, InvalidSettings
from checkpoint.events.settings import Settings
from checkpoint.servers import Servers


@pytest.fixture(autouse=True)
def _no_checkpoint_up_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


def test_an_empty_environment_is_enough() -> None:
    settings = Settings.from_env({})
    assert settings == Settings()
    assert settings.redis_url == "redis://localhost:6379/0"
    assert settings.postgres_url is None
    assert settings.ttl == 86400
    assert settings.web_host == "127.0.0.1"


@pytest.mark.parametrize(
    ("variable", "value", "name", "read"),
    [
        ("CHECKPOINT_NAMESPACE", "films", "namespace", "films"),
        ("CHECKPOINT_PARTITIONS", "16", "partitions", 16),
        ("CHECKPOINT_TTL", "3600", "ttl", 3600.0),
        ("CHECKPOINT_TTL", "0.5", "ttl", 0.5),
        ("CHECKPOINT_TIMEOUT", "2.5", "timeout", 2.5),
        ("CHECKPOINT_ACK", "durable", "ack", "durable"),
        ("CHECKPOINT_MAX_PAYLOAD", "1000", "max_payload", 1000),
        ("CHECKPOINT_SLICE", "64", "slice_entries", 64),
        ("CHECKPOINT_LOG_MARGIN", "60", "log_margin", 60.0),
        ("CHECKPOINT_WEB_HOST", "0.0.0.0", "web_host", "0.0.0.0"),  # noqa: S104 - only read back
        ("CHECKPOINT_WEB_PORT", "6066", "web_port", 6066),
        ("REDIS_HOST", "redis.example", "redis_url", "redis://redis.example:6379/0"),
        ("REDIS_HOST", "::1", "redis_url", "redis://[::1]:6379/0"),
        ("REDIS_PORT", "6380", "redis_url", "redis://localhost:6380/0"),
        ("REDIS_DB", "3", "redis_url", "redis://localhost:6379/3"),
        ("REDIS_URL", "rediss://u:p@h:1/2", "redis_url", "rediss://u:p@h:1/2"),
        ("REDIS_URL", "unix:///run/redis.sock", "redis_url", "unix:///run/redis.sock"),
        ("POSTGRES_URL", "postgresql://h/db", "postgres_url", "postgresql://h/db"),
        ("POSTGRES_URL", "host=h dbname=db", "postgres_url", "host=h dbname=db"),
        ("PGHOST", "h", "postgres_url", ""),
        ("PGSERVICE", "archive", "postgres_url", ""),
    ],
)
def test_every_variable_is_read(variable: str, value: str, name: str, read: object) -> None:
    assert getattr(Settings.from_env({variable: value}), name) == read


def test_redis_url_goes_before_host_port_and_db() -> None:
    env = {"REDIS_URL": "redis://a/1", "REDIS_HOST": "b", "REDIS_PORT": "1", "REDIS_DB": "2"}
    assert Settings.from_env(env).redis_url == "redis://a/1"


def test_a_variable_that_is_empty_counts_as_not_set() -> None:
    env = dict.fromkeys(["REDIS_URL", "REDIS_PORT", "POSTGRES_URL", "CHECKPOINT_TTL", "PGHOST"], "")
    assert Settings.from_env(env) == Settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CHECKPOINT_NAMESPACE", "my films"),
        ("CHECKPOINT_PARTITIONS", "0"),
        ("CHECKPOINT_PARTITIONS", "1025"),
        ("CHECKPOINT_PARTITIONS", "eight"),
        ("CHECKPOINT_PARTITIONS", "²"),
        ("CHECKPOINT_TTL", "1h"),
        ("CHECKPOINT_TTL", "-1"),
        ("CHECKPOINT_TTL", "0"),
        ("CHECKPOINT_TTL", "nan"),
        ("CHECKPOINT_TTL", "inf"),
        ("CHECKPOINT_TIMEOUT", "soon"),
        ("CHECKPOINT_ACK", "maybe"),
        ("CHECKPOINT_MAX_PAYLOAD", "1MB"),
        ("CHECKPOINT_SLICE", "0"),
        ("CHECKPOINT_LOG_MARGIN", "-5"),
        ("CHECKPOINT_WEB_PORT", "70000"),
        ("REDIS_PORT", "0"),
        ("REDIS_PORT", "http"),
        ("REDIS_DB", "-1"),
        ("REDIS_URL", "http://localhost"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "redis://[::1"),
        ("REDIS_URL", "redis://localhost:port/0"),
        ("REDIS_URL", "redis://localhost:99999/0"),
        ("POSTGRES_URL", "mysql://h/db"),
        ("POSTGRES_URL", "postgresql://[::1"),
    ],
)
def test_a_value_that_cannot_be_used_names_its_variable(variable: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=variable):
        Settings.from_env({variable: value})


def test_secrets_are_in_no_repr() -> None:
    settings = Settings(redis_url="redis://:hunter2@h", postgres_url="postgresql://u:hunter2@h/d")
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings)
    assert "hunter2" not in f"{settings}"


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("REDIS_URL", "http://:hunter2@h/0"),
        ("REDIS_URL", "redis://:hunter2@[::1/0"),
        ("REDIS_URL", "redis://:hunter2@localhost:port/0"),
        ("REDIS_URL", "redis://:hunter2/x@localhost:6379/0"),
        ("POSTGRES_URL", "mysql://u:hunter2@h/d"),
        ("POSTGRES_URL", "postgresql://u:hunter2@[::1/d"),
    ],
)
def test_a_refused_url_keeps_its_password_to_itself(variable: str, url: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        Settings.from_env({variable: url})
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize(
    "url", ["redis://:hunter2@h:port/0", "redis://:hunter2/x@localhost", "redis://h/0?db=hunter2"]
)
def test_a_client_refuses_a_bad_url_without_its_password(url: str) -> None:
    for opening in (lambda url: Servers(Settings(redis_url=url)), lambda url: AsyncLines(url, 1.0)):
        with pytest.raises(InvalidSettings, match="REDIS_URL") as refused:
            opening(url)
        assert "hunter2" not in str(refused.value)
        assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"namespace": 'a"b}'},
        {"ttl": float("nan")},
        {"ttl": 0},
        {"partitions": 0},
        {"timeout": -1},
        {"ack": "maybe"},
        {"slice_entries": 0},
    ],
)
def test_settings_made_in_code_are_checked_too(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises((InvalidSettings, InvalidName), match=name):
        Settings(**wrong)

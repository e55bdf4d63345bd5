"""Postgres behind PgBouncer: in session mode all goes well, any other mode is named."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from command_line import run
from poolers import PGBOUNCER, pgbouncer
from processes import environ, worker
from real_log import RealLog

from checkpoint import CheckpointManager, Settings
from checkpoint.events.errors import ArchiveUnavailable, InvalidSettings
from checkpoint.snapshotter.archive import Archive

pytestmark = pytest.mark.skipif(not PGBOUNCER, reason="needs PgBouncer: Debian's pgbouncer")


@pytest.fixture
def through(postgres_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    with pgbouncer(postgres_url, tmp_path, **request.param) as url:
        yield url


def modes(*names: str, **options: object) -> pytest.MarkDecorator:
    chosen = [{"mode": name, **options} for name in names]
    return pytest.mark.parametrize("through", chosen, indirect=True, ids=names)


@modes("session")
def test_in_session_mode_all_goes_well(
    through: str, archived_settings: Settings, archived_log: RealLog
) -> None:
    assert archived_log
    settings = replace(archived_settings, postgres_url=through)
    with worker("snapshotter", environ(settings)), CheckpointManager(settings) as manager:
        for number in range(5):
            manager.save("job", f"stage-{number}", {}, ack="durable")
        assert "pool_mode" not in run("doctor", **environ(settings)).output
        assert len(list(manager.get_job_history("job"))) == 5


@modes("transaction", "statement")
def test_another_mode_is_named(through: str, postgres_url: str, namespace: str) -> None:
    Archive(postgres_url, namespace).migrate()
    with (
        closing(Archive(through, namespace)) as first,
        closing(Archive(through, "b")) as second,
        pytest.raises(InvalidSettings, match="pool_mode=session"),
    ):
        assert (first.positions(), second.positions()) == ({}, {})


@modes("transaction")
def test_the_doctor_names_it(
    through: str, archived_settings: Settings, archived_log: RealLog
) -> None:
    assert archived_log
    settings = replace(archived_settings, postgres_url=through)
    with closing(Archive(through, settings.namespace)) as archive:
        archive.positions()
        told = run("doctor", **environ(settings))
    assert told.exit_code
    assert "pool_mode=session" in told.output


@modes("transaction", default_pool_size=2)
def test_a_session_that_changes_is_noticed_before_anything_is_written(
    through: str, postgres_url: str, namespace: str
) -> None:
    Archive(postgres_url, namespace).migrate()
    with closing(Archive(through, namespace)) as archive, psycopg.connect(through) as other:
        assert archive.positions() == {}
        other.execute("SELECT 1")  # has the session of the archive now, and keeps it
        with pytest.raises((InvalidSettings, ArchiveUnavailable), match="pool_mode=session"):
            archive.positions()


def test_without_a_pooler_nothing_is_marked(postgres_url: str, namespace: str) -> None:
    with closing(Archive(postgres_url, namespace)) as archive:
        shown = "SELECT current_setting('checkpoint.session', true)"
        assert archive.transact(lambda ours: ours.execute(shown).fetchone()) == (None,)

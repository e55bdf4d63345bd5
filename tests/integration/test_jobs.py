"""Listing jobs: all there are, newest first, each once, whatever is trimmed, expired or away."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import pytest
from histories import FILM
from paced import PacedManager
from real_log import RealLog
from servers import NOWHERE

from checkpoint import CheckpointManager
from checkpoint.events.entry import Entry
from checkpoint.events.entry_id import utc
from checkpoint.events.errors import ArchiveUnavailable, InvalidName, LogNotReady, LogUnavailable
from checkpoint.events.freshness import Place
from checkpoint.events.steps import Steps
from checkpoint.query.listing import sources, walk
from checkpoint.query.listing.jobs import ALL, JobFilter, JobPage, JobSummary, list_jobs
from checkpoint.query.listing.place import find_place
from checkpoint.query.listing.sources import LogAndArchive
from checkpoint.query.listing.summary import Known
from checkpoint.servers import Servers


@pytest.fixture
def manager(log: RealLog) -> Iterator[CheckpointManager]:
    with PacedManager(log.settings, pipeline=FILM) as made:
        yield made


@pytest.fixture
def archived(archived_log: RealLog) -> Iterator[CheckpointManager]:
    with PacedManager(archived_log.settings, pipeline=FILM) as made:
        yield made


def place(log: RealLog) -> Place:
    has_archive = log.settings.postgres_url is not None
    return Place(log.settings.namespace, log.log.partitions, has_archive)


def page(
    log: RealLog, wanted: JobFilter = ALL, before: str | None = None, limit: int = 50
) -> JobPage:
    return log.run(list_jobs(place(log), wanted, before=before, limit=limit))


def names(found: JobPage) -> list[str]:
    return [job["job_id"] for job in found.jobs]


def pages(log: RealLog, limit: int, wanted: JobFilter = ALL) -> list[list[str]]:
    """Read to the end, page by page."""
    found, before = [], None
    while True:
        one = page(log, wanted, before, limit)
        found.append(names(one))
        if one.next is None:
            return found
        before = one.next


def job(log: RealLog, name: str) -> JobSummary:
    (found,) = (one for one in page(log).jobs if one["job_id"] == name)
    return found


def fail(manager: CheckpointManager, name: str, stage: str = "cut") -> None:
    manager.record_failure(name, stage, OSError("disk full"))


def trim(log: RealLog, keep: int = 0) -> None:
    for number in log.numbers:
        log.client.xtrim(log.partition(number).log, maxlen=keep, approximate=False)


def test_a_log_without_jobs_has_an_empty_page(log: RealLog) -> None:
    assert page(log) == JobPage([], None)


def test_the_job_with_the_latest_event_comes_first(
    log: RealLog, manager: CheckpointManager
) -> None:
    for name in ("a", "b", "c", "d"):
        manager.save(name, "cut", {})
    manager.save("b", "mix", {})
    assert names(page(log)) == ["b", "d", "c", "a"]


def test_a_summary_says_how_a_job_stands(log: RealLog, manager: CheckpointManager) -> None:
    first = manager.save("j", "cut", {})
    fail(manager, "j", "mix")
    fail(manager, "j", "mix")
    last = log.entries("j")[-1].id
    with manager.claim("k", "worker-7") as held:
        held.save("cut", {})
        assert job(log, "k")["owner"] == "worker-7"
    assert job(log, "j") == JobSummary(
        job_id="j",
        status="failed",
        pipeline="film",
        incarnation=str(first.id),
        version=3,
        completed_stages=["cut"],
        remaining_stages=["mix", "export"],
        stage="mix",
        failures=2,
        error="OSError",
        message="disk full",
        owner=None,
        forked_from=None,
        started_at=first.id.time,
        last_event_at=last.time,
        expires_at=utc(last.ms + 86_400_000),
    )


def test_every_status_is_told(log: RealLog, manager: CheckpointManager) -> None:
    manager.save("running", "cut", {})
    fail(manager, "failed")
    fail(manager, "recovered")
    manager.save("recovered", "cut", {})
    manager.save_many([("complete", stage, {}) for stage in FILM.stages])
    manager.save("deleted", "cut", {})
    manager.delete_job_checkpoints("deleted")
    with CheckpointManager(replace(log.settings, ttl=0.001), pipeline=FILM) as hasty:
        hasty.save("expired", "cut", {})
    assert {one["job_id"]: one["status"] for one in page(log).jobs} == {
        "running": "running",
        "failed": "failed",
        "recovered": "running",
        "complete": "complete",
        "deleted": "deleted",
        "expired": "expired",
    }
    deleted = job(log, "deleted")
    assert (deleted["expires_at"], deleted["remaining_stages"]) == (None, [])


def test_an_open_pipeline_is_never_complete(log: RealLog) -> None:
    with CheckpointManager(log.settings) as manager:
        manager.save("j", "anything", {})
    assert (job(log, "j")["status"], job(log, "j")["remaining_stages"]) == ("running", [])


def test_a_claim_that_ran_out_holds_nothing(log: RealLog, manager: CheckpointManager) -> None:
    with manager.claim("j", "worker-7") as held:
        held.save("cut", {})
        log.client.hset(log.keys("j").head, "lease", 1)
        assert job(log, "j")["owner"] is None
        log.client.hset(log.keys("j").head, "lease", 2**52)


def test_jobs_are_filtered(log: RealLog, manager: CheckpointManager) -> None:
    manager.save("a", "cut", {})
    manager.save("b", "mix", {})
    fail(manager, "c")
    with PacedManager(log.settings) as other:
        other.save("d", "cut", {})
    assert names(page(log, JobFilter(frozenset({"failed"})))) == ["c"]
    assert names(page(log, JobFilter(frozenset({"failed", "running"})))) == ["d", "c", "b", "a"]
    assert names(page(log, JobFilter(pipeline="film"))) == ["c", "b", "a"]
    assert names(page(log, JobFilter(pipeline=""))) == ["d"]
    assert names(page(log, JobFilter(stage="cut"))) == ["d", "c", "a"]
    assert names(page(log, JobFilter(idle=3600))) == []
    assert names(page(log, JobFilter(within=3600))) == ["d", "c", "b", "a"]


def test_jobs_are_found_by_a_part_of_their_names(log: RealLog, manager: CheckpointManager) -> None:
    for name in ("film-1", "Film-2", "song-1", "ÉTUDE", "100%_film"):
        manager.save(name, "cut", {})
    assert names(page(log, JobFilter(name="film"))) == ["100%_film", "Film-2", "film-1"]
    assert names(page(log, JobFilter(name="M-1"))) == ["film-1"]
    assert names(page(log, JobFilter(name="%_"))) == ["100%_film"]
    assert names(page(log, JobFilter(name="Étude"))) == ["ÉTUDE"]
    assert names(page(log, JobFilter(name="étude"))) == []
    assert pages(log, 2, JobFilter(name="film")) == [["100%_film", "Film-2"], ["film-1"]]
    for wrong in ("", "a\nb", "\udcff"):
        with pytest.raises(InvalidName, match="printable text and not empty"):
            page(log, JobFilter(name=wrong))


def test_jobs_are_filtered_by_age(log: RealLog, manager: CheckpointManager) -> None:
    manager.save("old", "cut", {})
    manager.save("revived", "cut", {})
    seconds = log.client.time()[0]
    while log.client.time()[0] < seconds + 2:
        pass
    manager.save("revived", "mix", {})
    manager.save("new", "cut", {})
    assert names(page(log, JobFilter(within=1))) == ["new", "revived"]
    assert names(page(log, JobFilter(idle=1))) == ["old"]


@pytest.mark.parametrize("limit", [1, 3, 7, 8])
def test_pages_hold_every_job_once(log: RealLog, manager: CheckpointManager, limit: int) -> None:
    order = [f"j{n % 7}" for n in range(30)]
    manager.save_many([(name, "cut", {}) for name in order])
    manager.save_many([(name, "mix", {}) for name in order])
    found = pages(log, limit)
    assert sorted(name for one in found for name in one) == sorted(set(order))
    assert all(len(one) == limit for one in found[:-1])
    latest = {name: log.entries(name)[-1].id for name in order}
    listed = [latest[name] for one in found for name in one]
    assert listed == sorted(listed, reverse=True)


def test_a_page_follows_though_its_jobs_went_on(log: RealLog, manager: CheckpointManager) -> None:
    for name in ("a", "b", "c", "d"):
        manager.save(name, "cut", {})
    first = page(log, limit=2)
    manager.save("d", "mix", {})
    manager.save("a", "mix", {})
    assert names(page(log, before=first.next)) == ["b"]
    assert names(page(log)) == ["a", "d", "c", "b"]


def test_a_place_to_go_on_from_must_be_one(log: RealLog) -> None:
    for wrong in ("yesterday", "1", "1:2", "x:1-2", f"0:{2**64}-0"):
        with pytest.raises(InvalidName, match="names no place to go on from"):
            page(log, before=wrong)


def test_what_is_no_event_is_passed_over(log: RealLog, manager: CheckpointManager) -> None:
    manager.save("a", "cut", {})
    for number in log.numbers:
        log.client.xadd(log.partition(number).log, {"foo": "bar"})
    assert names(page(log)) == ["a"]


# With an archive


def test_jobs_that_were_trimmed_from_the_log_are_listed_from_the_archive(
    archived_log: RealLog, archived: CheckpointManager
) -> None:
    for name in ("a", "b", "c"):
        archived.save(name, "cut", {})
    archived_log.project()
    archived_log.store()
    trim(archived_log)
    archived.save("d", "cut", {})
    archived.save("b", "mix", {})
    assert names(page(archived_log)) == ["b", "d", "c", "a"]
    assert [len(one) for one in pages(archived_log, 1)] == [1, 1, 1, 1]
    assert job(archived_log, "a")["completed_stages"] == ["cut"]


@pytest.mark.parametrize("looked_at", [1, 2, 1000])
def test_jobs_are_found_by_name_in_the_archive_however_many_others_lie_between(
    archived_log: RealLog,
    archived: CheckpointManager,
    monkeypatch: pytest.MonkeyPatch,
    looked_at: int,
) -> None:
    monkeypatch.setattr(walk, "SEARCHED_ENTRIES", looked_at)
    order = ["film-1", "a", "b", "Film-2", "c", "étude", "100%_film", "d"]
    for name in order:
        archived.save(name, "cut", {})
        archived.save(name, "mix", {})
    archived_log.store()
    trim(archived_log)
    assert names(page(archived_log, JobFilter(name="film"))) == ["100%_film", "Film-2", "film-1"]
    assert names(page(archived_log, JobFilter(name="%_"))) == ["100%_film"]
    assert names(page(archived_log, JobFilter(name="É"))) == []
    assert names(page(archived_log, JobFilter(name="é"))) == ["étude"]
    found = pages(archived_log, 1, JobFilter(name="film"))
    assert found == [["100%_film"], ["Film-2"], ["film-1"]]


def test_of_jobs_that_are_not_meant_by_name_no_state_is_looked_up(
    log: RealLog, manager: CheckpointManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.save_many([(f"song-{n}", "cut", {}) for n in range(200)])
    manager.save("film-1", "cut", {})
    asked: list[str] = []
    look_up = LogAndArchive.look_up

    def noted(self: LogAndArchive, jobs: Sequence[str]) -> Steps[dict[str, Known]]:
        asked.extend(jobs)
        return look_up(self, jobs)

    monkeypatch.setattr(LogAndArchive, "look_up", noted)
    assert names(page(log, JobFilter(name="film"))) == ["film-1"]
    assert asked == ["film-1"]


def test_where_live_jobs_are_wanted_the_archive_is_not_asked_about_each_that_is_over(
    archived_log: RealLog, archived: CheckpointManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PacedManager(replace(archived_log.settings, ttl=0.001), pipeline=FILM) as hasty:
        hasty.save("over", "cut", {})
    archived.save("deleted", "cut", {})
    archived.delete_job_checkpoints("deleted")
    archived.save("live", "cut", {})
    fail(archived, "failed")
    archived_log.store()
    trim(archived_log)
    asked: list[str] = []

    def noted(jobs: Sequence[str]) -> Steps[dict[str, list[Entry]]]:
        asked.extend(jobs)
        return outlines(jobs)

    outlines = sources._outlines  # noqa: SLF001 - where the archive is asked
    monkeypatch.setattr(sources, "_outlines", noted)
    live = JobFilter(frozenset({"running", "failed"}))
    assert names(page(archived_log, live)) == ["failed", "live"]
    assert asked == []
    assert names(page(archived_log)) == ["failed", "live", "deleted", "over"]
    assert "over" in asked
    away = Servers(replace(archived_log.settings, redis_url=NOWHERE))
    assert names(away.run(list_jobs(place(archived_log), live))) == ["failed", "live"]
    away.close()


def test_an_expired_job_is_known_to_the_archive_and_the_log_after_it(
    archived_log: RealLog, archived: CheckpointManager
) -> None:
    with PacedManager(replace(archived_log.settings, ttl=0.3), pipeline=FILM) as hasty:
        hasty.save("a", "cut", {"n": 1})
        archived_log.store()
        hasty.save("a", "mix", {"n": 2})
        hasty.save("b", "cut", {})
    head = archived_log.keys("a").head
    while archived_log.client.exists(head, archived_log.keys("b").head):
        pass
    assert names(page(archived_log)) == ["b", "a"]
    assert job(archived_log, "a")["status"] == "expired"
    assert job(archived_log, "a")["version"] == 2
    archived_log.store()
    trim(archived_log)
    assert [one["status"] for one in page(archived_log).jobs] == ["expired", "expired"]


def test_a_lost_view_changes_nothing(archived_log: RealLog, archived: CheckpointManager) -> None:
    for n in range(30):
        archived.save("a", "cut", n)
    archived_log.project()
    before = page(archived_log)
    archived_log.client.delete(archived_log.keys("a").view)
    assert page(archived_log) == before


def test_without_redis_the_archive_alone_is_asked(
    archived_log: RealLog, archived: CheckpointManager
) -> None:
    for name in ("a", "b", "c"):
        archived.save(name, "cut", {"n": 1.5})
    archived.save("b", "mix", {})
    archived_log.store()
    archived.save("later", "cut", {})
    away = replace(archived_log.settings, redis_url=NOWHERE)
    servers = Servers(away)
    found = servers.run(find_place(away.namespace, has_archive=True))
    first = servers.run(list_jobs(found, limit=2))
    second = servers.run(list_jobs(found, before=first.next, limit=2))
    servers.close()
    assert names(first) + names(second) == ["b", "c", "a"]
    assert first.jobs[0]["completed_stages"] == ["cut", "mix"]
    assert "archive alone" in first.note


def test_without_the_archive_the_log_alone_is_asked(
    archived_log: RealLog, archived: CheckpointManager
) -> None:
    archived.save("a", "cut", {})
    servers = Servers(replace(archived_log.settings, postgres_url="host=127.0.0.1 port=1"))
    archived_log.run(list_jobs(place(archived_log)))  # the log is known to be whole
    found = servers.run(list_jobs(place(archived_log)))
    servers.close()
    assert names(found) == ["a"]
    assert "log alone" in found.note


def test_a_thousand_jobs_are_listed_each_once(
    archived_log: RealLog, archived: CheckpointManager
) -> None:
    archived.save_many([(f"j{n}", "cut", {}) for n in range(1000)])
    archived_log.store()
    trim(archived_log, keep=100)
    archived.save_many([(f"j{n}", "mix", {}) for n in range(0, 1000, 3)])
    found = pages(archived_log, 300)
    listed = [name for one in found for name in one]
    assert len(listed) == len(set(listed)) == 1000
    assert {int(name[1:]) % 3 for name in listed[:334]} == {0}
    failed = JobFilter(frozenset({"failed"}))
    assert names(page(archived_log, failed)) == []
    told: list[int] = []
    archived_log.run(list_jobs(place(archived_log), failed, tell=lambda jobs, _: told.append(jobs)))
    assert told == sorted(told)
    assert told[-1] == 1000


# Where the log is


def test_who_only_looks_creates_no_log(archived_log: RealLog) -> None:
    settings = replace(archived_log.settings, namespace=f"{archived_log.settings.namespace}_typo")
    servers = Servers(settings)
    for has_archive in (True, False):
        with pytest.raises(LogNotReady, match=r"There is no log 'test_.*_typo' yet"):
            servers.run(find_place(settings.namespace, has_archive=has_archive))
    servers.close()
    assert archived_log.client.keys(f"{{{settings.namespace}*") == []
    with closing(archived_log.archive()) as archive:
        found = archive.transact(
            lambda connection: connection.execute("SELECT nspname FROM pg_namespace").fetchall()
        )
    assert (archived_log.settings.namespace,) in found
    assert (settings.namespace,) not in found


def test_a_log_is_found_in_redis_or_else_in_the_archive(archived_log: RealLog) -> None:
    settings = archived_log.settings
    assert archived_log.run(find_place(settings.namespace, has_archive=True)) == place(archived_log)
    away = Servers(replace(settings, redis_url=NOWHERE))
    assert away.run(find_place(settings.namespace, has_archive=True)) == place(archived_log)
    with pytest.raises(LogUnavailable):
        away.run(find_place(settings.namespace, has_archive=False))
    away.close()
    nowhere = Servers(replace(settings, redis_url=NOWHERE, postgres_url="host=127.0.0.1 port=1"))
    with pytest.raises(ArchiveUnavailable):
        nowhere.run(find_place(settings.namespace, has_archive=True))
    nowhere.close()

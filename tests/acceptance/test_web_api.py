"""The web page's server, asked without a browser: what it answers, and whom it does not."""

import asyncio
import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from command_line import run
from paced import PacedManager
from pages import Api, page
from processes import environ, eventually, running
from real_log import RealLog

from checkpoint import CheckpointManager, Settings
from checkpoint.embedded import Valkey
from checkpoint.events.keys import PartitionKeys
from checkpoint.query.pipeline import as_pipeline
from checkpoint.web.app import create_web

STAGES = ["fetch", "clean", "load"]


@pytest.fixture
def manager(settings: Settings) -> Iterator[CheckpointManager]:
    with PacedManager(settings, pipeline=STAGES) as manager:
        yield manager


@pytest.fixture
def api(settings: Settings, manager: CheckpointManager) -> Iterator[Api]:
    manager.save("job-1", "fetch", {"rows": 2**63, "tiny": -0.0}, took=0.5)
    manager.record_failure("job-1", "clean", ValueError("no"))
    manager.save("job-1", "clean", {"rows": 1})
    manager.save("job-2", "fetch", {})
    with page(settings) as api:
        yield api


def store(settings: Settings) -> None:
    log = RealLog(settings)
    log.store()
    log.close()


def names(answer: Any) -> list[str]:
    return [job["job_id"] for job in answer["jobs"]]


def test_jobs_are_listed_filtered_and_paged(api: Api) -> None:
    everything = api.found("jobs")
    assert names(everything) == ["job-2", "job-1"]
    assert everything["pipelines"] == {as_pipeline(STAGES).name: STAGES}
    assert names(api.found("jobs", stage="clean")) == ["job-1"]
    assert names(api.found("jobs", status="failed")) == []
    assert names(api.found("jobs", name="B-1")) == ["job-1"]
    first = api.found("jobs", limit=1)
    second = api.found("jobs", limit=1, before=first["next"])
    assert names(first) + names(second) == ["job-2", "job-1"]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("path", "query", "status", "says"),
    [
        ("jobs", {"status": "lost"}, 400, "running, failed, complete, deleted, expired"),
        ("jobs", {"limit": "many"}, 400, "limit='many'"),
        ("jobs", {"limit": "9" * 5000}, 400, "1 to 100"),
        ("jobs", {"before": "0:-5-1"}, 400, "'0:-5-1'"),
        ("jobs", {"before": f"0:5-{2**70}"}, 400, "PARTITION:MS-SEQ"),
        ("jobs", {"before": "9" * 5000 + ":1-1"}, 400, "PARTITION:MS-SEQ"),
        ("jobs", {"name": "a\nb"}, 400, "printable"),
        ("jobs", {"before": "yesterday"}, 400, "'yesterday'"),
        ("job", {"id": "nobody"}, 404, "There is no job 'nobody' on record"),
        ("job", {"id": "job-1", "life": "1-0"}, 404, "no such life of job 'job-1'"),
        ("job", {"id": "a\nb"}, 400, "printable"),
        ("job", {}, 400, "not empty"),
        ("job/state", {"id": "job-1", "version": 4}, 400, "1 to 3"),
        ("job/data", {"id": "job-1", "version": 2}, 404, "completed no stage"),
        ("nothing", {}, 404, "Not Found"),
    ],
)
def test_what_cannot_be_answered_says_why(
    api: Api, path: str, query: dict[str, object], status: int, says: str
) -> None:
    found, answer = api.get(path, **query)
    assert found == status, answer
    assert says in answer["error"]


def test_a_job_has_stages_a_timeline_and_a_state_at_every_version(api: Api) -> None:
    job = api.found("job", id="job-1")
    assert [(one["stage"], one["status"]) for one in job["stages"]] == [
        ("fetch", "done"),
        ("clean", "done"),
        ("load", "pending"),
    ]
    assert job["missing"] == job["lost"] == []
    attempts = job["timeline"]["attempts"]
    assert [(one["stage"], one["outcome"]) for one in attempts] == [
        ("fetch", "done"),
        ("clean", "failed"),
        ("clean", "done"),
    ]
    assert attempts[0]["end_ms"] - attempts[0]["begin_ms"] == 500
    state = api.found("job/state", id="job-1", version=2)
    assert [one["stage"] for one in state["stages"]] == ["fetch"]
    assert state["failures"] == [
        {"stage": "clean", "failures": 1, "error": "ValueError", "message": "no"}
    ]


def test_data_comes_as_it_was_written_whatever_a_browser_makes_of_numbers(api: Api) -> None:
    (fetched,) = api.found("job/state", id="job-1", version=1)["stages"]
    assert fetched["text"] == '{\n  "rows": 9223372036854775808,\n  "tiny": -0.0\n}'
    with api.request("/api/job/data?id=job-1&version=1") as response:
        assert response.read().decode() == fetched["text"]
        assert response.headers["Content-Disposition"] == 'attachment; filename="version-1.json"'


def test_earlier_lives_of_a_job_are_shown_too(api: Api, manager: CheckpointManager) -> None:
    manager.delete_job_checkpoints("job-1")
    manager.save("job-1", "fetch", {"rows": 7})
    job = api.found("job", id="job-1")
    assert (job["status"], job["version"], len(job["lives"])) == ("running", 1, 2)
    first = api.found("job", id="job-1", life=job["lives"][0]["incarnation"])
    assert (first["status"], first["version"]) == ("deleted", 4)
    assert [(one["stage"], one["status"]) for one in first["stages"]] == [
        ("fetch", "deleted"),
        ("clean", "deleted"),
    ]


def test_a_fork_says_what_it_was_copied_from(api: Api, manager: CheckpointManager) -> None:
    manager.fork("job-1", "job-1-again")
    job = api.found("job", id="job-1-again")
    assert (job["forked_from"], job["source_job"]) == ("job-1 v3", "job-1")
    assert {one["outcome"] for one in job["timeline"]["attempts"]} == {"copied"}


def test_operations_tell_of_lag_workers_and_dead_letters(
    api: Api, manager: CheckpointManager, settings: Settings
) -> None:
    with redis.Redis.from_url(settings.redis_url) as client:
        client.xadd(PartitionKeys(settings.namespace, 3).log, {"foo": b"\xff<b>"})
    found = api.found("operations")
    assert found["workers"]["found"] == {"projector": [], "snapshotter": []}
    behind = [one["entries"] for one in found["lag"]["found"] if one["consumer"] == "snapshotter"]
    assert sum(behind) == 5
    assert found["restorations"] == {"found": [], "error": ""}
    store(settings)
    letters = api.found("operations")["dead_letters"]["found"]
    assert letters["count"] == 1
    assert letters["letters"][0]["fields"] == ["foo", "\\xff<b>"]


def test_without_an_archive_the_rest_is_there(settings: Settings) -> None:
    alone = replace(settings, postgres_url=None)
    with CheckpointManager(alone) as manager:
        manager.save("job-1", "fetch", {})
    with page(alone) as api:
        assert names(api.found("jobs")) == ["job-1"]
        assert {one["consumer"] for one in api.found("operations")["lag"]["found"]} == {"projector"}
        assert api.found("job", id="job-1")["version"] == 1


def test_a_log_that_is_not_there_is_not_made_by_looking(settings: Settings) -> None:
    with page(settings) as api:
        status, answer = api.get("jobs")
        assert (status, settings.namespace in answer["error"]) == (503, True)
        assert api.get("job", id="job-1")[0] == 503
        assert api.get("operations")[0] == 503
    with redis.Redis.from_url(settings.redis_url) as client:
        assert list(client.scan_iter(match=f"{{{settings.namespace}*")) == []


@contextmanager
def events(api: Api) -> Iterator[Iterator[Any]]:
    """Yield what the stream of events says, as it says it."""
    with api.request("/api/events") as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        lines = (line.decode() for line in response)
        yield (json.loads(line[6:]) for line in lines if line.startswith("data: "))


def test_the_stream_names_the_jobs_that_change(api: Api, manager: CheckpointManager) -> None:
    with events(api) as first, events(api) as second:
        # the first news are that anything may have changed, once before the tail is found
        for stream in (first, second):
            assert next(stream) == {"jobs": None, "error": ""}
        eventually(lambda: saved_and_told(manager, first))
        assert any("job-2" in (one["jobs"] or ()) for one in second)


def saved_and_told(manager: CheckpointManager, stream: Iterator[Any]) -> bool:
    manager.save("job-2", "clean", {})
    return "job-2" in (next(stream)["jobs"] or ())


def test_streams_leave_file_descriptors_for_all_other_requests(
    settings: Settings, manager: CheckpointManager
) -> None:
    manager.save("job-1", "fetch", {})
    with page(settings, files=128) as api, ExitStack() as stack:
        opened = [stack.enter_context(api.request("/api/events")) for _ in range(100)]
        refused = [response for response in opened if response.status != 200]
        assert len(refused) == 100 - 128 // 2
        for response in refused:
            assert (response.status, response.headers["Retry-After"]) == (503, "10")
            assert "ulimit -n" in json.loads(response.read())["error"]
        assert names(api.found("jobs")) == ["job-1"]
        stack.close()
        eventually(lambda: is_streamed(api))


def is_streamed(api: Api) -> bool:
    with api.request("/api/events") as response:
        return response.status == 200


def test_the_stream_says_that_redis_is_away_and_that_it_is_back(tmp_path: Path) -> None:
    with Valkey(tmp_path / "valkey") as valkey:
        settings = Settings(redis_url=valkey.url, timeout=1.0)
        with CheckpointManager(settings) as manager:
            manager.save("job-1", "fetch", {})
        with page(settings) as api, events(api) as stream:
            assert next(stream)["jobs"] is None
            valkey.stop()
            error = next(one["error"] for one in stream if one["error"])
            assert error.startswith("Redis could not be reached")
            assert api.get("jobs")[0] == 503
            valkey.start()
            assert next(one["jobs"] for one in stream if not one["error"]) is None
            assert names(api.found("jobs")) == ["job-1"]


def test_while_redis_is_away_the_archive_answers(
    postgres_url: str, tmp_path: Path, namespace: str
) -> None:
    with Valkey(tmp_path / "valkey") as valkey:
        settings = Settings(valkey.url, postgres_url, namespace=namespace, timeout=1.0)
        with CheckpointManager(settings) as manager:
            manager.save("job-1", "fetch", {"rows": 1})
        store(settings)
        with page(settings) as api:
            valkey.stop()
            jobs = api.found("jobs")
            assert names(jobs) == ["job-1"]
            assert "archive alone" in jobs["note"]
            assert api.found("job", id="job-1")["version"] == 1
            lag = api.found("operations")["lag"]
            assert lag["found"] is None
            assert "Redis" in lag["error"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8321", "localhost.evil", "[::1", ""]
)
def test_a_host_that_is_not_ours_is_refused(api: Api, host: str) -> None:
    for path in ("/", "/api/jobs", "/static/style.css"):
        with api.request(path, headers={"Host": host}) as response:
            assert response.status in {400, 403}, path


@pytest.mark.parametrize("host", ["localhost:8321", "[::1]:1", "192.0.2.7"])
def test_addresses_and_localhost_are_hosts_of_ours(api: Api, host: str) -> None:
    with api.request("/api/jobs", headers={"Host": host}) as response:
        assert response.status == 200


def test_every_answer_has_the_headers_that_keep_other_pages_out(api: Api) -> None:
    for path in ("/", "/static/style.css", "/api/jobs", "/api/job", "/api/events"):
        with api.request(path) as response:
            policy = response.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; script-src 'self';"), path
            assert "unsafe" not in policy
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Access-Control-Allow-Origin"] is None


@pytest.mark.parametrize("path", ["job/delete", "job/rewind", "deadletters/discard"])
def test_a_page_is_read_only_unless_told_otherwise(api: Api, path: str) -> None:
    status, answer = api.post(path, {"id": "job-1"})
    assert (status, "read-only" in answer["error"]) == (403, True)
    with api.request(f"/api/{path}", method="GET") as response:
        assert response.status == 405


def out_of_range() -> list[str]:
    forms = ("{}:1-1", "1:{}-1", "1:1-{}")
    return [form.format(number) for form in forms for number in (-1, 2**63, 10**30, "9" * 5000)]


def test_changes_are_made_where_they_are_allowed_and_for_this_page_only(
    settings: Settings, manager: CheckpointManager
) -> None:
    manager.save_many([("job-1", stage, {}) for stage in STAGES])
    with redis.Redis.from_url(settings.redis_url) as client:
        client.xadd(PartitionKeys(settings.namespace, 3).log, {"foo": "bar"})
    store(settings)
    with page(settings, "--allow-changes") as api:
        wanted = {"id": "job-1", "stage": "clean"}
        for headers in (
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Origin": ""},
            {"X_Checkpoint_Token": "guessed"},
            {"X_Checkpoint_Token": ""},
        ):
            assert api.post("job/rewind", wanted, **headers)[0] == 403
        assert api.post("job/rewind", {"id": "job-1", "at": 3})[0] == 400
        assert api.post("job/rewind", {"id": "job-1", "stage": "lunch"})[0] == 400
        assert manager.is_completed("job-1", "load")
        assert api.post("job/rewind", wanted) == (200, {"rewound_to": "clean"})
        assert not manager.is_completed("job-1", "clean")
        assert api.post("job/delete", {"id": "job-1"}) == (200, {"deleted": True})
        assert api.found("job", id="job-1")["status"] == "deleted"
        (letter,) = api.found("operations")["dead_letters"]["found"]["letters"]
        for name in ("nonsense", *out_of_range()):
            status, said = api.post("deadletters/discard", {"name": name})
            assert (status, "PARTITION:MS-SEQ" in str(said)) == (400, True)
        assert api.post("deadletters/discard", {"name": f"32767:{2**63 - 1}-1"})[0] == 404
        assert api.post("deadletters/discard", {"name": letter["name"]})[0] == 200
        assert api.post("deadletters/discard", {"name": letter["name"]})[0] == 404


def test_it_can_be_a_part_of_another_application(
    settings: Settings, manager: CheckpointManager
) -> None:
    manager.save("job-1", "fetch", {})

    async def ask() -> None:
        whole = web.Application()
        whole.add_subapp("/jobs-of-ours/", create_web(settings))
        async with TestClient(TestServer(whole)) as client:
            for path in ("", "static/style.css", "api/jobs"):
                response = await client.get(f"/jobs-of-ours/{path}")
                assert response.status == 200
                assert "Content-Security-Policy" in response.headers
            jobs = await response.json()
            assert names(jobs) == ["job-1"]

    asyncio.run(ask())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once_also_while_somebody_looks(
    settings: Settings, manager: CheckpointManager, number: signal.Signals
) -> None:
    manager.save("job-1", "fetch", {})
    command = ("-m", "checkpoint", "web", "--port", "0")
    with running(*command, **environ(settings)) as process:
        assert process.stdout
        api = Api(process.stdout.readline().removeprefix("page: ").strip())
        with events(api) as stream:
            assert next(stream)["jobs"] is None
            process.send_signal(number)
            assert process.wait(timeout=30) == 0
            assert [one for one in stream if one["error"]] == []
        assert process.stdout.read() == ""


def test_a_port_that_is_taken_is_named(api: Api, settings: Settings) -> None:
    port = api.host.partition(":")[2]
    second = run("web", "--port", port)
    assert second.exit_code == 1
    assert f"127.0.0.1, port {port}: Address already in use. Name another" in second.stderr

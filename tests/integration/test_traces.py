"""One trace from the append through the log to view and archive, on real servers."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from real_log import RealLog, put
from servers import NOWHERE

from checkpoint import AsyncCheckpointManager, CheckpointManager, Settings
from checkpoint.events.async_lines import AsyncLines
from checkpoint.events.lines import Lines
from checkpoint.events.tracing import observe_traces
from checkpoint.projector.projector import Projector
from checkpoint.snapshotter.snapshotter import Snapshotter

JOB = "job"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield exporter
    exporter.shutdown()


async def work(log: RealLog) -> None:
    """Let a projector and a snapshotter apply all that the log has of the job."""
    part = log.slice(log.partition_of(JOB).partition)
    assert part
    redis, lines = AsyncLines(log.settings.redis_url, 5.0), Lines(log.settings.redis_url, 5.0)
    archive = log.archive()
    (of_views,), (of_commits,) = observe_traces("projector"), observe_traces("snapshotter")
    await Projector(redis, log.settings.namespace, of_views).apply(part)
    snapshotter = Snapshotter(lines, archive, log.settings.namespace, 0, of_commits)
    running = asyncio.create_task(asyncio.to_thread(snapshotter.run))
    assert await put(snapshotter, part)
    snapshotter.stop()
    await running
    archive.close()
    lines.close()
    await redis.aclose()


def save(settings: Settings) -> None:
    with CheckpointManager(settings) as manager:
        manager.save(JOB, "cut", {})


def save_async(settings: Settings) -> None:
    async def run() -> None:
        async with AsyncCheckpointManager(settings) as manager:
            await asyncio.gather(*[manager.save(JOB, "cut", {}) for _ in range(5)])

    asyncio.run(run())


def test_view_and_archive_are_linked_to_the_append(
    archived_log: RealLog, spans: InMemorySpanExporter
) -> None:
    save(archived_log.settings)
    asyncio.run(work(archived_log))
    append, applied, committed = spans.get_finished_spans()
    assert [append.name, applied.name, committed.name] == ["append", "apply slice", "commit"]
    for span in (applied, committed):
        (link,) = span.links
        assert append.context
        assert (link.context.trace_id, link.context.span_id) == (
            append.context.trace_id,
            append.context.span_id,
        )


def test_appends_at_a_time_are_traces_of_their_own(
    archived_log: RealLog, spans: InMemorySpanExporter
) -> None:
    save_async(archived_log.settings)
    appends = spans.get_finished_spans()
    assert {span.parent for span in appends} == {None}
    traces = {entry.event.trace.split("-")[1] for entry in archived_log.entries(JOB)}
    assert traces == {f"{span.context.trace_id:032x}" for span in appends if span.context}
    assert len(traces) == 5


def test_what_waits_in_a_spool_keeps_its_trace(
    archived_log: RealLog, spans: InMemorySpanExporter, tmp_path: Path
) -> None:
    away = Settings(
        redis_url=NOWHERE,
        namespace=archived_log.settings.namespace,
        timeout=0.1,
    )
    path = tmp_path / "spool"
    with CheckpointManager(away, spool=path) as manager:
        manager.save(JOB, "cut", {})
    (append,) = spans.get_finished_spans()
    with CheckpointManager(archived_log.settings, spool=path) as manager:
        assert manager.get_resume_point(JOB)
    (entry,) = archived_log.entries(JOB)
    assert append.context
    assert f"{append.context.span_id:016x}" in entry.event.trace

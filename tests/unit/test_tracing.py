"""Traces: the append is named in the event, and what workers write is linked to it."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from histories import Act, log_of, request_of
from msgspec.structs import replace
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from checkpoint.events.append import Request
from checkpoint.events.entry import Entry
from checkpoint.events.tracing import appending, observe_traces
from checkpoint.events.work import Stopwatch

UNTRACED = """
import sys
from checkpoint.events.append import Request
from checkpoint.events.event import StageCompleted
from checkpoint.events.tracing import appending, observe_traces
requests = [Request(StageCompleted(job="j", stage="s"))]
with appending(requests) as same:
    assert same is requests
assert observe_traces("projector") == []
import checkpoint
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""

IMPORTING = """
import sys, threading
from checkpoint.events.tracing import API, appending
from checkpoint.events.append import Request
from checkpoint.events.event import StageCompleted
import opentelemetry
begun, go_on = threading.Event(), threading.Event()
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "opentelemetry.context":  # imported by the API, whose module is known by then
            begun.set()
            go_on.wait()
sys.meta_path.insert(0, Slow())
thread = threading.Thread(target=__import__, args=[API])
thread.start()
begun.wait()
assert API in sys.modules
threading.Timer(0.2, go_on.set).start()
requests = [Request(StageCompleted(job="j", stage="s"))]
with appending(requests) as same:
    assert same is requests
thread.join()
"""


def exporting(sampler: Sampler, patch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Let spans of this test be collected, without a provider that outlives it."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    patch.setattr(trace, "get_tracer_provider", lambda: provider)
    return exporter


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = exporting(ALWAYS_ON, monkeypatch)
    yield exporter
    exporter.shutdown()


def requests(*jobs: str) -> list[Request]:
    return [request_of(Act("complete", job, "cut", 1)) for job in jobs]


def traceparent(span: ReadableSpan | trace.Link) -> str:
    at = span.context
    assert at
    return f"00-{at.trace_id:032x}-{at.span_id:016x}-{at.trace_flags:02x}"


def entries(traces: list[str]) -> list[Entry]:
    """Return entries of events that were appended under these traces."""
    plain = log_of([Act("complete", "j", "cut", 1) for _ in traces]).entries
    return [
        entry._replace(event=replace(entry.event, trace=name))
        for entry, name in zip(plain, traces, strict=True)
    ]


def test_where_nobody_traces_nothing_is_imported() -> None:
    subprocess.run([sys.executable, "-c", UNTRACED], check=True)


def test_an_append_is_a_producers_span_and_its_events_name_it(spans: InMemorySpanExporter) -> None:
    with trace.get_tracer("test").start_as_current_span("job"), appending(requests("j")) as traced:
        pass
    append, job = spans.get_finished_spans()
    assert (append.name, append.kind) == ("append", trace.SpanKind.PRODUCER)
    assert append.attributes == {"checkpoint.events": 1, "checkpoint.job": "j"}
    assert append.parent == job.context
    assert [one.event.trace for one in traced] == [traceparent(append)]


def test_nothing_but_the_trace_is_changed(spans: InMemorySpanExporter) -> None:
    plain = requests("a", "b")
    with appending(plain) as traced:
        pass
    assert [replace(one, event=replace(one.event, trace="")) for one in traced] == plain
    (append,) = spans.get_finished_spans()
    assert append.attributes == {"checkpoint.events": 2}


def test_an_append_that_fails_is_a_span_that_failed(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="no"), appending(requests("j")):
        raise ValueError("no")
    (append,) = spans.get_finished_spans()
    assert append.status.status_code is trace.StatusCode.ERROR
    assert [event.name for event in append.events] == ["exception"]


def test_a_span_that_is_not_sampled_costs_no_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    exporting(ALWAYS_OFF, monkeypatch)
    plain = requests("j")
    with appending(plain) as traced:
        assert traced is plain


@pytest.mark.parametrize(
    ("kind", "name"), [("projector", "apply slice"), ("snapshotter", "commit")]
)
def test_a_write_is_linked_to_the_traces_of_its_events(
    spans: InMemorySpanExporter, kind: str, name: str
) -> None:
    with appending(requests("a")) as one, appending(requests("b")) as other:
        traces = [request.event.trace for request in (*one, *other, *one)]
    spans.clear()
    (observe,) = observe_traces(kind)
    work = Stopwatch().stop([entries(traces[:2]), entries([*traces[2:], ""])], 0)
    observe(work)
    (write,) = spans.get_finished_spans()
    assert (write.name, write.kind, write.parent) == (name, trace.SpanKind.CONSUMER, None)
    assert [traceparent(link) for link in write.links] == traces[:2]
    assert write.start_time == work.began_ns
    assert write.end_time
    assert write.end_time - work.began_ns == round(work.seconds * 1e9)


def test_a_thread_that_is_importing_the_api_just_now_is_waited_for() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORTING], check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()


def test_a_write_of_untraced_events_is_no_span(spans: InMemorySpanExporter) -> None:
    (observe,) = observe_traces("projector")
    observe(Stopwatch().stop([entries(["", ""])], 0))
    assert spans.get_finished_spans() == ()


def test_a_trace_that_cannot_be_read_is_no_link(spans: InMemorySpanExporter) -> None:
    (observe,) = observe_traces("projector")
    observe(Stopwatch().stop([entries(["not a traceparent"])], 0))
    (write,) = spans.get_finished_spans()
    assert write.links == ()

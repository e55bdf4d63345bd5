"""Traces: OpenTelemetry's spans from the append to the archive, where the application traces.

An application that traces has imported OpenTelemetry's API itself, and said where spans go; where
nobody has, nothing is imported and nothing is spent. The span of an append is named in the event,
as a `traceparent`. What a worker writes belongs to many traces at once, so its spans are linked to
theirs.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from importlib import import_module
from typing import Any

from msgspec.structs import replace

from .append import Request
from .work import Observe, Work

API = "opentelemetry.trace"
TRACER = "checkpoint"
SPANS = {"projector": "apply slice", "snapshotter": "commit"}
LINKS = 128
"""Links that a span keeps, unless its limits are set otherwise."""


def appending(requests: Sequence[Request]) -> AbstractContextManager[Sequence[Request]]:
    """Span an append: enter it for the requests as they are to be appended."""
    return _append_span(requests) if _is_traced() else nullcontext(requests)


def observe_traces(kind: str) -> list[Observe]:
    """Return what spans the writes of a worker of that kind: nothing where nobody traces."""
    if not _is_traced():
        return []

    def observe(work: Work) -> None:
        if traces := dict.fromkeys(
            entry.event.trace for part in work.slices for entry in part if entry.event.trace
        ):
            _write_span(SPANS[kind], work, list(traces)[:LINKS])

    return [observe]


def _is_traced() -> bool:
    """Say whether the application traces; other libraries may have imported the API in vain."""
    if API not in sys.modules:
        return False
    trace = _imported()
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


@cache
def _imported() -> Any:
    return import_module(API)  # waits for whoever is importing it just now


@contextmanager
def _append_span(requests: Sequence[Request]) -> Iterator[Sequence[Request]]:
    from opentelemetry import trace  # noqa: PLC0415 - an extra, imported already

    tracer = trace.get_tracer(TRACER)
    with tracer.start_as_current_span(
        "append", kind=trace.SpanKind.PRODUCER, attributes=_described(requests)
    ) as span:
        yield _marked(requests, _traceparent(span)) if span.is_recording() else requests


def _described(requests: Sequence[Request]) -> dict[str, Any]:
    jobs = {request.event.job for request in requests}
    described = {"checkpoint.events": len(requests)}
    return {**described, "checkpoint.job": jobs.pop()} if len(jobs) == 1 else described


def _marked(requests: Sequence[Request], traceparent: str) -> list[Request]:
    return [
        replace(request, event=replace(request.event, trace=traceparent)) for request in requests
    ]


def _traceparent(span: Any) -> str:
    from opentelemetry import trace  # noqa: PLC0415 - as above
    from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415 - as above

    carrier: dict[str, str] = {}
    propagator = tracecontext.TraceContextTextMapPropagator()
    propagator.inject(carrier, trace.set_span_in_context(span))
    return carrier["traceparent"]


def _write_span(name: str, work: Work, traces: Sequence[str]) -> None:
    from opentelemetry import trace  # noqa: PLC0415 - as above

    span = trace.get_tracer(TRACER).start_span(
        name,
        context=trace.set_span_in_context(trace.INVALID_SPAN),
        kind=trace.SpanKind.CONSUMER,
        attributes={"checkpoint.events": work.events},
        links=[trace.Link(context) for context in map(_context_of, traces) if context.is_valid],
        start_time=work.began_ns,
    )
    span.end(work.began_ns + round(work.seconds * 1e9))


def _context_of(traceparent: str) -> Any:
    from opentelemetry import trace  # noqa: PLC0415 - as above
    from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415 - as above

    found = tracecontext.TraceContextTextMapPropagator().extract({"traceparent": traceparent})
    return trace.get_current_span(found).get_span_context()

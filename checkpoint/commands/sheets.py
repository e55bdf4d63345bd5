"""Sheets: jobs drawn for people. Nothing that a job says of itself is taken for markup."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from checkpoint.query.history.difference import Change, Difference
from checkpoint.query.history.explain import Plan, PlanStep
from checkpoint.query.history.record import StageRecord
from checkpoint.query.lag import Lag
from checkpoint.query.listing.summary import JobSummary

from .words import (
    age,
    change_line,
    done,
    duration,
    failure_of,
    plain,
    remaining,
    size,
    times,
    took_of,
    when,
)

OTHER_COLUMNS = 27
"""Of a list of jobs, without their names and stages."""
OTHER_ROWS = 4
"""Of a job on a screen, besides what it is and its stages: heads, what is left out, a failure."""
OVER = ("deleted", "expired")
MARKS = {
    "running": ("●", "cyan"),
    "failed": ("✗", "bold red"),
    "complete": ("✓", "green"),
    "deleted": ("-", "dim"),
    "expired": ("-", "dim"),
    "done": ("✓", "green"),
    "pending": ("○", "dim"),
    "skip": ("✓", "green"),
    "run": ("▸", "bold yellow"),
}


def text(words: str, style: str = "") -> Text:
    """Make text of words that may come from anybody."""
    return Text(plain(words), style)


def status(name: str) -> Text:
    """Draw a status with its mark."""
    mark, style = MARKS[name]
    return Text(f"{mark} {name}", style)


def job_table(jobs: Sequence[JobSummary], now: datetime, columns: int) -> Table:
    """Draw jobs, a row each, on so many columns."""
    name_columns = min(max([3, *(len(job["job_id"]) for job in jobs)]), columns * 3 // 8)
    table = _table()
    table.add_column("JOB", overflow="fold", width=name_columns)
    table.add_column("STATUS", no_wrap=True)
    table.add_column("DONE", no_wrap=True, justify="right")
    table.add_column("LAST", no_wrap=True, justify="right")
    rest = max(10, columns - name_columns - OTHER_COLUMNS)
    table.add_column("STAGE", no_wrap=True, overflow="ellipsis", max_width=rest)
    for job in jobs:
        last = age(job["last_event_at"], now)
        table.add_row(text(job["job_id"]), status(job["status"]), done(job), last, _stage(job))
    return table


def _stage(job: JobSummary) -> Text:
    stage = text(job["stage"] or "-")
    failure = failure_of(job["error"], job["message"])
    return Text.assemble(stage, text(f": {failure}", "red")) if failure else stage


def job_sheet(
    job: JobSummary, stages: Sequence[StageRecord], now: datetime, rows: int | None = None
) -> list[Text | Table]:
    """Draw one job: what it is, its stages, and what failed; on so many rows if that is said."""
    about = [
        Text.assemble(text(job["job_id"], "bold"), "  ", status(job["status"])),
        *(Text(f"  {line}") for line in _about(job, now)),
    ]
    most = len(stages) if rows is None else max(1, rows - len(about) - OTHER_ROWS)
    before, stages, after = around(stages, most)
    return [
        *about,
        *([text("what it had:", "dim")] if job["status"] in OVER and stages else []),
        *([text(f"… {times(before, 'stage')} before", "dim")] if before else []),
        *([_stage_table(stages, now)] if stages else []),
        *([text(f"… {times(after, 'stage')} after", "dim")] if after else []),
        *(
            text(f"{stage['stage']} {_failed(stage)}", style)
            for stage in stages
            if stage["error"]
            for style in ["red" if stage["status"] == "failed" else "dim"]
        ),
    ]


def around(stages: Sequence[StageRecord], most: int) -> tuple[int, Sequence[StageRecord], int]:
    """Return the stages around the first that is not done, and how many are before and after."""
    current = next((i for i, one in enumerate(stages) if one["status"] != "done"), len(stages) - 1)
    start = max(0, min(current - most // 2, len(stages) - most))
    shown = stages[start : start + most]
    return start, shown, len(stages) - start - len(shown)


def _failed(stage: StageRecord) -> str:
    failure = failure_of(stage["error"], stage["message"])
    if not stage["is_completed"]:
        return f"failed last with {failure}"
    return f"failed {times(stage['failures'], 'time')} before, the last with {failure}"


def _about(job: JobSummary, now: datetime) -> Iterable[str]:
    """Yield what there is to say of a job besides its stages."""
    pipeline = f", pipeline {plain(job['pipeline'])}" if job["pipeline"] else ""
    yield f"version {job['version']}{pipeline}"
    if job["forked_from"]:
        yield f"forked from {plain(job['forked_from'])}"
    if job["owner"]:
        yield f"claimed by {plain(job['owner'])}"
    yield f"started {when(job['started_at'])}"
    last = f"{when(job['last_event_at'])} ({age(job['last_event_at'], now)})"
    if job["status"] == "deleted":
        yield f"deleted {last}"
        return
    yield f"last event {last}"
    if expires := job["expires_at"]:
        if job["status"] == "expired":
            yield f"expired {when(expires)} ({age(expires, now)})"
        else:
            yield f"expires {when(expires)} ({remaining(expires, now)})"


def _stage_table(stages: Sequence[StageRecord], now: datetime) -> Table:
    table = _table()
    table.add_column("STAGE", overflow="fold")
    for name in ("TOOK", "ATTEMPTS", "SIZE", "VERSION", "LAST"):
        table.add_column(name, no_wrap=True, justify="right")
    for stage in stages:
        mark, style = MARKS[stage["status"]]
        table.add_row(
            Text.assemble((f"{mark} ", style), plain(stage["stage"])),
            took_of(stage["took_ms"], is_measured=stage["is_measured"]),
            str(stage["failures"] + (stage["is_completed"]) or "-"),
            size(stage["bytes"]),
            f"v{stage['version']}" if stage["version"] else "-",
            age(stage["time"], now) if stage["time"] else "-",
        )
    return table


def plan_sheet(plan: Plan, now: datetime) -> list[Text | Table]:
    """Draw what would be done, and why."""
    table = _table()
    table.add_column("DO", no_wrap=True)
    table.add_column("STAGE", overflow="fold")
    table.add_column("WHY", overflow="fold")
    for name in ("LAST", "TOOK"):
        table.add_column(name, no_wrap=True, justify="right")
    for step in plan["steps"]:
        table.add_row(
            status(step["action"]),
            text(step["stage"]),
            text(_why(step)),
            age(step["time"], now) if step["time"] else "-",
            took_of(step["took_ms"], is_measured=step["is_measured"]),
        )
    pipeline = f", pipeline {plan['pipeline']}" if plan["pipeline"] else ""
    head = Text.assemble(text(plan["job_id"], "bold"), text(pipeline))
    return [head, table, text(_outcome(plan))]


def _why(step: PlanStep) -> str:
    if step["id"] is None:
        return step["why"]
    return f"{step['why']}: v{step['version']}, {step['id']}"


def _outcome(plan: Plan) -> str:
    saved = took_of(plan["saved_ms"], is_measured=plan["is_measured"])
    skipped = sum(step["action"] == "skip" for step in plan["steps"])
    if plan["resume_from_stage"]:
        goes_on = f"it would go on at {plan['resume_from_stage']}"
    else:
        goes_on = "nothing is left to do" if plan["is_declared"] else "what comes next is not known"
    return f"{times(skipped, 'stage')} skipped, {saved} saved; {goes_on}"


def difference_lines(found: Difference) -> list[Text]:
    """Draw what became of a job, a line for each thing."""
    return [
        *(text(f"+ {stage}", "green") for stage in found["added"]),
        *(text(f"- {stage}", "red") for stage in found["removed"]),
        *(line for stage, parts in found["changed"].items() for line in _changed(stage, parts)),
        *(
            text(f"! {stage}: {before} → {times(after, 'failure')}", "yellow")
            for stage, (before, after) in found["failed"].items()
        ),
        *_owner(found),
    ]


def _changed(stage: str, parts: Sequence[Change]) -> list[Text]:
    again = f"~ {stage}" if parts else f"~ {stage} again, with the same data"
    return [text(again, "yellow"), *(text(f"    {change_line(part)}") for part in parts)]


def _owner(found: Difference) -> list[Text]:
    if found["owners"] is None:
        return []
    before, after = (name or "nobody" for name in found["owners"])
    return [text(f"@ held by {before} → {after}", "yellow")]


def lag_table(lags: Iterable[Lag]) -> Table:
    """Draw how far the consumers are behind, a row for each partition of each."""
    table = _table()
    table.add_column("CONSUMER", no_wrap=True)
    for name in ("PARTITION", "BEHIND", "OLDEST", "POSITION", "LOG ENDS AT"):
        table.add_column(name, no_wrap=True, justify="right")
    for lag in sorted(lags):
        behind = Text("1 entry" if lag.entries == 1 else f"{lag.entries} entries")
        behind.stylize("yellow" if lag.entries else "green")
        oldest = duration(lag.seconds) if lag.entries else "-"
        row = (str(lag.partition), behind, oldest, str(lag.position), str(lag.last))
        table.add_row(lag.consumer, *row)
    return table


def _table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")

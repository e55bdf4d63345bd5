"""`python -m bench [EVENTS]`: print the ratios."""

import sys

from . import calls, drains, servers

EVENTS = 200_000


def main() -> None:
    """Run everything."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with servers.running() as settings:
        for what, beside, limit, result in calls.rows(settings):
            print(
                f"{what}: {result.ours:.0f} µs, {result.ratio:.2f} times {beside} "
                f"({result.theirs:.0f} µs; quartiles {result.low:.2f} to {result.high:.2f}; "
                f"at most {limit} wanted)",
                flush=True,
            )
        for drain in drains.drains(settings, events):
            print(
                f"{drain.kind}: {drain.per_second:,.0f} events/s of a backlog of "
                f"{drain.events:,} ({drain.wanted:,} wanted); memory "
                f"{drain.early_bytes / 1e6:.0f} MB at the start, {drain.late_bytes / 1e6:.0f} MB "
                "at the end",
                flush=True,
            )


main()

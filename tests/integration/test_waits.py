"""Waits of asyncio code, on a real Redis: what becomes of them when they are closed."""

import asyncio
from contextlib import aclosing
from time import monotonic

from checkpoint.events.async_lines import AsyncLines
from checkpoint.events.entry_id import EntryId
from checkpoint.events.steps import WatermarkWait
from checkpoint.waits import AsyncWaits


def test_closing_lets_who_waits_go_and_nobody_waits_for_them_later(
    redis_url: str, namespace: str
) -> None:
    stream = f"{namespace}:marks"
    entry = EntryId(5, 0)

    async def work() -> None:
        async with aclosing(AsyncLines(redis_url, 2.0)) as lines, asyncio.timeout(30):
            waits = AsyncWaits(lines, 0.5)
            wanted = WatermarkWait(stream, entry, monotonic() + 60)
            waiting = asyncio.create_task(waits.wait(wanted))
            await asyncio.sleep(0.1)
            await waits.close()
            assert await waiting is None
            await lines.execute("XADD", stream, str(entry), "a", "b")
            mark = await waits.wait(wanted)
            assert mark is not None
            assert mark.entry == entry
            await waits.close()
            await lines.execute("DEL", stream)

    asyncio.run(work())

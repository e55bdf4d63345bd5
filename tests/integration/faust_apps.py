"""The Faust apps of the transport's tests, as a user would write them.

Each is started by `python -m faust -A faust_apps:<app> worker`. What an agent handled it pushes to
a Redis list, so that a test sees the work of workers that were killed too.
"""

import asyncio
import os

import faust
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

NAME = os.environ["APP"]
BROKER = os.environ["BROKER"]
HANDLED = f"{{{NAME}}}:handled"
SECONDS_EACH = float(os.environ.get("SECONDS_EACH", "0"))

# Faust counts a message as handled that its agent failed at, so this must not fail.
patient = Retry(ConstantBackoff(0.1), 100, (redis.ConnectionError,))
out = redis.asyncio.Redis.from_url(os.environ["OUT_URL"], retry=patient)
settings = {
    "datadir": os.environ["DATADIR"],
    "web_enabled": False,
    "broker_commit_interval": 0.2,
    "topic_disable_leader": True,
}

plain = faust.App(NAME, broker=BROKER, **settings)
topic = plain.topic(NAME, partitions=4, key_type=str, value_serializer="json")


@plain.agent(topic)
async def handle(stream: faust.StreamT) -> None:
    """Push who handled what."""
    async for event in stream.events():
        if SECONDS_EACH:
            await asyncio.sleep(SECONDS_EACH)
        words = [os.getpid(), event.message.partition, event.key, event.value, event.headers]
        await out.rpush(HANDLED, "|".join(map(str, words)))


sliced = faust.App(NAME, broker=f"{BROKER}?slice=100", **settings)


@sliced.agent(sliced.topic(NAME, partitions=2, value_serializer="raw"))
async def handle_slices(stream: faust.StreamT) -> None:
    """Push what slices hold."""
    async for event in stream.events():
        one = event.value
        numbers = [fields[1].decode() for _, fields in one.entries]
        words = [event.message.offset, one.partition, one.after, one.first, one.last]
        await out.rpush(HANDLED, "|".join(map(str, [*words, ",".join(numbers)])))


asked = faust.App(NAME, broker=BROKER, reply_create_topic=True, **settings)


@asked.agent(asked.topic(NAME, partitions=2, value_serializer="json"))
async def double(stream: faust.StreamT) -> None:
    """Answer with twice the number."""
    async for number in stream:
        yield number * 2


with_table = faust.App(NAME, broker=BROKER, **settings)
counts = with_table.Table("counts", default=int)
transactional = faust.App(NAME, broker=BROKER, processing_guarantee="exactly_once", **settings)

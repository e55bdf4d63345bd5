"""Broker URLs: what they say, and what of them can be printed."""

from urllib.parse import quote

import faust
import pytest
from faust.transport import by_url
from redis.connection import parse_url
from yarl import URL

from checkpoint.events.broker import Options, without_password
from checkpoint.events.errors import InvalidSettings
from checkpoint.events.fixup import HidePasswords
from checkpoint.events.transport import Transport

PASSWORD = "p@s/s:w%rd?#&"
SECRET = f"redis+streams://me:{quote(PASSWORD, safe='')}@localhost:7/3"


@pytest.mark.parametrize("scheme", ["redis+streams", "rediss+streams", "unix+streams"])
def test_faust_finds_the_transport_by_the_scheme(scheme: str) -> None:
    assert by_url(f"{scheme}://localhost") is Transport


@pytest.mark.parametrize(
    ("broker", "redis_url"),
    [
        ("redis+streams://localhost", "redis://localhost"),
        ("redis+streams://localhost:7/3?slice=5&protocol=2", "redis://localhost:7/3?protocol=2"),
        ("rediss+streams://[::1]:7/0", "rediss://[::1]:7/0"),
        ("unix+streams:///tmp/a.sock?db=2&slice=5", "unix:///tmp/a.sock?db=2"),
        ("unix+streams://:pw@/tmp/a.sock", "unix://:pw@/tmp/a.sock"),
    ],
)
def test_the_rest_of_the_url_is_redis_pys(broker: str, redis_url: str) -> None:
    assert Options.parse(URL(broker)).redis_url == redis_url


def test_a_password_reaches_redis_py_whatever_is_in_it() -> None:
    assert parse_url(Options.parse(URL(SECRET)).redis_url)["password"] == PASSWORD


def test_options_are_read() -> None:
    options = Options.parse(URL("redis+streams://localhost?slice=512&heartbeat=0.5"))
    assert (options.slice, options.heartbeat) == (512, 0.5)
    assert Options.parse(URL("redis+streams://localhost")) == Options("redis://localhost")


@pytest.mark.parametrize(
    "option", ["slice=0", "slice=-1", "slice=x", "slice=", "heartbeat=0", "heartbeat=nan"]
)
def test_an_option_that_cannot_be_used_is_named(option: str) -> None:
    name, _, value = option.partition("=")
    with pytest.raises(InvalidSettings, match=f"^{name}='{value}' in the broker URL"):
        Options.parse(URL(f"redis+streams://localhost?{option}"))


@pytest.mark.parametrize(
    ("url", "printable"),
    [
        (SECRET, "redis+streams://me:***@localhost:7/3"),
        ("unix+streams:///a.sock?password=s&db=1", "unix+streams:/a.sock?password=***&db=1"),
        ("redis+streams://localhost", "redis+streams://localhost"),
    ],
)
def test_passwords_are_hidden(url: str, printable: str) -> None:
    assert str(without_password(URL(url))) == printable


def test_an_app_does_not_show_its_password() -> None:
    app = faust.App("quiet", broker=SECRET, autodiscover=False)
    HidePasswords(app).on_worker_init()
    app.finalize()
    assert "me:***@localhost" in repr(app)
    assert quote(PASSWORD, safe="") not in repr(app) + repr(app.transport.options)
    assert parse_url(app.transport.options.redis_url)["password"] == PASSWORD
    assert app.producer_transport.options == app.transport.options


def test_other_brokers_are_left_alone() -> None:
    app = faust.App("kafka", broker="kafka://localhost:9092", autodiscover=False)
    HidePasswords(app).on_worker_init()
    assert app._transport is None  # noqa: SLF001 - `transport` would make one


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ({"processing_guarantee": "exactly_once"}, "processing_guarantee"),
        ({"producer_threaded": True}, "producer_threaded"),
    ],
)
def test_what_there_is_not_is_refused(setting: dict[str, object], name: str) -> None:
    app = faust.App("asks", broker="redis+streams://localhost", autodiscover=False, **setting)
    with pytest.raises(InvalidSettings, match=name):
        _ = app.transport

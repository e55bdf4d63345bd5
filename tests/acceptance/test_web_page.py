"""The web page in a real browser: a headless Chromium looks at it, as people do."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from pages import Api, page
from real_log import RealLog

from checkpoint import CheckpointManager, Pipeline, Settings
from checkpoint.embedded import Valkey
from checkpoint.events.keys import PartitionKeys

playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
STAGES = ["fetch", "clean", "load"]
EVIL = "<script>document.title = 'owned'</script>"
LEAST_CONTRAST = 4.5  # WCAG AA, for text

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@dataclass(frozen=True)
class Look:
    """Somebody who looks at the page, and at what the browser complains of."""

    tab: Any
    api: Api

    def at(self, where: str = "#/jobs") -> Any:
        """Open a part of the page; return the tab."""
        self.tab.goto(self.api.url + where)
        self.tab.get_by_role("heading", level=1).wait_for()
        return self.tab

    def at_job(self, job: str) -> Any:
        return self.at(f"#/job/{quote(job, safe='')}")


@pytest.fixture
def manager(settings: Settings) -> Iterator[CheckpointManager]:
    with CheckpointManager(settings, pipeline=STAGES) as manager:
        yield manager


@pytest.fixture
def look(browser: Any, settings: Settings, manager: CheckpointManager) -> Iterator[Look]:
    manager.save("job-1", "fetch", {"rows": 1}, took=0.4)
    with page(settings) as api:
        yield from looking(browser, api)


@pytest.fixture
def changing(browser: Any, settings: Settings, manager: CheckpointManager) -> Iterator[Look]:
    manager.save_many([("job-1", stage, {}) for stage in STAGES])
    with page(settings, "--allow-changes") as api:
        yield from looking(browser, api)


def looking(browser: Any, api: Api, **options: Any) -> Iterator[Look]:
    """Yield a look; afterwards the page has thrown nothing and broken no policy of its own."""
    complaints: list[str] = []
    context = browser.new_context(**options)
    tab = context.new_page()
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("console", lambda said: complaints.append(said.text) if "Policy" in said.text else None)
    tab.on("dialog", lambda dialog: complaints.append(dialog.message))
    yield Look(tab, api)
    context.close()
    assert complaints == []


def expect(locator: Any) -> Any:
    return playwright.expect(locator)


def rows(tab: Any) -> Any:
    return tab.get_by_role("table", name="Jobs, newest first").locator("tbody").get_by_role("row")


def fill(manager: CheckpointManager, jobs: int) -> None:
    manager.save_many(
        [(f"job-{n:04}", stage, {"n": n}) for n in range(jobs) for stage in STAGES[:2]]
    )


def test_jobs_appear_and_their_bars_move_while_one_looks(
    look: Look, manager: CheckpointManager
) -> None:
    tab = look.at()
    bar = tab.get_by_role("progressbar")
    expect(bar).to_have_accessible_name("job-1: 1 of 3 stages")
    width = bar.evaluate("bar => bar.position")
    manager.save("job-1", "clean", {})
    expect(bar).to_have_accessible_name("job-1: 2 of 3 stages")
    assert bar.evaluate("bar => bar.position") > width
    manager.save("job-2", "fetch", {})
    expect(rows(tab)).to_have_count(2)
    expect(rows(tab).first).to_contain_text("job-2")
    manager.save("job-1", "load", {})
    expect(rows(tab).first).to_contain_text("complete")


def test_what_has_the_focus_keeps_it_when_rows_change_places(
    look: Look, manager: CheckpointManager
) -> None:
    tab = look.at()
    link = tab.get_by_role("link", name="job-1")
    link.focus()
    for number in range(3):
        manager.save(f"other-{number}", "fetch", {})
    expect(rows(tab)).to_have_count(4)
    expect(link).to_be_focused()
    manager.save("job-1", "clean", {})
    expect(rows(tab).first).to_contain_text("job-1")
    expect(link).to_be_focused()


def test_updates_can_be_paused(look: Look, manager: CheckpointManager) -> None:
    tab = look.at()
    expect(rows(tab)).to_have_count(1)
    pause = tab.get_by_role("button", name="Pause updates")
    pause.click()
    expect(pause).to_have_attribute("aria-pressed", "true")
    manager.save("job-2", "fetch", {})
    tab.wait_for_timeout(1000)
    expect(rows(tab)).to_have_count(1)
    pause.click()
    expect(rows(tab)).to_have_count(2)


def test_filters_choose_and_stay_in_the_address(look: Look, manager: CheckpointManager) -> None:
    manager.record_failure("job-2", "fetch", ValueError("no"))
    manager.for_pipeline(Pipeline("film", ["cut", "mix"])).save("movie", "cut", {})
    tab = look.at()
    expect(rows(tab)).to_have_count(3)
    tab.get_by_label("Status").select_option("failed")
    expect(rows(tab)).to_have_count(1)
    expect(rows(tab)).to_contain_text("ValueError: no")
    tab.reload()
    expect(tab.get_by_label("Status")).to_have_value("failed")
    expect(rows(tab)).to_contain_text("job-2")
    tab.get_by_label("Status").select_option("any")
    tab.get_by_label("Pipeline").select_option("film")
    expect(rows(tab)).to_have_count(1)
    expect(rows(tab)).to_contain_text("movie")
    tab.get_by_label("Latest stage").fill("mix")
    tab.get_by_label("Latest stage").press("Enter")
    expect(tab.get_by_text("No such job.")).to_be_visible()


def test_jobs_are_searched_by_name_while_one_types(look: Look, manager: CheckpointManager) -> None:
    for job in ("film-1", "Film-2", "song & dance"):
        manager.save(job, "fetch", {})
    tab = look.at()
    expect(rows(tab)).to_have_count(4)
    tab.keyboard.press("/")
    search = tab.get_by_role("searchbox", name="Name")
    expect(search).to_be_focused()
    loads: list[str] = []
    tab.on("load", lambda _: loads.append(tab.url))
    tab.keyboard.type("film")
    expect(rows(tab)).to_have_count(2)
    expect(tab).to_have_url(re.compile(r"#/jobs\?name=film$"))
    expect(search).to_be_focused()
    expect(search).to_have_value("film")
    manager.save("film-3", "fetch", {})
    manager.save("other", "fetch", {})
    expect(rows(tab)).to_have_count(3)
    expect(rows(tab).first).to_contain_text("film-3")
    tab.get_by_label("Status").select_option("failed")
    expect(tab.get_by_text("No such job.")).to_be_visible()
    expect(tab).to_have_url(re.compile(r"name=film&status=failed$"))
    tab.go_back()
    expect(rows(tab)).to_have_count(3)
    search.fill("G & D")
    expect(rows(tab)).to_have_count(1)
    expect(rows(tab)).to_contain_text("song & dance")
    assert loads == []
    tab.reload()
    expect(search).to_have_value("G & D")
    expect(rows(tab)).to_have_count(1)
    search.clear()
    expect(rows(tab)).to_have_count(6)
    expect(tab).to_have_url(re.compile(r"#/jobs$"))


def test_a_search_is_paged_and_not_made_again_for_other_jobs(
    look: Look, manager: CheckpointManager
) -> None:
    fill(manager, 60)
    tab = look.at("#/jobs?name=job-00")
    expect(rows(tab)).to_have_count(25)
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))

    def is_left_alone() -> bool:
        before = len(asked)
        manager.save("other", "fetch", {})
        tab.wait_for_timeout(1000)
        return len(asked) == before

    # the stream of news begins with everything, and does so again where it was cut
    assert any(is_left_alone() for _ in range(5))
    tab.get_by_role("link", name="Older").click()
    expect(tab.get_by_role("link", name="Newest")).to_be_visible()
    assert all("job-00" in name for name in job_names(tab))
    tab.get_by_role("link", name="Newest").click()
    expect(tab).to_have_url(re.compile(r"#/jobs\?name=job-00$"))


def test_a_thousand_jobs_are_paged(look: Look, manager: CheckpointManager) -> None:
    fill(manager, 1000)
    tab = look.at()
    expect(rows(tab)).to_have_count(25)
    seen = [job_names(tab)]
    for _ in range(4):
        last = seen[-1][-1]
        tab.get_by_role("link", name="Older").click()
        expect(tab.get_by_role("link", name=last, exact=True)).to_have_count(0)
        expect(rows(tab)).to_have_count(25)
        seen.append(job_names(tab))
    assert len({name for names in seen for name in names}) == 125
    tab.get_by_role("link", name="Newest").click()
    expect(tab.get_by_role("link", name=seen[0][0], exact=True)).to_be_visible()
    # however much is appended, the page asks only now and then
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    for number in range(200):
        manager.save(f"busy-{number}", "fetch", {})
    expect(tab.get_by_role("link", name="busy-199", exact=True)).to_be_visible()
    assert len(asked) < 100
    expect(rows(tab)).to_have_count(25)


def job_names(tab: Any) -> list[str]:
    return [link.inner_text() for link in rows(tab).get_by_role("link").all()]


def test_a_timeline_is_drawn_to_scale(look: Look, manager: CheckpointManager) -> None:
    manager.record_failure("job-1", "clean", ValueError("no"), took=0.1)
    manager.save("job-1", "clean", {}, took=0.2)
    tab = look.at_job("job-1")
    drawing = tab.get_by_role("img", name=re.compile("3 attempts, 1 failed"))
    expect(drawing.locator("rect")).to_have_count(3)
    bars = drawing.locator("rect").all()
    assert [bar.get_attribute("class") for bar in bars] == ["bar done", "bar failed", "bar done"]
    fetch, failed, clean = (float(bar.get_attribute("width") or 0) for bar in bars)
    assert clean / fetch == pytest.approx(0.5, rel=0.01)
    assert failed / fetch == pytest.approx(0.25, rel=0.01)
    tab.get_by_text("Timeline as a table").click()
    attempts = tab.get_by_role("table", name="Attempts and moments, in their order")
    said = attempts.locator("tbody").get_by_role("row").nth(1)
    expect(said).to_contain_text("100 ms")
    expect(said).to_contain_text("ValueError: no")


def test_a_slider_goes_through_the_versions(look: Look, manager: CheckpointManager) -> None:
    manager.save("job-1", "clean", {"big": 2**63})
    tab = look.at_job("job-1")
    slider = tab.get_by_role("slider", name="Version")
    said = tab.locator("output")
    expect(said).to_contain_text("Version 2 of 2: clean completed")
    tab.locator("summary", has_text="clean").click()
    expect(tab.get_by_label("Data of clean")).to_have_text('{\n  "big": 9223372036854775808\n}')
    slider.press("ArrowLeft")
    expect(said).to_contain_text("Version 1 of 2: fetch completed")
    expect(tab.locator("summary", has_text="clean")).to_have_count(0)
    expect(slider).to_have_attribute("aria-valuetext", "1 of 2: fetch completed")
    manager.save("job-1", "load", {})  # who looks back is not torn away
    expect(slider).to_have_attribute("max", "3")
    expect(said).to_contain_text("Version 1")
    tab.get_by_role("button", name="Later").click()
    expect(said).to_contain_text("Version 2")
    expect(tab.get_by_label("Data of clean")).to_be_visible()  # as it was left


def test_a_name_is_a_name_whatever_it_looks_like(look: Look, manager: CheckpointManager) -> None:
    stages = (EVIL, "'\"><img src=x onerror=alert(1)>", "{{7*7}}${alert(1)}")
    evil = manager.for_pipeline(Pipeline("<b>bold</b>", stages))
    evil.save(EVIL, EVIL, {EVIL: "</pre><script>alert(2)</script>"})
    evil.record_failure(EVIL, stages[1], ValueError("<img src=x onerror=alert(3)>"))
    tab = look.at()
    expect(rows(tab).first).to_contain_text("<b>bold</b>")
    tab.get_by_role("link", name=EVIL).click()
    expect(tab.get_by_role("heading", level=1)).to_have_text(EVIL)
    for stage in stages:
        expect(tab.get_by_role("cell", name=stage, exact=True).first).to_be_visible()
    tab.locator("summary", has_text=EVIL).click()
    expect(tab.locator("pre").first).to_contain_text("</pre><script>alert(2)</script>")
    assert tab.title() == f"{EVIL} · checkpoint"
    assert tab.locator("main script, main img:not([role]), main b").count() == 0


@pytest.mark.parametrize("job", ["a/b", "..", "50%", "q?x=1&y#z", "ünïcödé 日本", "x" * 500])
def test_any_name_has_a_page_of_its_own(look: Look, manager: CheckpointManager, job: str) -> None:
    manager.save(job, "fetch", {})
    tab = look.at()
    rows(tab).first.get_by_role("link").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text(job)
    expect(tab.get_by_role("slider")).to_be_visible()


def test_everything_can_be_done_by_keyboard(look: Look) -> None:
    tab = look.at()
    expect(rows(tab)).to_have_count(1)
    tab.keyboard.press("Tab")
    expect(tab.get_by_role("link", name="Skip to content")).to_be_focused()
    tab.keyboard.press("Enter")
    expect(tab.locator("main")).to_be_focused()
    tab_to(tab, "job-1")
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", level=1, name="job-1")).to_be_focused()
    expect(tab.locator("summary", has_text="fetch")).to_be_visible()
    tab_to(tab, "fetch")
    tab.keyboard.press("Enter")
    expect(tab.get_by_label("Data of fetch")).to_be_visible()
    tab.go_back()
    expect(tab.get_by_role("heading", level=1, name="Jobs")).to_be_focused()


def tab_to(tab: Any, text: str) -> None:
    """Press Tab until what has the focus says so, and is seen to have it."""
    for _ in range(40):
        tab.keyboard.press("Tab")
        focused = tab.locator(":focus")
        if text in focused.inner_text():
            assert focused.evaluate("one => getComputedStyle(one).outlineStyle") != "none"
            return
    raise AssertionError(f"no way to {text!r}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_can_both_be_read(
    browser: Any, settings: Settings, manager: CheckpointManager, scheme: str
) -> None:
    manager.save("job-1", "fetch", {})
    manager.record_failure("job-1", "clean", ValueError("no"))
    manager.save("job-2", "fetch", {})
    with page(settings) as api:
        for look in looking(browser, api, color_scheme=scheme):
            for where in ("#/jobs", "#/job/job-1", "#/operations"):
                tab = look.at(where)
                tab.locator("tbody td").first.wait_for()
                colours = tab.evaluate(COLOURS)
                assert len(colours) > 10
                assert [one for one in colours if contrast(*one[1:]) < LEAST_CONTRAST] == []
            dark = (
                luminance(
                    tab.evaluate("getComputedStyle(document.documentElement).backgroundColor")
                )
                < 0.5
            )
            assert dark == (scheme == "dark")


COLOURS = """() => [...document.querySelectorAll("body *")]
  .filter((one) => one.checkVisibility() && !(one instanceof SVGElement) && !one.disabled
    && [...one.childNodes].some((child) => child.nodeType === 3 && child.data.trim()))
  .map((one) => {
    let under = one;
    while (under && getComputedStyle(under).backgroundColor === "rgba(0, 0, 0, 0)") {
      under = under.parentElement;
    }
    return [one.outerHTML.slice(0, 80), getComputedStyle(one).color,
      getComputedStyle(under ?? document.documentElement).backgroundColor];
  })"""


def luminance(colour: str) -> float:
    """Return a colour's relative luminance, as WCAG has it."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_it_fits_a_phone(browser: Any, settings: Settings, manager: CheckpointManager) -> None:
    long = "x" * 400
    manager.save("job-1", "fetch", {"text": "y" * 3000})
    manager.record_failure("job-1", "clean", ValueError(long))
    CheckpointManager(settings).save(long, long, {})
    with page(settings) as api:
        phone = {"width": 360, "height": 740}
        for look in looking(browser, api, viewport=phone, has_touch=True):
            for where in ("#/jobs", "#/job/job-1", f"#/job/{long}", "#/operations"):
                tab = look.at(where)
                tab.locator("tbody td").first.wait_for()
                for summary in tab.locator("summary").all():
                    summary.click()
                assert tab.evaluate("document.documentElement.scrollWidth") <= phone["width"], where


def test_everything_has_a_name_for_who_does_not_see_it(
    look: Look, manager: CheckpointManager
) -> None:
    manager.record_failure("job-1", "clean", ValueError("no"))
    for where, wanted in (
        ("#/jobs", {"banner", "navigation", "main", "search", "table", "progressbar"}),
        ("#/job/job-1", {"banner", "navigation", "main", "table", "slider", "image", "status"}),
        ("#/operations", {"banner", "navigation", "main", "region", "table"}),
    ):
        tab = look.at(where)
        tab.locator("tbody td").first.wait_for()
        nodes = tab.context.new_cdp_session(tab).send("Accessibility.getFullAXTree")["nodes"]
        named = [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node["ignored"]
        ]
        assert wanted <= {role for role, _ in named}
        nameless = [role for role, name in named if role in NAMED and not name.strip()]
        assert nameless == []
        levels = [int(one.evaluate("one => one.tagName[1]")) for one in tab.locator("h1, h2").all()]
        assert levels[0] == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))


NAMED = {
    "button", "link", "textbox", "combobox", "slider", "progressbar", "image", "table", "region",
    "heading", "navigation", "columnheader", "RootWebArea",
}  # fmt: skip


def test_operations_tell_who_is_behind_and_show_dead_letters_as_text(
    look: Look, settings: Settings
) -> None:
    with redis.Redis.from_url(settings.redis_url) as client:
        client.xadd(PartitionKeys(settings.namespace, 3).log, {"<b>": b"\xff<script>"})
    tab = look.at("#/operations")
    lag = tab.get_by_role("table", name="Entries not applied yet, and the age of the oldest")
    expect(lag.get_by_role("row").nth(4)).to_contain_text("1 entry")
    expect(tab.get_by_text("none: start one with `checkpoint worker projector`")).to_be_visible()
    log = RealLog(settings)
    log.store()
    log.close()
    expect(tab.get_by_role("table", name="1 dead letter")).to_be_visible()
    tab.locator("summary").click()
    expect(tab.locator("pre")).to_contain_text("\\xff<script>")
    expect(tab.get_by_role("button", name=re.compile("Discard"))).to_have_count(0)


def test_a_job_that_is_not_there_says_so(look: Look) -> None:
    tab = look.at_job("nobody")
    expect(tab.get_by_role("status").first).to_contain_text("There is no job 'nobody' on record")


@pytest.mark.parametrize("where", ["#/jbos", "#/job/", "#/operations/x", "#/<b>"])
def test_an_address_that_is_none_says_so(look: Look, where: str) -> None:
    tab = look.at(where)
    expect(tab.get_by_role("heading", level=1)).to_have_text("There is no such page")
    tab.get_by_role("link", name="All jobs").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Jobs")


def test_times_are_told_as_on_the_command_line(look: Look, manager: CheckpointManager) -> None:
    tab = look.at_job("job-1")
    (event,) = manager.get_job_history("job-1")
    expect(tab.locator("dd time").first).to_have_attribute("title", f"{event['time']:%F %T} UTC")


def test_a_stage_that_failed_before_it_was_done_is_not_said_to_have_failed(
    look: Look, manager: CheckpointManager
) -> None:
    for _ in range(2):
        manager.record_failure("job-1", "clean", OSError("no"))
    manager.save("job-1", "clean", {})
    stages = look.at_job("job-1").get_by_role("table", name="Stages in their order")
    expect(stages).to_contain_text("failed 2 times before")


def test_the_stages_of_a_deleted_job_are_deleted(look: Look, manager: CheckpointManager) -> None:
    manager.delete_job_checkpoints("job-1")
    stages = look.at_job("job-1").get_by_role("table", name="Stages in their order")
    expect(stages.locator(".status.deleted")).to_have_count(1)
    expect(stages.get_by_role("row")).to_have_count(2)


def test_the_header_names_the_log(look: Look, settings: Settings) -> None:
    expect(look.at().locator("#log")).to_have_text(f"log {settings.namespace}")


def test_redis_goes_and_comes_back(browser: Any, tmp_path: Path) -> None:
    with Valkey(tmp_path / "valkey") as valkey:
        settings = Settings(redis_url=valkey.url, timeout=1.0)
        with CheckpointManager(settings, pipeline=STAGES) as manager, page(settings) as api:
            manager.save("job-1", "fetch", {})
            for look in looking(browser, api):
                tab = look.at()
                expect(rows(tab)).to_have_count(1)
                valkey.stop()
                banner = tab.get_by_text("Redis could not be reached")
                banner.wait_for()
                expect(rows(tab)).to_have_count(1)  # what was known stays
                valkey.start()
                manager.save("job-1", "clean", {})
                expect(tab.get_by_role("progressbar")).to_have_accessible_name(
                    "job-1: 2 of 3 stages", timeout=20_000
                )
                expect(banner).to_be_hidden(timeout=20_000)


def test_the_network_goes_and_comes_back(look: Look, manager: CheckpointManager) -> None:
    tab = look.at()
    expect(rows(tab)).to_have_count(1)
    tab.context.set_offline(True)
    tab.evaluate("dispatchEvent(new Event('hashchange'))")
    wrong = tab.get_by_text("server does not answer")
    expect(wrong).to_be_visible()
    manager.save("job-2", "fetch", {})
    tab.context.set_offline(False)
    expect(rows(tab)).to_have_count(2, timeout=20_000)
    expect(wrong).to_be_hidden(timeout=20_000)


def test_a_server_that_is_started_anew_is_found_again_and_may_be_asked_for_changes(
    browser: Any, settings: Settings, manager: CheckpointManager
) -> None:
    manager.save_many([("job-1", stage, {}) for stage in STAGES])
    with page(settings, "--allow-changes") as api:
        look = looking(browser, api)
        tab = next(look).at_job("job-1")
        expect(tab.get_by_role("button", name="Delete")).to_be_visible()
    wrong = tab.get_by_text("server does not answer")
    expect(wrong).to_be_visible()
    with page(settings, "--allow-changes", "--port", api.host.partition(":")[2]):
        expect(wrong).to_be_hidden(timeout=20_000)
        tab.get_by_role("button", name="Delete").click()
        tab.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(tab.get_by_text("Deleted.")).to_be_attached()
        expect(tab.locator(".facts .status")).to_have_text(re.compile("deleted"))
        assert list(look) == []


def test_a_job_is_rewound_and_deleted_after_a_question(changing: Look) -> None:
    tab = changing.at_job("job-1")
    tab.get_by_label("Do again from").select_option("clean")
    tab.get_by_role("button", name="Rewind").click()
    question = tab.get_by_role("dialog", name=re.compile("Rewind job-1 to clean"))
    expect(question.get_by_role("button", name="Cancel")).to_be_focused()
    tab.keyboard.press("Escape")
    expect(question).to_be_hidden()
    expect(tab.locator("output")).to_contain_text("Version 3 of 3")
    tab.get_by_role("button", name="Rewind").click()
    question.get_by_role("button", name="Rewind").click()
    expect(tab.locator("output")).to_contain_text("Version 4 of 4: rewound to clean")
    expect(tab.get_by_text("Rewound to clean.")).to_be_visible()
    tab.get_by_role("button", name="Delete").click()
    tab.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(tab.locator(".facts .status")).to_have_text(re.compile("deleted"))
    expect(tab.get_by_role("button", name="Rewind")).to_be_hidden()


def test_who_rewinds_a_job_that_is_held_is_warned(
    changing: Look, manager: CheckpointManager
) -> None:
    with manager.claim("job-1", owner="worker-7"):
        tab = changing.at_job("job-1")
        expect(tab.get_by_text("worker-7", exact=True)).to_be_visible()
        tab.get_by_role("button", name="Rewind").click()
        expect(tab.get_by_role("dialog")).to_contain_text("worker-7 holds the job")
        tab.get_by_role("button", name="Cancel").click()


def test_a_read_only_page_offers_no_changes(look: Look) -> None:
    tab = look.at_job("job-1")
    expect(tab.get_by_role("slider")).to_be_visible()
    for name in ("Rewind", "Delete"):
        expect(tab.get_by_role("button", name=name)).to_be_hidden()


def test_a_log_that_is_not_there_yet_appears(
    browser: Any, settings: Settings, manager: CheckpointManager
) -> None:
    with page(settings) as api:
        for look in looking(browser, api):
            tab = look.at()
            expect(tab.get_by_text("There is no log")).to_be_visible()
            manager.save("job-1", "fetch", {})
            expect(rows(tab)).to_have_count(1)
            expect(tab.get_by_text("There is no log")).to_be_hidden()

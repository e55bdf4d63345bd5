"""The clocks of Redis and Postgres: an expired job is told by either."""

import pytest
from real_log import RealLog

from checkpoint import UnsupportedServer
from checkpoint.doctor import FARTHEST_MS, check_clocks, examine
from checkpoint.snapshotter.archive import Archive
from checkpoint.worker import wait_for_log


def test_clocks_that_agree_are_well(archived_log: RealLog) -> None:
    assert "ms apart" in archived_log.run(check_clocks())


def test_a_snapshotter_does_not_start_between_clocks_that_are_far_apart(
    archived_log: RealLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Archive.now_ms
    monkeypatch.setattr(Archive, "now_ms", lambda archive: right(archive) + 2 * FARTHEST_MS)
    with pytest.raises(UnsupportedServer, match=r"10\.\d s apart: set both by NTP"):
        wait_for_log("snapshotter", archived_log.settings)
    findings = {one.subject: one for one in archived_log.run(examine(archived_log.settings))}
    assert not findings["clocks"].is_well

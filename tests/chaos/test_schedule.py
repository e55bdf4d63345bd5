"""The schedule: seeded, complete, within its time."""

from chaos.faults.schedule import LENGTHS, NEEDS_SMALL_DISK, TARGETS, make_schedule


def test_the_same_seed_gives_the_same_schedule() -> None:
    assert make_schedule(7, 600) == make_schedule(7, 600)
    assert make_schedule(7, 600) != make_schedule(8, 600)


def test_a_longer_run_begins_as_a_shorter_one() -> None:
    short, long = make_schedule(7, 60), make_schedule(7, 600)
    assert long.faults[: len(short.faults)] == short.faults


def test_every_kind_comes_before_any_comes_again() -> None:
    kinds = [fault.kind for fault in make_schedule(7, 600).faults[: len(TARGETS)]]
    assert sorted(kinds) == sorted(kind for kind, _ in TARGETS)
    assert set(kinds) == set(LENGTHS)


def test_what_is_left_out_does_not_come() -> None:
    kinds = {one.kind for one in make_schedule(7, 600, NEEDS_SMALL_DISK).faults}
    assert not NEEDS_SMALL_DISK & kinds


def test_the_faults_lie_within_the_run() -> None:
    for seed in range(50):
        assert all(one.at + one.seconds <= 60 for one in make_schedule(seed, 60).faults)

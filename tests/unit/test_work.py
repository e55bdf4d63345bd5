from histories import Act, log_of

from checkpoint.events.work import Stopwatch, Work, told, unobserved


def test_a_stopwatch_says_what_was_written_and_how_long_it_took() -> None:
    entries = log_of([Act("complete", "j", stage, 1) for stage in ("cut", "mix")]).entries
    watch = Stopwatch()
    work = watch.stop([entries, entries[:1]], 4)
    assert (work.events, work.dead) == (3, 4)
    assert work.seconds > 0
    assert watch.stop([], 0).seconds >= work.seconds


def test_every_observer_is_told() -> None:
    heard: list[tuple[str, Work]] = []
    tell = told([lambda work: heard.append(("a", work)), lambda work: heard.append(("b", work))])
    work = Stopwatch().stop([], 0)
    tell(work)
    assert heard == [("a", work), ("b", work)]


def test_nothing_is_between_a_worker_and_no_observer() -> None:
    assert told([]) is unobserved

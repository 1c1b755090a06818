from transforms.counts import Counts

SECOND = 1_000_000
COUNTS = Counts(
    {
        "windows_planned": 10,
        "windows_succeeded": 4,
        "windows_failed": 2,
        "windows_skipped": 1,
        "files_failed": 3,
        "media_ms": 120_000,
        "decode_us": 3 * SECOND,
    }
)


def test_what_was_never_counted_is_zero():
    assert Counts()["windows_failed"] == Counts().windows_done == Counts().failures == 0
    assert Counts().waiting_share == Counts().times_real_time(0) == 0


def test_windows_and_failures_are_added_up():
    assert (COUNTS.windows_planned, COUNTS.windows_done, COUNTS.windows_tried, COUNTS.failures) == (10, 7, 6, 5)


def test_stages_and_speed_are_in_seconds():
    assert COUNTS.seconds("decode") == COUNTS.stage_seconds["decode"] == 3.0
    assert COUNTS.stage_seconds["generate"] == 0
    assert COUNTS.times_real_time(60) == 2.0


def test_the_model_waits_a_share_of_its_own_time():
    times = {"wait_for_windows": 1, "encode": 1, "generate": 2, "decode": 50}
    assert Counts({f"{name}_us": seconds * SECOND for name, seconds in times.items()}).waiting_share == 0.25


def test_counts_of_several_workers_are_added():
    total = sum([COUNTS, Counts({"windows_failed": 1, "files_listed": 0})], Counts())
    assert total.by_name == {**COUNTS.by_name, "windows_failed": 3, "files_listed": 0}

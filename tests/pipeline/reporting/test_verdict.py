import pytest

from pipeline.reporting.verdict import verdict
from transforms.counts import Counts

SECOND = 1_000_000


def spent(windows=1000, **seconds):
    return Counts({"windows_succeeded": windows, **{f"{name}_us": value * SECOND for name, value in seconds.items()}})


@pytest.mark.parametrize(
    ("waited", "workers", "cores", "advice"),
    [
        (41, 1, 8, "decode-bound: the model waited 41% of the time for windows; use --workers 2"),
        (75, 1, 8, "use --workers 4"),
        (75, 2, 8, "use --workers 8"),
        (75, 2, 4, "use --workers 4"),
        (75, 4, 4, "4 cores decode no faster"),
    ],
)
def test_as_many_workers_as_keep_the_model_busy_and_the_machine_has_cores(waited, workers, cores, advice):
    counts = spent(wait_for_windows=waited, encode=60 - waited / 2, generate=40 - waited / 2, decode=90)
    assert advice in verdict(counts, batch_size=8, workers=workers, cores=cores)


def test_a_model_that_hardly_waits_holds_the_run_up():
    said = verdict(spent(wait_for_windows=2, encode=48, generate=50, decode=30, wait_for_model=70), 8, 1, 2)
    assert said == (
        "model-bound: the model waited 2% of the time for windows, decoding waited 70% of the time for the model"
    )


def test_no_advice_where_workers_are_not_ours():
    assert "--workers" not in verdict(spent(wait_for_windows=50, encode=50), 8, 1, None)


def test_a_short_run_says_so():
    assert "too short" in verdict(spent(23, wait_for_windows=50, encode=50), 8, 1, 2)


def test_a_run_with_nothing_to_do_has_no_verdict():
    assert verdict(Counts({"windows_skipped": 5}), 8, 1, 2) == "nothing was left to do"

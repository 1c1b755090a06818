import json

import pytest

from favor.errors import FavorError
from pipeline.planning.forecast import (
    PIPELINE_SECONDS,
    Costs,
    Forecast,
    Prediction,
    Price,
    RunShape,
    forecast,
    read_price,
)


def costs(decode, model, cpu=0.0):
    return Costs(16, decode, model, cpu, load_seconds=5.0, peak_bytes=10**9)


def shape(workers=1, cores=8, shared=False, windows=80, batch_size=8):
    return RunShape(windows, batch_size, workers, cores, shared)


def two_stages(windows, batch_size, decode, model):
    """Simulates one worker: decoding goes on while the model works, and a batch must be decoded before it is seen."""
    free = 0.0
    for ready in range(batch_size, windows + 1, batch_size):
        free = max(free, ready * decode) + batch_size * model
    return free


@pytest.mark.parametrize(("decode", "model", "by"), [(0.1, 1.0, "the model"), (1.0, 0.1, "decoding")])
def test_decoding_and_the_model_overlap(decode, model, by):
    found = forecast(costs(decode, model), shape(), probe_seconds=2.0)
    assert found.work_seconds == pytest.approx(two_stages(80, 8, decode, model))
    assert found.held_up_by == by
    assert found.start_seconds == PIPELINE_SECONDS + 2.0 + 5.0
    assert found.seconds == found.start_seconds + found.work_seconds


def test_a_single_batch_does_not_overlap():
    assert forecast(costs(0.5, 1.0), shape(windows=4), 0).work_seconds == pytest.approx(4 * 1.5)


def test_workers_share_the_windows():
    one, two = (forecast(costs(1.0, 0.1), shape(workers), 0).work_seconds for workers in (1, 2))
    assert two == pytest.approx(two_stages(40, 8, 1.0, 0.1))
    assert two < one


def test_no_more_cores_are_used_than_there_are():
    found = forecast(costs(0.5, 1.0, cpu=2.0), shape(cores=2), 0)
    assert found.work_seconds == pytest.approx(80 * 2.5 / 2)
    assert found.held_up_by == "the cores"


def test_workers_share_a_gpu():
    assert forecast(costs(0.1, 1.0), shape(4, shared=True), 0).work_seconds == pytest.approx(80 + 0.8)


def test_a_prediction_tells_the_cost():
    prediction = Prediction(
        "favor-13b", "cuda", costs(0.1, 1.0), shape(), Forecast(600, 6600, "the model"), 30 * 10**9, Price(3.0, "EUR")
    )
    assert prediction.money == 6.0
    printed = str(prediction)
    assert "about 2 h 0 min, 10 min of it to start; held up by the model" in printed
    assert "6.00 EUR, at 3 an hour" in printed
    assert json.loads(json.dumps(prediction.to_dict()))["forecast"]["seconds"] == 7200


@pytest.fixture
def prices(tmp_path):
    path = tmp_path / "prices.csv"
    path.write_text("machine,price_per_hour,currency\nsmall,0.5,EUR\nodd,cheap,EUR\n")
    return str(path)


def test_a_machine_has_its_price(prices):
    assert read_price(prices, "small") == Price(0.5, "EUR")


@pytest.mark.parametrize(("machine", "message"), [("large", "it has small, odd"), ("odd", "line 3: odd needs")])
def test_a_wrong_price_is_told(prices, machine, message):
    with pytest.raises(FavorError, match=message):
        read_price(prices, machine)

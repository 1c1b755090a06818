"""Forecasting the time, and the cost if a price is known, of a run from measurements of a few windows."""

import dataclasses
from typing import Any

from favor.errors import FavorError
from favor.io.rows import RowError, read_rows
from pipeline.reporting.progress import format_duration

PIPELINE_SECONDS = 1.5  # for Beam and the tables, however small the run is


@dataclasses.dataclass(frozen=True)
class Costs:
    """The cost of windows on this machine, measured on a sample of the corpus.

    Attributes:
        windows: number of windows measured.
        decode_seconds: time to decode a window, in one process.
        model_seconds: model time per window in full batches, with as many threads as a worker has.
        model_cpu_seconds: CPU time of the model per window, over all cores.
        load_seconds: time to load the model and to start a worker otherwise.
        peak_bytes: peak memory of one worker on the device.
    """

    windows: int
    decode_seconds: float
    model_seconds: float
    model_cpu_seconds: float
    load_seconds: float
    peak_bytes: int


@dataclasses.dataclass(frozen=True)
class RunShape:
    """How a run is distributed.

    Attributes:
        windows: number of windows in the whole corpus.
        batch_size: windows per batch.
        workers: number of processes on this machine.
        cores: number of cores of this machine.
        shared_device: whether all workers compute on one GPU.
    """

    windows: int
    batch_size: int
    workers: int
    cores: int
    shared_device: bool


@dataclasses.dataclass(frozen=True)
class Forecast:
    """The predicted duration of a run.

    Attributes:
        start_seconds: time before the first window is decoded.
        work_seconds: time from then to the end.
        held_up_by: the bottleneck: ``decoding``, ``the model``, or ``the cores`` if both need more than there are.
    """

    start_seconds: float
    work_seconds: float
    held_up_by: str

    @property
    def seconds(self) -> float:
        """The total duration."""
        return self.start_seconds + self.work_seconds

    def to_dict(self) -> dict[str, Any]:
        """Returns all values as JSON values."""
        return {**dataclasses.asdict(self), "seconds": self.seconds}


def forecast(costs: Costs, shape: RunShape, probe_seconds: float) -> Forecast:
    """Predicts the duration of a run, in which each worker decodes in parallel with its model.

    Only the first batch is decoded while the model waits, and the last batch is answered when decoding is over. Workers
    share the windows. On a GPU they share the device too; on a CPU all of them together cannot use more cores than
    there are.

    Args:
        costs: the measured cost of a window.
        shape: how the run is distributed.
        probe_seconds: time to list and probe the corpus, which each worker does.
    """
    mine = shape.windows / shape.workers
    batch = min(shape.batch_size, mine)
    model = costs.model_seconds * (shape.windows if shape.shared_device else mine)
    cpu = shape.windows * (costs.decode_seconds + (0 if shape.shared_device else costs.model_cpu_seconds))
    bounds = {
        "decoding": costs.decode_seconds * mine + costs.model_seconds * batch,
        "the model": costs.decode_seconds * batch + model,
        "the cores": cpu / shape.cores,
    }
    held_up_by = max(bounds, key=bounds.__getitem__)
    return Forecast(PIPELINE_SECONDS + probe_seconds + costs.load_seconds, bounds[held_up_by], held_up_by)


@dataclasses.dataclass(frozen=True)
class Price:
    """The price of a machine.

    Attributes:
        per_hour: price per hour of the whole machine.
        currency: name of the currency, such as EUR.
    """

    per_hour: float
    currency: str

    def of(self, seconds: float) -> float:
        """Returns the price of a number of seconds."""
        return self.per_hour * seconds / 3600


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The prediction for a run that has not started.

    Attributes:
        model: name of the model.
        device: the device that it computes on.
        costs: the measured cost of a window.
        shape: how the run is distributed.
        forecast: the predicted duration.
        computed_bytes: computed maximum device memory of one worker; None if the card cannot compute it.
        price: price of the machine, if known.
    """

    model: str
    device: str
    costs: Costs
    shape: RunShape
    forecast: Forecast
    computed_bytes: int | None
    price: Price | None = None

    @property
    def money(self) -> float | None:
        """The cost of the run, if the price of the machine is known."""
        return self.price.of(self.forecast.seconds) if self.price else None

    def to_dict(self) -> dict[str, Any]:
        """Returns all values as JSON values."""
        return {**dataclasses.asdict(self), "forecast": self.forecast.to_dict(), "money": self.money}

    def __str__(self) -> str:
        costs, forecast, shape = self.costs, self.forecast, self.shape
        computed = "" if self.computed_bytes is None else f"; by arithmetic at most {self.computed_bytes / 1e9:.2f} GB"
        workers = "1 worker" if shape.workers == 1 else f"{shape.workers} workers"
        lines = {
            "model": f"{self.model} on {self.device}, {workers}, batches of {shape.batch_size} windows",
            "a window": f"{costs.decode_seconds:.2f} s of decoding, {costs.model_seconds:.2f} s of the model "
            f"(measured on {costs.windows})",
            "time": f"about {format_duration(forecast.seconds)}, {format_duration(forecast.start_seconds)} of it "
            f"to start; held up by {forecast.held_up_by}",
            "memory": f"{costs.peak_bytes / 1e9:.2f} GB for each worker as measured{computed}",
        }
        if self.price and self.money is not None:
            lines["money"] = f"{self.money:.2f} {self.price.currency}, at {self.price.per_hour:g} an hour"
        return "\n".join(f"{name:10} {text}" for name, text in lines.items())


PRICE_COLUMNS = "machine, price_per_hour and currency"


def read_price(path: str, machine: str) -> Price:
    """Looks up the price of a machine in a file.

    Args:
        path: CSV, JSON lines or Parquet with the columns ``machine``, ``price_per_hour`` and ``currency``; a local path
            or any fsspec URL.
        machine: name of the machine in the file.

    Raises:
        FavorError: if the file has no such machine, or is not a file of prices.
        OSError: if the file cannot be read.
    """
    known = []
    for number, row in read_rows(path):
        where = f"{path}, line {number}"
        if isinstance(row, RowError):
            raise FavorError(f"{where}: {row}")
        if row.get("machine") != machine:
            known.append(str(row.get("machine")))
            continue
        try:
            return Price(float(row["price_per_hour"]), str(row["currency"]))
        except (KeyError, TypeError, ValueError) as error:
            raise FavorError(f"{where}: {machine} needs the columns {PRICE_COLUMNS}; got {row}") from error
    raise FavorError(f"{path} has no machine {machine!r}; it has {', '.join(known) or 'none'}, by {PRICE_COLUMNS}")

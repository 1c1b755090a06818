"""What a run will take, from what a few windows have taken: time, and money if a price is known."""

import dataclasses
from typing import Any

from favor.errors import FavorError
from favor.io.rows import RowError, read_rows
from pipeline.reporting.progress import format_duration

PIPELINE_SECONDS = 1.5  # what Beam and the tables take, however small the run is


@dataclasses.dataclass(frozen=True)
class Costs:
    """What windows cost on this machine, measured on a sample of the corpus.

    Attributes:
        windows: how many were measured.
        decode_seconds: of a window, in one process.
        model_seconds: of a window in a full batch, with as many threads as a worker has.
        model_cpu_seconds: the same, of all cores together.
        load_seconds: loading the model, and whatever else a worker needs to start.
        peak_bytes: of memory on the device, by one worker.
    """

    windows: int
    decode_seconds: float
    model_seconds: float
    model_cpu_seconds: float
    load_seconds: float
    peak_bytes: int


@dataclasses.dataclass(frozen=True)
class RunShape:
    """How a run is spread.

    Attributes:
        windows: of the whole corpus.
        batch_size: windows per batch.
        workers: processes on this machine.
        cores: of this machine.
        shared_device: whether all workers compute on one GPU.
    """

    windows: int
    batch_size: int
    workers: int
    cores: int
    shared_device: bool


@dataclasses.dataclass(frozen=True)
class Forecast:
    """What a run will take.

    Attributes:
        start_seconds: before the first window is decoded.
        work_seconds: from there to the end.
        held_up_by: ``decoding``, ``the model``, or ``the cores`` where both want more of them than there are.
    """

    start_seconds: float
    work_seconds: float
    held_up_by: str

    @property
    def seconds(self) -> float:
        """All in all."""
        return self.start_seconds + self.work_seconds

    def to_dict(self) -> dict[str, Any]:
        """Returns everything as JSON can hold it."""
        return {**dataclasses.asdict(self), "seconds": self.seconds}


def forecast(costs: Costs, shape: RunShape, probe_seconds: float) -> Forecast:
    """Adds up a run: each worker decodes beside its model, but only the first batch before and the last one behind.

    Workers share the windows. On a GPU they share the device too; on a CPU all of them together cannot use more cores
    than there are.

    Args:
        costs: of a window.
        shape: of the run.
        probe_seconds: to list and probe the corpus, which each worker does.
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
    """What a machine costs.

    Attributes:
        per_hour: of the whole machine.
        currency: such as EUR.
    """

    per_hour: float
    currency: str

    def of(self, seconds: float) -> float:
        """Returns the money for so many seconds."""
        return self.per_hour * seconds / 3600


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What is told of a run that has not begun.

    Attributes:
        model: its name.
        device: where it computes.
        costs: what was measured.
        shape: how the run is spread.
        forecast: what follows from both.
        computed_bytes: of memory on the device at most, by arithmetic, for one worker.
        price: of the machine, if it is known.
    """

    model: str
    device: str
    costs: Costs
    shape: RunShape
    forecast: Forecast
    computed_bytes: int
    price: Price | None = None

    @property
    def money(self) -> float | None:
        """What the run costs, if the machine's price is known."""
        return self.price.of(self.forecast.seconds) if self.price else None

    def to_dict(self) -> dict[str, Any]:
        """Returns everything as JSON can hold it."""
        return {**dataclasses.asdict(self), "forecast": self.forecast.to_dict(), "money": self.money}

    def __str__(self) -> str:
        costs, forecast, shape = self.costs, self.forecast, self.shape
        peak, computed = costs.peak_bytes / 1e9, self.computed_bytes / 1e9
        workers = "1 worker" if shape.workers == 1 else f"{shape.workers} workers"
        lines = {
            "model": f"{self.model} on {self.device}, {workers}, batches of {shape.batch_size} windows",
            "a window": f"{costs.decode_seconds:.2f} s of decoding, {costs.model_seconds:.2f} s of the model "
            f"(measured on {costs.windows})",
            "time": f"about {format_duration(forecast.seconds)}, {format_duration(forecast.start_seconds)} of it "
            f"to start; held up by {forecast.held_up_by}",
            "memory": f"{peak:.2f} GB for each worker as measured; by arithmetic at most {computed:.2f} GB",
        }
        if self.price and self.money is not None:
            lines["money"] = f"{self.money:.2f} {self.price.currency}, at {self.price.per_hour:g} an hour"
        return "\n".join(f"{name:10} {text}" for name, text in lines.items())


PRICE_COLUMNS = "machine, price_per_hour and currency"


def read_price(path: str, machine: str) -> Price:
    """Looks a machine up.

    Args:
        path: CSV, JSON lines or Parquet with the columns ``machine``, ``price_per_hour`` and ``currency``; local or any
            fsspec URL.
        machine: its name in the file.

    Raises:
        FavorError: if the file has no such machine, or is no such file.
        OSError: if it cannot be read.
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

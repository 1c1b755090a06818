"""What the steps of a run share within a process: its counts, its decoder, its watch over the model."""

import threading
import uuid
import weakref

from apache_beam.metrics import Metrics

from favor.media.isolation.decoder import IsolatedDecoder
from transforms.in_flight import InFlight
from transforms.metrics import Tally
from transforms.model_errors import ModelWatch

NAMESPACE = "favor"


class BeamTally(Tally):
    """A tally whose counts are Beam's too, which reach the driver from wherever a worker is.

    Beam counts only in the threads in which it calls a step; other threads keep a `Tally` and have it drained into this
    one. Its counters of an in-memory run can be read only when that is over: hence the tally.
    """

    def add(self, name: str, amount: int = 1) -> None:
        """Adds to a count, and to the Beam counter ``favor/name``."""
        Metrics.counter(NAMESPACE, name).inc(amount)
        super().add(name, amount)


class Runtime:
    """What all steps of one run share within one process.

    Each step holds it. In the process where it was made, a step that Beam has pickled and unpickled finds the same
    one again; in any other process, the first step that arrives there brings one into being, and the others find it.
    It lives as long as a step or a run holds it.

    Args:
        decoder: probes and decodes; the run's own, unless a test plants one.
        in_flight: reports the windows that the model works on.
        run_id: tells runs apart; a new one by default.

    Attributes:
        tally: what this process has counted for the run.
        model_watch: notices here that the model is broken.
    """

    def __init__(
        self, decoder: IsolatedDecoder | None = None, in_flight: InFlight | None = None, run_id: str | None = None
    ) -> None:
        self.tally = BeamTally()
        self.model_watch = ModelWatch(self.tally)
        self.decoder = decoder or IsolatedDecoder()
        self.in_flight = in_flight or InFlight()
        self.run_id = run_id or uuid.uuid4().hex
        with _LOCK:
            _RUNTIMES[self.run_id] = self

    def __reduce__(self) -> tuple[object, tuple[str, IsolatedDecoder]]:
        return _find_runtime, (self.run_id, self.decoder)

    def count_bytes_read(self) -> None:
        """Counts what the decoder has read since the last call."""
        self.tally.add("bytes_read", self.decoder.take_bytes_read())

    def close(self) -> None:
        """Ends the processes that decode."""
        self.decoder.close()


_LOCK = threading.RLock()
_RUNTIMES: weakref.WeakValueDictionary[str, Runtime] = weakref.WeakValueDictionary()


def _find_runtime(run_id: str, decoder: IsolatedDecoder) -> Runtime:
    """Returns this process's part of a run; makes it of a decoder like that of the others if it is not there yet."""
    with _LOCK:
        return _RUNTIMES.get(run_id) or Runtime(decoder, run_id=run_id)

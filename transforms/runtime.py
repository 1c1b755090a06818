"""The state that the steps of a run share within a process: counts, decoder and model watch."""

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
    """A tally that also increments Beam counters, which reach the driver from any worker.

    Beam counts only in the threads in which it calls a step, so other threads keep a `Tally` of their own that is
    drained into this one. The Beam counters of an in-memory run can be read only when it is over, hence the tally.
    """

    def add(self, name: str, amount: int = 1) -> None:
        """Adds to a count, and to the Beam counter ``favor/name``."""
        Metrics.counter(NAMESPACE, name).inc(amount)
        super().add(name, amount)


class Runtime:
    """The state that all steps of one run share within one process.

    Each step holds a reference. In the process that created the runtime, a step that Beam has pickled and unpickled
    finds the same one again; in any other process, the first step to be unpickled creates one, and the others find it.
    It lives as long as a step or a run refers to it.

    Args:
        decoder: probes and decodes files; a new one by default.
        in_flight: reports the windows that the model is processing.
        run_id: identifies the run; a new id by default.

    Attributes:
        tally: what this process has counted for the run.
        model_watch: detects a broken model in this process.
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
        """Counts the bytes that the decoder has read since the last call."""
        self.tally.add("bytes_read", self.decoder.take_bytes_read())

    def close(self) -> None:
        """Ends the decoding processes."""
        self.decoder.close()


_LOCK = threading.RLock()
_RUNTIMES: weakref.WeakValueDictionary[str, Runtime] = weakref.WeakValueDictionary()


def _find_runtime(run_id: str, decoder: IsolatedDecoder) -> Runtime:
    """Returns this process's runtime of a run; creates one with the given decoder if there is none yet."""
    with _LOCK:
        return _RUNTIMES.get(run_id) or Runtime(decoder, run_id=run_id)

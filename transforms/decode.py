"""Segments become decoded windows, a little ahead of the model that uses them."""

import contextlib
import dataclasses
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from favor.media.clip import Clip
from favor.media.isolation.decoder import IsolatedDecoder
from transforms.elements import Identity, Segment, Window
from transforms.failures import captured
from transforms.metrics import Tally, timed, timed_items
from transforms.rows import FAILURES, Failure
from transforms.runtime import Runtime

AHEAD_BYTES = 512 << 20  # of decoded windows that wait: 45 of 30 s at 224 x 224, three at 720p
POLL_SECONDS = 0.2  # how soon the decoding thread notices that nobody waits for it any more

_Item = TypeVar("_Item")


def decode_segment(segment: Segment, identity: Identity, decoder: IsolatedDecoder) -> Iterator[Window | Failure]:
    """Decodes the windows of a segment, in one pass as far as nothing goes wrong.

    Yields:
        For each window: the window, or the failure to decode it.
    """
    how = (identity.needs, identity.windowing.audio_track)
    jobs = {(job.key.start_ms, job.key.end_ms): job for job in segment.jobs}
    for span, outcome in decoder.windows(segment.media.uri, list(jobs), *how):
        job = jobs[span]
        if isinstance(outcome, Clip):
            yield Window(segment.media, job, outcome)
            continue
        with captured("decode", segment.media, job.key, identity.window_id(job.key)) as failures:
            raise outcome
        yield from failures


class BoundedQueue(Generic[_Item]):
    """Hands items from one thread to another, in order, bounded by what they weigh and not by their number.

    One always passes, however heavy it is.

    Args:
        most_bytes: what all items that wait may weigh together, unless it is only one.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._items: deque[tuple[_Item, int]] = deque()
        self._bytes = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def waiting_bytes(self) -> int:
        """What the items that wait weigh together."""
        with self._changed:
            return self._bytes

    def put(self, item: _Item, weight: int) -> None:
        """Adds an item as soon as it fits; drops it if the queue is closed before."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._fits(weight))
            if self._closed:
                return
            self._items.append((item, weight))
            self._bytes += weight
            self._changed.notify_all()

    def get(self) -> _Item:
        """Takes the first item as soon as there is one."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._items))
            item, weight = self._items.popleft()
            self._bytes -= weight
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Ends the waiting of whoever wants to put something; nothing more is added."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _fits(self, weight: int) -> bool:
        return not self._items or self._bytes + weight <= self._most_bytes


class DecodeAhead:
    """Decodes in one background thread, so that the model need not wait and memory stays bounded.

    Args:
        decode: yields as many windows or failures as the segment has windows.
        most_bytes: the memory of the windows that may lie decoded and waiting, unless it is only one; the thread holds
            one more.
        tally: where the time is counted, by the thread that takes the windows.
    """

    def __init__(self, decode: Callable[[Segment], Iterable[Window | Failure]], most_bytes: int, tally: Tally) -> None:
        self._decode = decode
        self._tally = tally
        self._segments: queue.SimpleQueue[Segment] = queue.SimpleQueue()
        self._decoded: BoundedQueue[Window | Failure | BaseException] = BoundedQueue(most_bytes)
        self._pending = 0
        self._closed = threading.Event()
        self._spent = Tally()
        threading.Thread(target=self._run, name="decode-ahead", daemon=True).start()

    def submit(self, segment: Segment) -> None:
        """Adds a segment to what is to be decoded."""
        self._pending += len(segment.jobs)
        self._segments.put(segment)

    def take(self, leave: int) -> Iterator[Window | Failure]:
        """Yields what is decoded, in order, until only ``leave`` windows are pending."""
        while self._pending > leave:
            with timed("wait_for_windows", self._tally.add):
                item = self._decoded.get()
            self._spent.drain_into(self._tally)
            if isinstance(item, BaseException):
                raise item
            self._pending -= 1
            yield item

    @property
    def waiting_bytes(self) -> int:
        """The memory of the windows that lie decoded and waiting."""
        return self._decoded.waiting_bytes

    def close(self) -> None:
        """Ends the thread, also when decoded windows are left."""
        self._closed.set()
        self._decoded.close()

    def _run(self) -> None:
        try:
            for item in self._work():
                self._put(item)
                if self._closed.is_set():
                    return
        except Exception as error:  # a mistake in the code: raised again by take(), where it stops the run
            self._put(error)

    def _work(self) -> Iterator[Window | Failure]:
        while segment := self._next_segment():
            yield from timed_items("decode", self._decode(segment), self._spent.add)

    def _next_segment(self) -> Segment | None:
        with timed("wait_for_model", self._spent.add):
            while not self._closed.is_set():
                with contextlib.suppress(queue.Empty):
                    return self._segments.get(timeout=POLL_SECONDS)
        return None

    def _put(self, item: Window | Failure | BaseException) -> None:
        with timed("wait_for_model", self._spent.add):
            self._decoded.put(item, item.clip.nbytes if isinstance(item, Window) else 0)


@dataclasses.dataclass
class DecodeWindows(beam.DoFn):
    """Turns segments into windows of aligned frames and samples; what cannot be decoded becomes a failure.

    Attributes:
        identity: what the model sees and hears of a window, and what decides its id.
        ahead: how many windows are still pending when the next segment is asked for, so that decoding goes on while
            the model works.
        runtime: the run's.
        ahead_bytes: the most memory of windows that lie decoded and waiting.
    """

    identity: Identity
    ahead: int
    runtime: Runtime
    ahead_bytes: int = AHEAD_BYTES

    def start_bundle(self) -> None:
        """Starts the background thread."""
        self._decoder = DecodeAhead(self._decode, self.ahead_bytes, self.runtime.tally)

    def process(self, segment: Segment) -> Iterator[Window]:
        """Hands the segment to the thread and yields what it has decoded of earlier ones."""
        self._decoder.submit(segment)
        for item in self._decoder.take(leave=self.ahead):
            yield _tagged(item, item)
        self.runtime.count_bytes_read()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Yields the rest."""
        for item in self._decoder.take(leave=0):
            yield _tagged(item, GlobalWindows.windowed_value(item))
        self.runtime.count_bytes_read()
        self._decoder.close()

    def teardown(self) -> None:
        """Ends the thread of a bundle that broke off."""
        if hasattr(self, "_decoder"):
            self._decoder.close()

    def _decode(self, segment: Segment) -> Iterator[Window | Failure]:
        return decode_segment(segment, self.identity, self.runtime.decoder)


def _tagged(item: Window | Failure, output: Any) -> Any:
    return TaggedOutput(FAILURES, output) if isinstance(item, Failure) else output

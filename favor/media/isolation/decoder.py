"""Decoding in separate processes, so that crashes, endless loops and excessive memory use affect nothing else."""

import builtins
import contextlib
import dataclasses
import logging
import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from favor.errors import MediaError
from favor.io import sources
from favor.media.clip import Clip
from favor.media.clock import Span
from favor.media.corpus.files import MediaFile
from favor.media.isolation import wire
from favor.media.isolation.process import ChildDeathError, Pool
from favor.media.isolation.wire import Header
from favor.media.needs import ClipNeeds
from favor.media.probe import MediaInfo
from favor.structs import to_json

CHILD_COMMAND = (sys.executable, "-m", "favor.media.isolation.child")
MEMORY_BYTES = 4 << 30  # of address space; 17 pictures of 16384x8192 do not fit, those of any common film do
BASE_DEADLINE = 60.0  # s for opening a file and for a picture
DEADLINE_PER_SECOND = 4.0  # s for each second of a window; 4K films on a busy machine take much less

Ask = Callable[[Header, float], tuple[Header, Any]]  # a request and its deadline -> the reply
_T = TypeVar("_T")
LOGGER = logging.getLogger(__name__)


class CrashLog:
    """The deaths of decoding processes on each file, and which window or file is to blame.

    The first death may be accidental, so its window is retried after all others of the pass. The second death decides:
    if it is on the same window, only this window fails. If it is on another one, the file is put aside, and all
    remaining windows fail without starting a process.
    """

    def __init__(self) -> None:
        self._crashes: dict[str, list[tuple[Span, ChildDeathError]]] = {}

    def record(self, uri: str, span: Span, death: ChildDeathError) -> MediaError | None:
        """Records a death; returns the window's failure, or None if it should be retried.

        Args:
            uri: the file.
            span: the window that was being decoded.
            death: how the process died.
        """
        deaths = self._crashes.setdefault(uri, [])
        deaths.append((span, death))
        if len(deaths) == 1:
            return None
        return self.verdict(uri) or MediaError(death.code, f"{uri}: {death}")

    def verdict(self, uri: str) -> MediaError | None:
        """Returns the failure of all remaining windows of a file that was put aside, or None if it was not."""
        deaths = self._crashes.get(uri, [])
        if len({span for span, _ in deaths}) < 2:
            return None
        _, last = deaths[-1]
        return MediaError(last.code, f"{uri}: {last}; put aside, because it has killed the decoder {len(deaths)} times")


class IsolatedDecoder:
    """A prober and decoder of files in separate processes, which are reused for further files.

    It can be used from several threads; each has a process to itself while it needs one. The processes end when the
    decoder is closed or garbage-collected, or when their parent process ends.

    Args:
        command: the command that starts such a process.
        memory_bytes: the address space limit of each process.
        base_deadline: seconds allowed for opening a file.
        deadline_per_second: additional seconds allowed for each second of a window.
    """

    def __init__(
        self,
        command: Sequence[str] = CHILD_COMMAND,
        memory_bytes: int = MEMORY_BYTES,
        base_deadline: float = BASE_DEADLINE,
        deadline_per_second: float = DEADLINE_PER_SECOND,
    ) -> None:
        self._settings = (command, memory_bytes, base_deadline, deadline_per_second)
        self._base_deadline = base_deadline
        self._deadline_per_second = deadline_per_second
        self._pool = Pool(command, memory_bytes)
        self._crashes = CrashLog()
        self._bytes_read = 0
        self._lock = threading.Lock()
        weakref.finalize(self, self._pool.close)

    def __reduce__(self) -> tuple[type["IsolatedDecoder"], tuple[Any, ...]]:
        return IsolatedDecoder, self._settings  # a copy in another process starts its own processes

    def probe(self, media: MediaFile, audio_track: int | None = None) -> MediaInfo:
        """Does the same as `favor.media.probe.probe`.

        Raises:
            MediaError: whatever that raises; ``decoder_crashed``, ``decoder_timeout`` or ``out_of_memory`` for a file
                that kills the process twice; ``undecodable`` for an unexpected error.
            OSError: if the file cannot be found or read.
        """
        request = {"call": "probe", "media": dataclasses.asdict(media), "audio_track": audio_track}
        return self._again(media.uri, lambda: self._probe(media.uri, request))

    def scene_spans(self, uri: str, part: Span, window_ms: int) -> list[Span]:
        """Does the same as `favor.media.scenes.cuts.find_scene_spans`.

        Raises:
            MediaError: as for `probe`.
            OSError: if the file cannot be found or read.
        """
        request = {"call": "scenes", "uri": uri, "part": part, "window_ms": window_ms}
        return self._again(uri, lambda: self._scene_spans(uri, request))

    def windows(
        self,
        uri: str,
        spans: Sequence[Span],
        needs: ClipNeeds,
        audio_track: int | None = None,
    ) -> Iterator[tuple[Span, Clip | Exception]]:
        """Does the same as `favor.media.decode.decode_windows`, but continues after windows that fail.

        Yields:
            Each span once, with its clip or its error: a ``MediaError`` (whatever that raises; ``decoder_crashed``,
            ``decoder_timeout`` or ``out_of_memory`` by the rules of `CrashLog`; ``undecodable`` for an unexpected
            error), or one of ``sources.READ_ERRORS``. The spans are in order, except that one on which the process
            died is retried at the end.
        """
        request: Header = {"call": "windows", "uri": uri, "needs": to_json(needs), "audio_track": audio_track}
        left, again = deque(spans), deque[Span]()
        while left or again:
            if not left:
                left.append(again.popleft())
            if aside := self._crashes.verdict(uri):
                yield left.popleft(), aside
                continue
            try:
                for clip in self._pass(uri, {**request, "spans": list(left)}):
                    yield left.popleft(), clip
            except ChildDeathError as death:
                span = left.popleft()
                if failure := self._crashes.record(uri, span, death):
                    yield span, failure
                else:
                    again.append(span)
            except (MediaError, *sources.READ_ERRORS) as error:
                yield left.popleft(), error  # the next pass starts after this window

    def take_bytes_read(self) -> int:
        """Returns the bytes that the processes have read from files since the last call; 0 except on Linux."""
        with self._lock:
            count, self._bytes_read = self._bytes_read, 0
        return count

    def close(self) -> None:
        """Ends all idle processes now, and busy ones as soon as they finish."""
        self._pool.close()

    def _again(self, uri: str, action: Callable[[], _T]) -> _T:
        """Runs an action, and once more if the process dies, which may be accidental."""
        with contextlib.suppress(ChildDeathError):
            return action()
        try:
            return action()
        except ChildDeathError as death:
            raise MediaError(death.code, f"{uri}: {death}") from death

    def _probe(self, uri: str, request: Header) -> MediaInfo:
        with self._session(uri, request) as (_, reply):
            return MediaInfo(**reply["info"])

    def _scene_spans(self, uri: str, request: Header) -> list[Span]:
        deadline = self._base_deadline + self._deadline_per_second * request["window_ms"] / 1000
        spans = []
        with self._session(uri, request) as (ask, _):
            while (reply := ask({"call": "next", "deadline": deadline}, deadline)[0])["reply"] != "end":
                spans.append((reply["start_ms"], reply["end_ms"]))
        return spans

    def _pass(self, uri: str, request: Header) -> Iterator[Clip]:
        """Yields the clips of one pass over a file."""
        with self._session(uri, request) as (ask, _):
            for start_ms, end_ms in request["spans"]:
                deadline = self._base_deadline + self._deadline_per_second * (end_ms - start_ms) / 1000
                header, content = ask({"call": "next", "deadline": deadline}, deadline)
                yield wire.unpack_clip(header, content)

    @contextlib.contextmanager
    def _session(self, uri: str, request: Header) -> Iterator[tuple[Ask, Header]]:
        """Sends a request about a file to a process; yields a function for further requests, and the first reply."""
        with sources.open_source(uri) as source, self._pool.borrow() as child:
            path = source if isinstance(source, str) else None
            size = None if path else source.seek(0, os.SEEK_END)

            def ask(header: Header, deadline: float) -> tuple[Header, Any]:
                header, content = child.ask(header, deadline, source)
                with self._lock:
                    self._bytes_read += header.get("bytes_read", 0)
                if header["reply"] == "error":
                    raise _error(uri, **header)
                return header, content

            reply, _ = ask({**request, "path": path, "bytes": size}, self._base_deadline)
            yield ask, reply


def _error(uri: str, kind: str, arguments: list[Any], traceback: str, **_: Any) -> Exception:
    """Decodes an error encoded by `favor.media.isolation.child.error_reply`."""
    if kind == "MediaError":
        return MediaError(*arguments)
    error = getattr(builtins, kind, None)
    if isinstance(error, type) and issubclass(error, OSError):
        return error(*arguments)
    LOGGER.info("%s", traceback)
    return MediaError(
        "undecodable",
        f"{uri}: decoding it ended in an unexpected error, {traceback.strip().splitlines()[-1]}",
    )

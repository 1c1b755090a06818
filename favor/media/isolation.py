"""Decoding in a process of its own, so that a crash, an endless loop or a flood of memory takes down nothing else.

The process is started by ``exec``, for a forked one inherits the locks of threads that do not exist in it. A window on
which it dies is tried once more in a fresh one; then it is a failure, and a file that goes on killing is put aside.
"""

import atexit
import builtins
import contextlib
import dataclasses
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from favor.errors import MediaError
from favor.media import storage, wire
from favor.media.clip import Clip
from favor.media.files import MediaFile
from favor.media.probe import MediaInfo
from favor.media.wanted import Span
from favor.media.wire import Header

COMMAND = (sys.executable, "-m", "favor.media.child")
MEMORY_BYTES = 4 << 30  # of address space; 17 pictures of 16384x8192 do not fit, those of any common film do
BASE_DEADLINE = 60.0  # s for opening a file and for a picture
DEADLINE_PER_SECOND = 4.0  # s for each second of a window: 4K films on a busy machine stay far below
PIPE_BYTES = 1 << 20  # as large as Linux lets anyone have
OUT_OF_MEMORY = "out_of_memory"
KILLS_TO_FAIL = 2  # the first may have been an accident


class ChildDeathError(Exception):
    """The process has crashed or has been killed.

    Attributes:
        code: for the failure.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Child:
    """One process that decodes.

    Args:
        command: how to start it; the memory limit is added.
        memory_bytes: how much address space it may have.
    """

    def __init__(self, command: Sequence[str], memory_bytes: int) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [*command, str(memory_bytes)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=environment
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._replies = self._process.stdin, self._process.stdout
        self._poll = select.poll()
        self._poll.register(self._replies, select.POLLIN)
        self._enlarge_pipe()

    def ask(self, request: Header, deadline: float, source: Any = None) -> tuple[Header, Any]:
        """Sends a request and waits for the reply, serving the process the bytes that it asks for meanwhile.

        Args:
            request: what to do.
            deadline: seconds that the process may take, without those that reading takes.
            source: the file whose bytes it may ask for.

        Raises:
            ChildDeathError: if it crashes, or has to be killed.
        """
        left = deadline
        self._send(request)
        while True:
            began = time.monotonic()
            header, content = self._receive(began + left, deadline)
            left -= time.monotonic() - began
            if header["reply"] != "read":
                return header, content
            source.seek(header["offset"])
            self._send({"call": "bytes"}, [source.read(header["size"])])

    def kill(self) -> None:
        """Ends the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        self._requests.close()
        self._replies.close()

    def send_stop(self) -> None:
        """Ends a pass over a file."""
        self._send({"call": "stop"})

    def _send(self, header: Header, parts: Any = ()) -> None:
        try:
            wire.send(self._requests, header, [part for part in parts if part])  # type: ignore[arg-type]
        except BrokenPipeError:
            self._raise_crash()

    def _receive(self, until: float, deadline: float) -> tuple[Header, Any]:
        def fill(view: memoryview) -> None:
            while view:
                if not self._poll.poll(max(0.0, until - time.monotonic()) * 1000):
                    raise ChildDeathError("decoder_timeout", f"decoding took more than {deadline:.0f} s")
                count = self._replies.readinto(view)  # type: ignore[attr-defined]
                if not count:
                    self._raise_crash()
                view = view[count:]

        return wire.receive(fill)

    def _raise_crash(self) -> None:
        status = self._process.wait()
        cause = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        raise ChildDeathError("decoder_crashed", f"the decoder crashed ({cause})")

    def _enlarge_pipe(self) -> None:
        if sys.platform == "linux":
            import fcntl

            with contextlib.suppress(OSError):  # a limit of the user; it only costs time
                fcntl.fcntl(self._replies, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


class IsolatedDecoder:
    """Probes and decodes files in processes of their own, which are kept for the next file.

    It can be used from several threads; each gets a process for as long as it needs one.

    Args:
        command: how to start such a process.
        memory_bytes: how much address space each may have.
        base_deadline: seconds for opening a file.
        deadline_per_second: seconds for each second of a window, on top.
    """

    def __init__(
        self,
        command: Sequence[str] = COMMAND,
        memory_bytes: int = MEMORY_BYTES,
        base_deadline: float = BASE_DEADLINE,
        deadline_per_second: float = DEADLINE_PER_SECOND,
    ) -> None:
        self._command = command
        self._memory_bytes = memory_bytes
        self._base_deadline = base_deadline
        self._deadline_per_second = deadline_per_second
        self._idle: list[Child] = []
        self._owner = os.getpid()
        self._deaths: dict[str, list[str]] = {}  # the codes of those on each file
        self._lock = threading.Lock()
        atexit.register(self.close)

    def probe(self, media: MediaFile, audio_track: int | None = None) -> MediaInfo:
        """Does what `favor.media.probe.probe` does.

        Raises:
            MediaError: what that raises; ``decoder_crashed``, ``decoder_timeout`` or ``out_of_memory``.
            OSError: if the file cannot be found or read.
        """
        request = {"call": "probe", "media": dataclasses.asdict(media), "audio_track": audio_track}
        while True:
            with self._answers_for(media.uri), self._session(media.uri, request) as (_, reply):
                return MediaInfo(**reply["info"])

    def windows(
        self,
        uri: str,
        spans: Sequence[Span],
        frame_size: int | None,
        frame_sampling: str = "even",
        audio_track: int | None = None,
    ) -> Iterator[Clip]:
        """Does what `favor.media.decode.decode_windows` does.

        Raises:
            MediaError: what that raises; ``decoder_crashed``, ``decoder_timeout`` or ``out_of_memory``.
            OSError: if the file cannot be found or read.
        """
        request: Header = {"call": "windows", "uri": uri, "frame_size": frame_size, "frame_sampling": frame_sampling}
        request["audio_track"] = audio_track
        left = list(spans)
        while left:
            with self._answers_for(uri):
                for clip in self._pass(uri, {**request, "spans": left}):
                    left.pop(0)
                    yield clip

    def close(self) -> None:
        """Ends all processes that wait for work."""
        with self._lock:
            idle, self._idle = self._idle, []
        for child in idle if self._owner == os.getpid() else ():
            child.kill()

    def _pass(self, uri: str, request: Header) -> Iterator[Clip]:
        """Yields the clips of one pass over a file."""
        with self._session(uri, request) as (ask, _):
            for start_ms, end_ms in tuple(request["spans"]):
                deadline = self._base_deadline + self._deadline_per_second * (end_ms - start_ms) / 1000
                header, content = ask({"call": "next", "deadline": deadline}, deadline)
                yield wire.unpack_clip(header, content)

    @contextlib.contextmanager
    def _session(self, uri: str, request: Header) -> Iterator[tuple[Any, Header]]:
        """Opens a file in a process; yields how to ask it more, and the reply to the request."""
        with storage.open_source(uri) as source, self._lease() as child:
            path = source if isinstance(source, str) else None
            size = None if path else source.seek(0, os.SEEK_END)

            def ask(header: Header, deadline: float) -> tuple[Header, Any]:
                header, content = child.ask(header, deadline, source)
                if header["reply"] == "error":
                    raise ReportedError(_error(uri, header["kind"], header["arguments"]))
                return header, content

            reply, _ = ask({**request, "path": path, "bytes": size}, self._base_deadline)
            yield ask, reply
            child.send_stop()

    @contextlib.contextmanager
    def _lease(self) -> Iterator[Child]:
        """Lends a process; it is kept afterwards only if it is known to wait for the next request."""
        child = self._take()
        waits = False
        try:
            yield child
            waits = True
        except ReportedError as report:
            waits = not isinstance(report.error, MediaError) or report.error.code != OUT_OF_MEMORY
            raise report.error from None
        except GeneratorExit:
            child.send_stop()
            waits = True
            raise
        finally:
            self._keep(child) if waits else child.kill()

    def _take(self) -> Child:
        with self._lock:
            if self._owner != os.getpid():  # forked: the processes belong to the other one
                self._idle, self._owner = [], os.getpid()
            if self._idle:
                return self._idle.pop()
        return Child(self._command, self._memory_bytes)

    def _keep(self, child: Child) -> None:
        with self._lock:
            self._idle.append(child)

    @contextlib.contextmanager
    def _answers_for(self, uri: str) -> Iterator[None]:
        """Lets one death pass, so that the block is tried again; the next is a failure, and one more is the last."""
        deaths = self._deaths.get(uri, [])
        if len(deaths) > KILLS_TO_FAIL:
            raise MediaError(deaths[-1], f"{uri}: put aside, since it has killed the decoder {len(deaths)} times")
        try:
            yield
        except ChildDeathError as death:
            deaths = self._deaths.setdefault(uri, [])
            deaths.append(death.code)
            if len(deaths) >= KILLS_TO_FAIL:
                raise MediaError(death.code, f"{uri}: {death}") from death


class ReportedError(Exception):
    """An error that the process has reported; it waits for the next request."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _error(uri: str, kind: str, arguments: list[Any]) -> Exception:
    """Makes an error of what `favor.media.child.describe` has made."""
    if kind == "MediaError":
        return MediaError(*arguments)
    if kind == "MemoryError":
        return MediaError(OUT_OF_MEMORY, f"{uri}: decoding it needs more memory than it may have")
    error = getattr(builtins, kind)
    assert issubclass(error, OSError)
    return error(*arguments)


ISOLATED = IsolatedDecoder()

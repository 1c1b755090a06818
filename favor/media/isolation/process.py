"""The parent's side of the decoding processes; their own side is `favor.media.isolation.child`.

They are started with ``exec``, because a forked process inherits locks held by threads that do not exist in it.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from favor.media.isolation import wire
from favor.media.isolation.wire import Header

PIPE_BYTES = 1 << 20  # the largest size that Linux allows any user
DECODER_CRASHED, TIMEOUT, OUT_OF_MEMORY_CODE = DEATHS = (
    "decoder_crashed",
    "decoder_timeout",
    "out_of_memory",
)  # codes of failures
IN_PASS = frozenset({"ready", "clip"})  # replies after which the next window may be requested


class ChildDeathError(Exception):
    """The crash of a process, its timeout, or its running out of memory.

    Attributes:
        code: the failure's code, one of ``DEATHS``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Child:
    """One decoding process.

    Args:
        command: the command that starts it; the memory limit is appended.
        memory_bytes: its address space limit.
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
        self._waits, self._in_pass = True, False  # whether it waits for the next request; for the next window
        self._enlarge_pipe()

    def ask(self, request: Header, deadline: float, source: Any = None) -> tuple[Header, Any]:
        """Sends a request and waits for the reply, meanwhile sending the process the bytes that it requests.

        Args:
            request: the request's header.
            deadline: seconds that the process may take, excluding the time to read those bytes.
            source: the file whose bytes it may request.

        Returns:
            The header of the reply, which may be an error, and the bytes after it.

        Raises:
            ChildDeathError: if it crashes, misses the deadline or runs out of memory.
        """
        left = deadline
        self._waits = self._in_pass = False
        self._send(request)
        while True:
            began = time.monotonic()
            header, content = self._receive(began + left, deadline)
            left -= time.monotonic() - began
            if header["reply"] != "read":
                break
            source.seek(header["offset"])
            self._send({"call": "bytes"}, [source.read(header["size"])])
        if header.get("kind") == "MemoryError":
            raise ChildDeathError(OUT_OF_MEMORY_CODE, "decoding it needs more memory than allowed")
        self._in_pass = header["reply"] in IN_PASS
        self._waits = not self._in_pass
        return header, content

    def finish_pass(self) -> bool:
        """Stops the current pass, if any; returns whether the process now waits for the next request."""
        if self._in_pass:
            with contextlib.suppress(ChildDeathError):
                self._send({"call": "stop"})
                self._waits, self._in_pass = True, False
        return self._waits

    def kill(self) -> None:
        """Kills the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        self._requests.close()
        self._replies.close()

    def _send(self, header: Header, parts: Any = ()) -> None:
        try:
            wire.send(self._requests, header, [part for part in parts if part])  # type: ignore[arg-type]
        except BrokenPipeError:
            self._raise_crash()

    def _receive(self, until: float, deadline: float) -> tuple[Header, Any]:
        def fill(view: memoryview) -> None:
            while view:
                if not self._poll.poll(max(0.0, until - time.monotonic()) * 1000):
                    raise ChildDeathError(TIMEOUT, f"decoding took more than {deadline:.0f} s")
                count = self._replies.readinto(view)  # type: ignore[attr-defined]
                if not count:
                    self._raise_crash()
                view = view[count:]

        return wire.receive(fill)

    def _raise_crash(self) -> None:
        status = self._process.wait()
        cause = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        raise ChildDeathError(DECODER_CRASHED, f"the decoder crashed ({cause})")

    def _enlarge_pipe(self) -> None:
        if sys.platform == "linux":
            import fcntl

            with contextlib.suppress(OSError):  # the user's limit is lower; a small pipe is only slower
                fcntl.fcntl(self._replies, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


class Pool:
    """A pool of processes that are reused for further files; each is lent to one thread at a time.

    Args:
        command: the command that starts one.
        memory_bytes: the address space limit of each.
    """

    def __init__(self, command: Sequence[str], memory_bytes: int) -> None:
        self._command = command
        self._memory_bytes = memory_bytes
        self._idle: list[Child] = []
        self._owner = os.getpid()
        self._closed = False
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def borrow(self) -> Iterator[Child]:
        """Lends a process; afterwards it returns to the pool, unless it may be busy or broken."""
        child = self._take()
        try:
            yield child
        finally:
            if not (child.finish_pass() and self._keeps(child)):
                child.kill()

    def close(self) -> None:
        """Ends all idle processes; those that are lent end when they are returned."""
        with self._lock:
            idle, self._idle, self._closed = self._idle, [], True
        for child in idle if self._owner == os.getpid() else ():
            child.kill()

    def _take(self) -> Child:
        with self._lock:
            if self._owner != os.getpid():  # forked: the pooled processes belong to the original process
                self._idle, self._owner = [], os.getpid()
            if self._idle:
                return self._idle.pop()
        return Child(self._command, self._memory_bytes)

    def _keeps(self, child: Child) -> bool:
        with self._lock:
            if not self._closed:
                self._idle.append(child)
            return not self._closed

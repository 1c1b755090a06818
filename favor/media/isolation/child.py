"""The process that decodes: whatever a file does to libav, it does it here. Started by `favor.media.isolation.decoder`.

It imports PyAV and NumPy only, and PySceneDetect when it looks for scenes. It reads requests from its standard input
and answers on its standard output. Local files it opens itself; the bytes of others it asks for, so that credentials
and connections stay where they are.
"""

import contextlib
import dataclasses
import io
import os
import resource
import select
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import Any, BinaryIO

from favor.errors import MediaError
from favor.media import decode, probe
from favor.media.container.opening import Opener
from favor.media.corpus.files import MediaFile
from favor.media.isolation import wire
from favor.media.isolation.wire import Header
from favor.media.needs import ClipNeeds
from favor.media.scenes import cuts
from favor.structs import read_dataclass


class Channel:
    """The way to the process that this one decodes for."""

    def __init__(self, requests: BinaryIO, replies: BinaryIO) -> None:
        self._requests = requests
        self._replies = replies
        self._reported = bytes_read()

    def send(self, header: Header, parts: Any = ()) -> None:
        """Answers, and says how many bytes were read since the last answer that was no question for more of them."""
        if header["reply"] != "read":
            before, self._reported = self._reported, bytes_read()
            header = {**header, "bytes_read": self._reported - before}
        wire.send(self._replies, header, parts)

    def receive(self) -> tuple[Header, Any]:
        """Waits for a request.

        Raises:
            EOFError: when nobody is there any more.
        """
        return wire.receive(self._fill)

    def _fill(self, view: memoryview) -> None:
        while view:
            count = self._requests.readinto(view)  # type: ignore[attr-defined]
            if not count:
                raise EOFError
            view = view[count:]


def bytes_read() -> int:
    """Returns how many bytes this process has read so far, from local files or from the other process.

    The system counts them, since libav reads by itself; requests are among them, but they are small. Only Linux counts:
    elsewhere it is 0.
    """
    try:
        with open("/proc/self/io", "rb", buffering=0) as file:  # noqa: PTH123 - once for each answer, so it is cheap
            return int(file.read(200).split()[1])  # "rchar: ", what read() has returned
    except OSError:
        return 0


class AskedFile(io.RawIOBase):
    """A file whose bytes the other process reads."""

    def __init__(self, channel: Channel, size: int) -> None:
        self._channel = channel
        self._size = size
        self._position = 0

    def seekable(self) -> bool:
        """It can be."""
        return True

    def readable(self) -> bool:
        """It can be."""
        return True

    def tell(self) -> int:
        """Where the next byte comes from."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Goes elsewhere, as files do."""
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Asks for bytes."""
        left = max(0, self._size - self._position)
        size = left if size < 0 else min(size, left)
        if not size:
            return b""
        self._channel.send({"reply": "read", "offset": self._position, "size": size})
        _, content = self._channel.receive()
        self._position += len(content)
        return content.tobytes()


def serve(channel: Channel) -> None:
    """Answers requests until nobody asks any more."""
    calls = {"probe": serve_probe, "scenes": serve_scenes, "windows": serve_windows}
    while True:
        request, _ = channel.receive()
        if request["call"] not in calls:
            continue  # the end of a pass that has ended by itself
        try:
            calls[request["call"]](channel, request, source_opener(channel, request))
        except Exception as error:  # archives are hostile: what PyAV or NumPy raise on odd files has no end
            channel.send(error_reply(error))


def serve_probe(channel: Channel, request: Header, opener: Opener) -> None:
    """Answers with what the header of a file says."""
    info = probe.probe(MediaFile(**request["media"]), request["audio_track"], opener)
    channel.send({"reply": "info", "info": dataclasses.asdict(info)})


def serve_windows(channel: Channel, request: Header, opener: Opener) -> None:
    """Answers with one clip for each ``next`` that follows."""
    needs = read_dataclass(ClipNeeds, request["needs"], "needs")
    clips = decode.decode_windows(request["uri"], request["spans"], needs, request["audio_track"], opener)
    serve_replies(channel, map(wire.pack_clip, clips))


def serve_scenes(channel: Channel, request: Header, opener: Opener) -> None:
    """Answers with one span for each ``next`` that follows."""
    spans = cuts.find_scene_spans(request["uri"], request["part"], request["window_ms"], opener)
    serve_replies(channel, (({"reply": "span", "start_ms": start, "end_ms": end}, ()) for start, end in spans))


def serve_replies(channel: Channel, replies: Iterator[tuple[Header, Any]]) -> None:
    """Makes and sends one reply for each ``next``."""
    channel.send({"reply": "ready"})
    while (following := channel.receive()[0])["call"] == "next":
        set_alarm(following["deadline"])
        reply = next(replies, None)
        if reply is None:
            channel.send({"reply": "end"})
            return
        channel.send(*reply)


def error_reply(error: Exception) -> Header:
    """Makes an error into a message; of one that nobody has foreseen, the traceback is all that is known."""
    arguments: list[Any] = []
    kind = type(error).__name__
    if isinstance(error, MediaError):
        kind, arguments = "MediaError", [error.code, str(error)]
    elif isinstance(error, MemoryError):
        kind = "MemoryError"
    elif isinstance(error, OSError):
        kind = next(base.__name__ for base in type(error).__mro__ if base.__module__ == "builtins")
        arguments = [error.errno, error.strerror, error.filename]
    lines = traceback.format_exception(error)
    return {"reply": "error", "kind": kind, "arguments": arguments, "traceback": "".join(lines)}


def source_opener(channel: Channel, request: Header) -> Opener:
    """Returns what opens the file that a request names."""

    @contextlib.contextmanager
    def opener(uri: str) -> Iterator[Any]:
        yield AskedFile(channel, request["bytes"]) if request["path"] is None else request["path"]

    return opener


def set_alarm(deadline: float) -> None:
    """Ends this process, even inside libav, if it lives long after the other should have ended it."""
    signal.alarm(int(2 * deadline) + 600)


def exit_with_parent(requests: int) -> None:
    """Ends this process, even inside libav, as soon as nobody holds the other end of its input any more.

    Args:
        requests: the descriptor of the pipe.
    """
    poll = select.poll()
    poll.register(requests, 0)  # a hang-up is told without being asked for
    poll.poll()
    os._exit(0)


def run_child(memory_bytes: int) -> None:
    """Serves standard input and output within a limit of address space."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever prints must not break into the messages
    threading.Thread(target=exit_with_parent, args=(sys.stdin.fileno(),), daemon=True).start()
    with contextlib.suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        serve(Channel(sys.stdin.buffer, replies))


if __name__ == "__main__":
    run_child(int(sys.argv[1]))

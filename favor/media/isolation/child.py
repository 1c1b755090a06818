"""The decoding process, started by `favor.media.isolation.decoder`, which confines any damage by a file to itself.

It imports only PyAV and NumPy, and PySceneDetect when it looks for scenes. It reads requests from its standard input
and writes replies to its standard output. It opens local files itself but requests the bytes of others from its parent
process, so that credentials and connections stay there.
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
    """The connection to the parent process."""

    def __init__(self, requests: BinaryIO, replies: BinaryIO) -> None:
        self._requests = requests
        self._replies = replies
        self._reported = bytes_read()

    def send(self, header: Header, parts: Any = ()) -> None:
        """Sends a reply; unless it requests bytes, it includes the number of bytes read since the last such reply."""
        if header["reply"] != "read":
            before, self._reported = self._reported, bytes_read()
            header = {**header, "bytes_read": self._reported - before}
        wire.send(self._replies, header, parts)

    def receive(self) -> tuple[Header, Any]:
        """Waits for a request.

        Raises:
            EOFError: if the parent process has closed the connection.
        """
        return wire.receive(self._fill)

    def _fill(self, view: memoryview) -> None:
        while view:
            count = self._requests.readinto(view)  # type: ignore[attr-defined]
            if not count:
                raise EOFError
            view = view[count:]


def bytes_read() -> int:
    """Returns how many bytes this process has read so far, from local files and from its parent.

    The operating system counts them, because libav reads files itself; requests are included, but they are small.
    Always 0 except on Linux.
    """
    try:
        with open("/proc/self/io", "rb", buffering=0) as file:  # noqa: PTH123 - cheap, as it is read for each reply
            return int(file.read(200).split()[1])  # "rchar: ", the bytes returned by read()
    except OSError:
        return 0


class AskedFile(io.RawIOBase):
    """A file whose bytes are read by the parent process."""

    def __init__(self, channel: Channel, size: int) -> None:
        self._channel = channel
        self._size = size
        self._position = 0

    def seekable(self) -> bool:
        """Returns True."""
        return True

    def readable(self) -> bool:
        """Returns True."""
        return True

    def tell(self) -> int:
        """Returns the position of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves to another position and returns it."""
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Requests up to ``size`` bytes, all remaining ones if it is negative."""
        left = max(0, self._size - self._position)
        size = left if size < 0 else min(size, left)
        if not size:
            return b""
        self._channel.send({"reply": "read", "offset": self._position, "size": size})
        _, content = self._channel.receive()
        self._position += len(content)
        return content.tobytes()


def serve(channel: Channel) -> None:
    """Serves requests until the parent process closes the connection."""
    calls = {"probe": serve_probe, "scenes": serve_scenes, "windows": serve_windows}
    while True:
        request, _ = channel.receive()
        if request["call"] not in calls:
            continue  # "stop", for a pass that has already ended
        try:
            calls[request["call"]](channel, request, source_opener(channel, request))
        except Exception as error:  # files may be hostile: PyAV and NumPy can raise anything on them
            channel.send(error_reply(error))


def serve_probe(channel: Channel, request: Header, opener: Opener) -> None:
    """Replies with the properties of a file."""
    info = probe.probe(MediaFile(**request["media"]), request["audio_track"], opener)
    channel.send({"reply": "info", "info": dataclasses.asdict(info)})


def serve_windows(channel: Channel, request: Header, opener: Opener) -> None:
    """Replies with one clip to each following ``next``."""
    needs = read_dataclass(ClipNeeds, request["needs"], "needs")
    clips = decode.decode_windows(request["uri"], request["spans"], needs, request["audio_track"], opener)
    serve_replies(channel, map(wire.pack_clip, clips))


def serve_scenes(channel: Channel, request: Header, opener: Opener) -> None:
    """Replies with one span to each following ``next``."""
    spans = cuts.find_scene_spans(request["uri"], request["part"], request["window_ms"], opener)
    serve_replies(channel, (({"reply": "span", "start_ms": start, "end_ms": end}, ()) for start, end in spans))


def serve_replies(channel: Channel, replies: Iterator[tuple[Header, Any]]) -> None:
    """Computes and sends one reply for each ``next``, until a ``stop`` or the last one."""
    channel.send({"reply": "ready"})
    while (following := channel.receive()[0])["call"] == "next":
        set_alarm(following["deadline"])
        reply = next(replies, None)
        if reply is None:
            channel.send({"reply": "end"})
            return
        channel.send(*reply)


def error_reply(error: Exception) -> Header:
    """Encodes an error as a message; for unexpected errors, only the traceback says what happened."""
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
    """Returns the opener for the file named in a request."""

    @contextlib.contextmanager
    def opener(uri: str) -> Iterator[Any]:
        yield AskedFile(channel, request["bytes"]) if request["path"] is None else request["path"]

    return opener


def set_alarm(deadline: float) -> None:
    """Schedules the end of this process, even inside libav, long after its parent should have killed it."""
    signal.alarm(int(2 * deadline) + 600)


def exit_with_parent(requests: int) -> None:
    """Ends this process, even inside libav, as soon as the other end of its input is closed.

    Args:
        requests: the file descriptor of the input pipe.
    """
    poll = select.poll()
    poll.register(requests, 0)  # a hang-up is always reported
    poll.poll()
    os._exit(0)


def run_child(memory_bytes: int) -> None:
    """Serves requests on standard input and output, with a limited address space.

    Args:
        memory_bytes: the limit of the address space.
    """
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # printed text must not end up between the messages
    threading.Thread(target=exit_with_parent, args=(sys.stdin.fileno(),), daemon=True).start()
    with contextlib.suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        serve(Channel(sys.stdin.buffer, replies))


if __name__ == "__main__":
    run_child(int(sys.argv[1]))

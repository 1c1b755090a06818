"""Messages between the decoding process and its parent: a JSON header, then raw bytes."""

import json
import struct
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from favor.media.clip import Clip

LENGTHS = struct.Struct(">IQ")  # of the header and of the bytes after it
Read = Callable[[memoryview], None]  # fills a buffer, or raises EOFError at the end of the stream
Header = dict[str, Any]
FACTS = ("still", "sample_rate", "audio_start")  # a clip's fields other than its arrays


def send(stream: BinaryIO, header: Header, parts: Sequence[Any] = ()) -> None:
    """Writes a message.

    Args:
        stream: the stream to write to.
        header: a header of JSON values.
        parts: the buffers that follow it, in order.
    """
    text = json.dumps(header).encode()
    views = [memoryview(part).cast("B") for part in parts]
    stream.write(LENGTHS.pack(len(text), sum(map(len, views))) + text)
    for view in views:
        stream.write(view)
    stream.flush()


def receive(read: Read) -> tuple[Header, NDArray[np.uint8]]:
    """Reads a message and returns its header and the bytes after it.

    Raises:
        EOFError: if the stream ends.
    """
    header_size, size = LENGTHS.unpack(_exactly(read, LENGTHS.size).tobytes())
    header = json.loads(_exactly(read, header_size).tobytes())
    return header, _exactly(read, size)


def _exactly(read: Read, size: int) -> NDArray[np.uint8]:
    content = np.empty(size, np.uint8)
    if size:
        read(content.data)
    return content


def pack_clip(clip: Clip) -> tuple[Header, list[Any]]:
    """Encodes a clip as the header and parts of a message, with the widest types first so that all are aligned."""
    frames, audio = clip.frames, clip.audio
    shape, samples = None if frames is None else frames.shape, None if audio is None else len(audio)
    facts = {name: getattr(clip, name) for name in FACTS}
    header = {"reply": "clip", "frames": shape, "samples": samples, "facts": facts}
    parts = [audio] if frames is None else [clip.frame_times, audio, frames]
    return header, [np.ascontiguousarray(part) for part in parts if part is not None and part.size]


def unpack_clip(header: Header, content: NDArray[np.uint8]) -> Clip:
    """Decodes a clip encoded by `pack_clip`; its arrays share the message's memory."""
    frames = frame_times = audio = None
    start = 0
    if header["frames"]:
        start = 8 * header["frames"][0]
        frame_times = content[:start].view(np.float64)
    if header["samples"] is not None:
        stop = start + 4 * header["samples"]
        audio, start = content[start:stop].view(np.float32), stop
    if header["frames"]:
        frames = content[start:].reshape(header["frames"])
    return Clip(frames=frames, frame_times=frame_times, audio=audio, **header["facts"])

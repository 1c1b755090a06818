"""Bytes of a long remote film that one window reads, against the bytes of its packets; the index is not counted.

A local server answers range requests and counts the bytes sent. Any film that starts with its index will do, such as
one looped to an hour:  ffmpeg -stream_loop 6 -i film.mp4 -c copy -t 3600 -movflags faststart hour.mp4

    python benchmarks/remote.py FILE
"""

import argparse
import functools
import http.server
import os
import re
import threading
from pathlib import Path

import av

from favor.media.decode import decode_windows
from favor.media.needs import ClipNeeds, Square

WINDOW = 30  # s
NEEDS = ClipNeeds(frame_size=Square(224))
PLACES = (1 / 6, 1 / 2, 5 / 6)  # starts of the windows, as fractions of the film


class RangeHandler(http.server.BaseHTTPRequestHandler):
    """A server of one file that answers range requests."""

    protocol_version = "HTTP/1.1"

    def __init__(self, path: Path, sent: list[int], *arguments: object) -> None:
        self.file, self.sent = path, sent
        super().__init__(*arguments)

    def do_HEAD(self) -> None:
        """Sends the size."""
        self._head(200, self.file.stat().st_size)

    def do_GET(self) -> None:
        """Sends a range."""
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
        with self.file.open("rb") as file:
            body = os.pread(file.fileno(), last - first + 1, first)
        self._head(206, len(body))
        self.sent.append(len(body))
        self.wfile.write(body)

    def _head(self, status: int, length: int) -> None:
        self.send_response(status)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Logs nothing."""


def packets_of(path: Path) -> list[tuple[float, int, int]]:
    """Returns the time in seconds, size and file position of each video and audio packet."""
    with av.open(str(path)) as container:
        streams = [*container.streams.video[:1], *container.streams.audio[:1]]
        packets = [packet for packet in container.demux(streams) if packet.size and packet.pts is not None]
        return [(float(packet.pts * packet.time_base), packet.size, packet.pos) for packet in packets]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    path = parser.parse_args().file
    sent: list[int] = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(RangeHandler, path, sent))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    packets = packets_of(path)
    index = min(place for _, _, place in packets)
    for place in PLACES:
        sent.clear()
        start = round(place * max(time for time, _, _ in packets))
        uri = f"http://127.0.0.1:{server.server_port}/{path.name}"
        [clip] = decode_windows(uri, [(start * 1000, (start + WINDOW) * 1000)], NEEDS)
        needed = sum(size for time, size, _ in packets if start <= time < start + WINDOW)
        read = sum(sent) - index
        print(f"{len(clip.frames)} frames at {start} s: {read} bytes in {len(sent)} requests, {read / needed:.2f} x")
    server.shutdown()


if __name__ == "__main__":
    main()

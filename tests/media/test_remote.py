"""What is read of a file on the network."""

import http.server
import re
import threading

import av
import pytest

from favor.io.sources import block_bytes
from favor.media.decode import decode_windows

SECONDS = 70


@pytest.fixture(scope="module")
def noisy_clip(write_clip, grain, tmp_path_factory):
    """Seventy seconds with a keyframe a second, about 200 kB each; its index comes first."""
    return write_clip(
        tmp_path_factory.mktemp("remote") / "long.mp4",
        SECONDS,
        picture=grain,
        size=(192, 64),
        frame_rate=24,
        video="mpeg4",
        video_options={"g": "24", "qmin": "1", "qmax": "1"},
        container_options={"movflags": "faststart"},
    )


@pytest.fixture
def served(noisy_clip):
    """Serves the file by ranges, and counts the bytes that it sends."""
    content, sent = noisy_clip.read_bytes(), []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self):
            self.send_response(200)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()

        def do_GET(self):
            first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
            body = content[first : last + 1]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{first + len(body) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            sent.append(len(body))
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/long.mp4", sent
    server.shutdown()
    server.server_close()


def packet_bytes(path, start, end):
    """The bytes of the packets that are presented in a span, and of what comes before the first packet."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux() if packet.size and packet.pos is not None]
        inside = [packet.size for packet in packets if start <= packet.pts * packet.time_base < end]
        return sum(inside), min(packet.pos for packet in packets)


def test_a_window_in_the_middle_costs_little_more_than_its_packets(served, noisy_clip):
    uri, sent = served
    [clip] = decode_windows(uri, [(30_000, 60_000)], 32)
    needed, index = packet_bytes(noisy_clip, 30, 60)
    assert len(clip.frames) == 60
    print(f"{sum(sent)} bytes in {len(sent)} requests for {needed} of packets and {index} of index")
    assert needed < 60 * block_bytes(noisy_clip.stat().st_size)  # the two blocks at its ends do count
    assert sum(sent) <= 1.3 * needed + index


@pytest.mark.parametrize(
    ("size", "block"), [(None, 1 << 17), (50_000_000, 1 << 17), (600_000_000, 292_968), (40_000_000_000, 1 << 20)]
)
def test_large_files_are_read_in_large_blocks(size, block):
    assert block_bytes(size) == block

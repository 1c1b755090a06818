import os

import pytest

from favor.errors import MediaError
from favor.media.container.duration import measured_duration
from favor.media.container.opening import open_container

LIST = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nother.ts\n#EXT-X-ENDLIST\n"
SESSION = (
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
)
RAW = {"video": "rawvideo", "audio": None, "format": "rawvideo"}
PLAYLISTS = {  # the name of a file, what it holds, the failure
    "list.m3u8": (LIST, "not_self_contained"),
    "list.mp4": (LIST, "damaged"),
    "script.ffconcat": ("ffconcat version 1.0\nfile other.ts\n", "not_self_contained"),
    "script.mp4": ("ffconcat version 1.0\nfile other.ts\n", "not_self_contained"),
    "session.sdp": (SESSION, "not_self_contained"),
    "session.mkv": (SESSION, "not_self_contained"),
    "other.idx": ("# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\n", "not_self_contained"),
}


def reason(path):
    with pytest.raises(MediaError) as caught, open_container(str(path)):
        pass
    assert str(path) in str(caught.value)
    return caught.value.code


def test_a_directory_is_not_a_file(tmp_path):
    assert reason(tmp_path) == "directory"


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    assert reason(tmp_path / "pipe.mp4") == "not_a_file"


def test_an_empty_file_is_named(empty_file):
    assert reason(empty_file) == "empty_file"


def test_random_bytes_are_damaged(random_bytes):
    assert reason(random_bytes) == "damaged"


def test_a_header_at_the_lost_end_is_damage(plain_clip, tmp_path):
    path = tmp_path / "headless.mp4"
    path.write_bytes(plain_clip.read_bytes()[:3000])
    assert reason(path) == "damaged"


def test_a_missing_file_stays_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.mp4"), open_container(str(tmp_path / "none.mp4")):
        pass


def test_durations_can_be_measured(plain_clip):
    assert float(measured_duration(str(plain_clip))) == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("name", PLAYLISTS)
def test_a_file_cannot_make_others_be_read(write_clip, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)  # whatever a relative name is relative to
    other = write_clip(tmp_path / "other.ts")
    os.utime(other, (0, other.stat().st_mtime))
    content, code = PLAYLISTS[name]
    (tmp_path / name).write_text(content)
    assert reason(tmp_path / name) == code
    assert other.stat().st_atime == 0


@pytest.mark.parametrize(
    ("suffix", "codec"), [("sw", {"video": None, "audio": "pcm_s16le", "format": "s16le"}), ("yuv", RAW)]
)
def test_samples_without_a_header_are_not_guessed_at(write_clip, tmp_path, suffix, codec):
    assert reason(write_clip(tmp_path / f"bare.{suffix}", **codec)) == "not_self_contained"


@pytest.mark.parametrize("name", ["%03d.jpg", "*.jpg", "still.%d", "still?.png"])
def test_names_are_no_patterns(write_clip, tmp_path, name):
    for number in range(3):
        write_clip(tmp_path / f"{number:03}.jpg", 0.1, video="mjpeg", audio=None)
    (tmp_path / "001.jpg").rename(tmp_path / name)
    with open_container(str(tmp_path / name)) as container:
        assert len([packet for packet in container.demux(video=0) if packet.size]) == 1

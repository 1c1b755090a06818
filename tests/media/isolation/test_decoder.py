import contextlib
import dataclasses
import os
import re
import shutil
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import fsspec
import numpy as np
import pytest

from favor.errors import MediaError
from favor.media import decode
from favor.media.corpus.files import MediaFile
from favor.media.isolation import process
from favor.media.isolation.decoder import IsolatedDecoder
from favor.media.needs import DEFAULT_NEEDS, ClipNeeds, Fit, Square
from favor.media.probe import probe

PLANTED = (sys.executable, str(Path(__file__).with_name("planted_child.py")))
SMALL = ClipNeeds(frame_size=Square(32))
SPANS = [(0, 500), (500, 1000), (1000, 1500), (1500, 2000)]


EVILS = [  # what the process does, the failure's code, and the deadline in s: only a hang is ended by it
    ("crash", "decoder_crashed", 60.0),
    ("hang", "decoder_timeout", 10.0),
    ("hog", "out_of_memory", 60.0),
]


@pytest.fixture
def make_decoder():
    with contextlib.ExitStack() as stack:

        def make(deadline=60.0):
            decoder = IsolatedDecoder(PLANTED, memory_bytes=1 << 30, base_deadline=deadline, deadline_per_second=0)
            return stack.enter_context(contextlib.closing(decoder))

        yield make


@pytest.fixture
def decoder(make_decoder):
    return make_decoder()


@pytest.fixture
def named(plain_clip, tmp_path):
    return lambda name: str(shutil.copy(plain_clip, tmp_path / f"{name}.mp4"))


def outcomes(decoder, uri, spans=SPANS):
    """What becomes of each window: a clip's length or the failure's code."""
    found = dict(decoder.windows(uri, spans, SMALL))
    assert len(found) == len(spans)
    return [found[span].code if isinstance(found[span], MediaError) else len(found[span].audio) for span in spans]


@pytest.fixture
def started(monkeypatch):
    """One item for each process that was started."""
    started, real = [], process.Child
    monkeypatch.setattr(process, "Child", lambda *args: started.append(args) or real(*args))
    return started


def children(owner="self"):
    tasks = Path(f"/proc/{owner}/task").iterdir()
    return {pid for task in tasks for pid in (task / "children").read_text().split()}


def wait_for_end(pid):
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize(
    "needs",
    [
        dataclasses.replace(SMALL, frame_rule="released"),
        ClipNeeds(Fraction(3, 2), "even", Fit(14, 2000), 4, True, True, 24_000, None, 250),
        ClipNeeds(frames_per_second=None, hears=False),
    ],
)
def test_clips_are_those_of_this_process(decoder, plain_clip, needs):
    theirs = [clip for _, clip in decoder.windows(str(plain_clip), SPANS, needs)]
    ours = list(decode.decode_windows(str(plain_clip), SPANS, needs))
    for one, other in zip(theirs, ours, strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)
        np.testing.assert_array_equal(one.frame_times, other.frame_times)
        np.testing.assert_array_equal(one.audio, other.audio)
        assert (one.sample_rate, one.audio_start) == (other.sample_rate, other.audio_start)


def test_missing_parts_and_stills_come_across(decoder, clip_without_audio, photograph, song_with_cover):
    [(_, silent)] = decoder.windows(str(clip_without_audio), [(0, 500)], SMALL)
    [(_, still)] = decoder.windows(str(photograph), [(0, 500)], DEFAULT_NEEDS)
    [(_, song)] = decoder.windows(str(song_with_cover), [(0, 500)], SMALL)
    assert (silent.audio, song.frames, still.still, still.frames.shape) == (None, None, True, (1, 48, 64, 3))


def test_what_a_header_says_comes_across(decoder, plain_clip):
    media = MediaFile(str(plain_clip), 1, "v")
    assert decoder.probe(media) == probe(media)


@pytest.mark.parametrize(("evil", "code", "deadline"), EVILS)
def test_one_bad_window_is_one_failure(make_decoder, named, evil, code, deadline):
    assert outcomes(make_decoder(deadline), named(f"{evil}-500ms")) == [8000, code, 8000, 8000]


@pytest.mark.parametrize(("evil", "code", "deadline"), EVILS)
def test_a_file_that_cannot_be_probed_is_one_failure(make_decoder, named, plain_clip, evil, code, deadline):
    decoder = make_decoder(deadline)
    with pytest.raises(MediaError, match=f"probe-{evil}") as caught:
        decoder.probe(MediaFile(named(f"probe-{evil}"), 1, "v"))
    assert caught.value.code == code
    assert decoder.probe(MediaFile(str(plain_clip), 1, "v")).duration_ms == 2000


@pytest.mark.parametrize(("evil", "code"), [("crash", "decoder_crashed"), ("hog", "out_of_memory")])
def test_a_file_that_kills_at_two_windows_is_put_aside(decoder, named, started, evil, code):
    uri = named(f"{evil}-everywhere")
    assert outcomes(decoder, uri) == [code] * 4
    assert len(started) == 2
    [(_, later)] = decoder.windows(uri, [(2000, 2500)], SMALL)
    assert (later.code, len(started)) == (code, 2)
    assert uri in str(later)
    assert "put aside, because it has killed the decoder 2 times" in str(later)


def test_a_bad_window_does_not_put_its_file_aside(decoder, named, started):
    uri = named("crash-1500ms")
    assert outcomes(decoder, uri) == [8000, 8000, 8000, "decoder_crashed"]
    assert outcomes(decoder, uri, SPANS[:2]) == [8000, 8000]
    assert len(started) == 3


def test_a_single_accident_is_forgiven(decoder, plain_clip):
    """A process that dies between two windows is replaced, and the window that it was to decode comes last."""
    before = children()
    windows = decoder.windows(str(plain_clip), SPANS, SMALL)
    found = [next(windows)]
    for pid in children() - before:
        os.kill(int(pid), 9)
    found += windows
    assert [span for span, _ in found] == [SPANS[0], *SPANS[2:], SPANS[1]]
    assert [len(clip.audio) for _, clip in found] == [8000] * 4


def test_an_error_that_nobody_has_foreseen_is_a_failure(decoder, named, started, caplog):
    uri = named("mistake-500ms")
    with caplog.at_level("INFO", "favor"):
        found = dict(decoder.windows(uri, SPANS, SMALL))
    error = found.pop((500, 1000))
    assert (error.code, len(found), len(started)) == ("undecodable", 3, 1)
    assert re.fullmatch(rf"{uri}: .* KeyError: 'planted'", str(error))
    assert "planted_child.py" in caplog.text


@pytest.mark.parametrize("name", ["missing.mp4", "memory://missing.mp4"])
def test_missing_files_are_what_they_are(decoder, name):
    with pytest.raises(FileNotFoundError):
        decoder.probe(MediaFile(name, 1, "v"))


def test_damage_keeps_its_code_and_the_process(decoder, random_bytes, plain_clip):
    decoder.probe(MediaFile(str(plain_clip), 1, "v"))
    before = children()
    with pytest.raises(MediaError, match=r"random\.mp4") as caught:
        decoder.probe(MediaFile(str(random_bytes), 1, "v"))
    assert caught.value.code == "damaged"
    assert children() == before


def test_remote_bytes_are_fetched_here(decoder, plain_clip):
    with fsspec.open("memory://isolation/plain.mp4", "wb") as file:
        file.write(plain_clip.read_bytes())
    uris = ("memory://isolation/plain.mp4", str(plain_clip))
    remote, local = (next(decoder.windows(uri, SPANS, SMALL))[1] for uri in uris)
    np.testing.assert_array_equal(remote.frames, local.frames)
    np.testing.assert_array_equal(remote.audio, local.audio)


def test_a_pass_may_be_left_early(decoder, plain_clip):
    clips = decoder.windows(str(plain_clip), SPANS, SMALL)
    next(clips)
    before = children()
    clips.close()
    assert outcomes(decoder, str(plain_clip)) == [8000] * 4
    assert children() == before


def test_no_process_outlives_the_one_it_works_for(plain_clip):
    code = (
        "import os, sys; from favor.media.isolation.decoder import IsolatedDecoder\n"
        "from favor.media.corpus.files import MediaFile\n"
        f"decoder = IsolatedDecoder(); decoder.probe(MediaFile({str(plain_clip)!r}, 1, 'v'))\n"
        "print(decoder._pool._idle[0]._process.pid, flush=True); os._exit(9)"
    )
    wait_for_end(int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout))


def test_a_process_that_hangs_does_not_outlive_it_either(named):
    code = (
        "from favor.media.isolation.decoder import IsolatedDecoder\n"
        "from favor.media.needs import DEFAULT_NEEDS\n"
        f"list(IsolatedDecoder({PLANTED}).windows({named('hang-0ms')!r}, {SPANS}, DEFAULT_NEEDS))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) as owner:
        assert owner.stderr.readline() == "hangs\n"
        (pid,) = children(owner.pid)
        owner.kill()
    wait_for_end(pid)


def test_the_process_imports_little():
    code = "import sys, favor.media.isolation.child; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split()
    heavy = {"fsspec", "torch", "apache_beam", "transformers", "aiohttp", "click", "scenedetect", "cv2"}
    assert not heavy & set(loaded)


@pytest.mark.parametrize("where", ["", "memory://"])
def test_the_bytes_that_were_read_are_counted(plain_clip, where):
    uri = str(plain_clip)
    if where:
        uri = where + plain_clip.name
        fsspec.filesystem("memory").pipe_file(plain_clip.name, plain_clip.read_bytes())
    with contextlib.closing(IsolatedDecoder()) as decoder:
        list(decoder.windows(uri, SPANS, SMALL))
        size = plain_clip.stat().st_size
        assert 0.9 * size <= decoder.take_bytes_read() <= 3 * size  # libav reads the index twice, and in blocks
        assert decoder.take_bytes_read() == 0

"""Random damage through the whole way from the probe to the last window: it ends in clips or in named failures.

``FAVOR_FUZZ_MUTATIONS=1000 FAVOR_FUZZ_SEED=7 pytest tests/media/test_fuzz.py -s`` does more, or the same again.
"""

import os
import random
from fractions import Fraction

import pytest

from favor.errors import MediaError
from favor.media.corpus.files import MediaFile
from favor.media.isolation.decoder import IsolatedDecoder
from favor.media.needs import ClipNeeds, Fit, Square
from favor.media.sampling import spans

MUTATIONS = int(os.environ.get("FAVOR_FUZZ_MUTATIONS", "60"))
SEED = int(os.environ.get("FAVOR_FUZZ_SEED", "0"))
LONGEST_MS = 10_000  # of what a mutated header claims; more windows are more of the same
NEEDS = [
    ClipNeeds(frame_size=Square(32)),
    ClipNeeds(frames_per_second=None, frame_size=Fit(8, 4000), max_frames=12),
    ClipNeeds(frames_per_second=Fraction(3, 2), hears=False),
    ClipNeeds(sees=False, sample_rate=24_000, sound_margin_ms=700),
]
FILES = [
    ("a.mp4", {}),
    ("b.mkv", {}),
    ("c.ts", {}),
    ("d.avi", {"video": "mpeg4", "audio": "libmp3lame"}),
    ("e.webm", {"video": "libvpx-vp9", "audio": "libopus", "video_options": {"deadline": "realtime"}}),
    ("f.mov", {"video": "mjpeg", "audio": "pcm_s16le"}),
    ("g.gif", {"video": "gif", "audio": None}),
    ("h.png", {"video": "png", "audio": None, "seconds": 0.1}),
    ("i.mp3", {"video": None, "audio": "libmp3lame"}),
    ("j.flac", {"video": None, "audio": "flac"}),
]


def mutate(content, dice):
    """Flips, overwrites, removes, repeats or cuts off some bytes."""
    content = bytearray(content)
    for _ in range(dice.choice([1, 3, 10, 50])):
        at = dice.randrange(len(content) + 1)
        size = dice.choice([1, 1, 4, 16, 200])
        piece = content[at : at + size]
        content[at : at + size] = dice.choice(
            [bytes(byte ^ 1 << dice.randrange(8) for byte in piece), dice.randbytes(len(piece)), b"", piece * 2]
        )
    return bytes(content[: dice.randrange(len(content) + 1)] if dice.random() < 0.1 else content)


def outcome(decoder, path, needs):
    """The codes of what went wrong, the whole file's or each window's."""
    try:
        info = decoder.probe(MediaFile(path, 1, "v"))
    except MediaError as error:
        return [check(error)]
    windows = decoder.windows(path, spans(min(info.duration_ms, LONGEST_MS), 1000), needs)
    return [check(found) for _, found in windows if isinstance(found, Exception)]


def check(error):
    assert isinstance(error, MediaError)
    return error.code


@pytest.mark.timeout(3600)
def test_damage_is_named(write_clip, tmp_path):
    print(f"seed {SEED}, {MUTATIONS} mutations")
    dice = random.Random(SEED)
    decoder = IsolatedDecoder(base_deadline=30)
    contents = [(name, write_clip(tmp_path / name, **options).read_bytes()) for name, options in FILES]
    found = {}
    for number in range(MUTATIONS):
        name, content = contents[number % len(contents)]
        path = tmp_path / f"{number}-{name}"
        path.write_bytes(mutate(content, dice))
        for code in outcome(decoder, str(path), dice.choice(NEEDS)):
            found[code] = found.get(code, 0) + 1
        path.unlink()
    decoder.close()
    print(found)
    assert not {"decoder_timeout", "undecodable"} & set(found), found

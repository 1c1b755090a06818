import sys

import fsspec
import pytest

from favor.errors import FavorError, MediaError
from favor.media.decode import read_clip
from favor.media.isolation.decoder import IsolatedDecoder
from favor.media.scenes.cuts import check_installed, find_scene_spans

# Which keyframes there are decides where the finder looks: at scenes, every 2 s, everywhere, or at the start only.
KEYFRAMES = {
    "at_scenes": {"video_options": {"g": "250", "bf": "2"}},
    "regular": {"video_options": {"g": "20", "sc_threshold": "0", "bf": "2"}},
    "everywhere": {"video": "mjpeg"},
    "at_the_start": {"video_options": {"g": "250", "sc_threshold": "0"}},
    "open_groups": {"video": "libx265", "video_options": {"x265-params": "keyint=20:scenecut=0:log-level=none"}},
}


@pytest.mark.parametrize("keyframes", KEYFRAMES)
def test_windows_are_cut_exactly_where_scenes_begin(write_film, film_with_cuts, tmp_path, keyframes):
    film = write_film(tmp_path / "film.mkv", **KEYFRAMES[keyframes])
    assert list(find_scene_spans(str(film), (0, 6000), 1000)) == film_with_cuts[1]


@pytest.mark.parametrize(
    ("name", "odd"),
    [
        ("late.mp4", {"start": 7.0}),
        ("turned.mp4", {"rotation": 90}),
        ("stream.ts", {"video_options": {"g": "10"}}),
        ("old.avi", {"video": "mpeg4"}),
        ("ntsc.mkv", {"frame_times": [index * 1001 / 30_000 for index in range(180)]}),
    ],
)
def test_odd_films_are_cut_by_their_times(write_film, film_with_cuts, tmp_path, name, odd):
    spans = list(find_scene_spans(str(write_film(tmp_path / name, **odd)), (0, 6000), 1000))
    for found, wanted in zip(spans, film_with_cuts[1], strict=True):
        assert found == pytest.approx(wanted, abs=17 if name == "ntsc.mkv" else 0)


def test_the_first_picture_of_a_window_is_of_its_scene(write_film, tmp_path):
    film = str(write_film(tmp_path / "ntsc.mkv", frame_times=[index * 1001 / 30_000 for index in range(180)]))
    for start, end in list(find_scene_spans(film, (0, 6000), 1000))[1:]:
        before = read_clip(film, (start - 34) / 1000, start / 1000).frames[0]  # a picture begins every 33.4 ms
        after = read_clip(film, start / 1000, end / 1000).frames[0]
        assert abs(before.astype(int) - after).mean() > 50


def test_a_part_is_cut_where_the_film_is(write_film, tmp_path):
    film = write_film(tmp_path / "film.mkv", **KEYFRAMES["regular"])
    assert list(find_scene_spans(str(film), (2500, 5000), 1000)) == [(2500, 3500), (3500, 4300), (4300, 5000)]


def test_a_scene_without_cuts_has_fixed_windows(plain_clip):
    assert list(find_scene_spans(str(plain_clip), (0, 2000), 600)) == [
        (0, 600),
        (600, 1200),
        (1200, 1800),
        (1800, 2000),
    ]


def test_a_film_is_searched_in_the_process_that_decodes(film_with_cuts):
    film, windows = film_with_cuts
    decoder = IsolatedDecoder()
    assert decoder.scene_spans(str(film), (0, 6000), 1000) == windows
    with fsspec.open("memory://cuts/film.mkv", "wb") as file:
        file.write(film.read_bytes())
    assert decoder.scene_spans("memory://cuts/film.mkv", (0, 6000), 1000) == windows


def test_what_cannot_be_opened_is_told(random_bytes):
    with pytest.raises(MediaError, match=r"random\.mp4"):
        IsolatedDecoder().scene_spans(str(random_bytes), (0, 6000), 1000)


@pytest.mark.parametrize("missing", ["scenedetect", "cv2"])
def test_a_missing_extra_is_told_with_the_remedy(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(FavorError, match=r"pip install '\.\[scenes\]'"):
        check_installed()

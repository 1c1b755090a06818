import weakref

import fsspec
import numpy as np
import pytest

from favor.errors import MediaError
from favor.media import decode
from favor.media.container import opening
from favor.media.decode import decode_windows, read_clip
from favor.media.needs import DEFAULT_NEEDS, ClipNeeds, Square
from favor.media.reading.reader import Reader
from favor.media.sampling import spans


def windows(path, cuts, frame_size=32):
    return list(decode_windows(str(path), cuts, ClipNeeds(frame_size=Square(frame_size))))


def test_a_plain_clip(plain_clip):
    clip = read_clip(str(plain_clip))
    assert clip.frames.shape == (4, 48, 64, 3)
    assert clip.audio.shape == (32_000,)
    np.testing.assert_allclose(clip.frame_times, [0, 0.5, 1, 1.5])
    assert clip.frames[..., 2].mean(axis=(1, 2)) == pytest.approx([0, 10, 20, 30], abs=5)
    assert not clip.still


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("aac.mp4", {}),
        ("aac_44100.mp4", {"sample_rate": 44_100}),
        ("surround.mp4", {"layout": "5.1"}),
        ("pcm_mono_22050.mov", {"audio": "pcm_s16le", "sample_rate": 22_050, "layout": "mono"}),
        ("aac.mkv", {"sample_rate": 44_100}),
        ("flac.mkv", {"video": "ffv1", "audio": "flac"}),
        ("opus.webm", {"video": "libvpx-vp9", "audio": "libopus"}),
        ("mp3.mp4", {"video": "mpeg4", "audio": "libmp3lame"}),
        ("aac.ts", {"start": 3.0}),
        ("late_start.mp4", {"start": 5.0}),
        (
            "fragmented.mp4",
            {"container_options": {"movflags": "frag_keyframe+empty_moov"}, "video_options": {"bf": "0"}},
        ),
    ],
)
def test_flash_and_beep_stay_together(flash, name, options, delay):
    """The flash is in the right slot, and the chirp starts with it to the millisecond."""
    clip = read_clip(str(flash(name, **options)))
    white = clip.frames.mean(axis=(1, 2, 3)) > 128
    assert white.tolist()[:4] == [False, False, True, False]
    assert clip.frame_times[2] == pytest.approx(1.0, abs=0.025)  # priming may come first where files cannot hide it
    assert delay(clip.audio, flash.sound) / 16_000 == pytest.approx(clip.frame_times[2] - 1.0, abs=0.001)


def test_late_audio_is_where_it_belongs(clip_with_late_audio):
    audio = read_clip(str(clip_with_late_audio)).audio
    assert np.flatnonzero(np.abs(audio) > 0.05)[0] == pytest.approx(0.7 * 16_000, abs=16)


def test_each_window_is_as_if_decoded_alone(long_clip):
    cuts = spans(30_000, 4500)
    for cut, clip in zip(cuts, windows(long_clip, cuts), strict=True):
        [alone] = windows(long_clip, [cut])
        np.testing.assert_array_equal(alone.frames, clip.frames)
        np.testing.assert_array_equal(alone.frame_times, clip.frame_times)
        np.testing.assert_allclose(alone.audio, clip.audio, atol=2e-4)
        assert len(clip.audio) == (cut[1] - cut[0]) * 16


def test_windows_meet_without_a_seam(long_clip):
    [whole] = windows(long_clip, [(0, 12_000)])
    parts = windows(long_clip, [(0, 5000), (5000, 12_000)])
    np.testing.assert_array_equal(np.concatenate([part.audio for part in parts]), whole.audio)
    np.testing.assert_array_equal(np.concatenate([part.frames for part in parts]), whole.frames)


def test_far_windows_are_sought(long_clip):
    first, last = windows(long_clip, [(0, 1000), (25_000, 26_000)])
    assert first.frames[..., 2].mean() == pytest.approx(5, abs=5)
    assert last.frames[..., 2].mean() == pytest.approx(255, abs=5)


def test_seeking_in_mpeg_ts_finds_a_keyframe(write_clip, tmp_path):
    path = write_clip(tmp_path / "long.ts", 24, video_options={"g": "100"})
    [whole], [late] = windows(path, [(0, 24_000)]), windows(path, [(18_000, 24_000)])
    np.testing.assert_array_equal(late.frames, whole.frames[36:])


def test_a_window_need_not_begin_on_a_frame(plain_clip):
    [clip] = windows(plain_clip, [(340, 1340)])
    np.testing.assert_allclose(clip.frame_times, [0.06, 0.56])


def test_rare_frames_fill_several_slots(clip_with_variable_frame_rate):
    clip = read_clip(str(clip_with_variable_frame_rate))
    np.testing.assert_allclose(clip.frame_times, [0, 1.3, 1.3, 2.9, 2.9, 2.9])
    np.testing.assert_array_equal(clip.frames[1], clip.frames[2])


def test_a_slide_stands_in_the_windows_it_lasts_for(write_clip, tmp_path):
    """In the rest of a file past its last slot, and wherever no frame begins."""
    path = write_clip(tmp_path / "slides.mkv", frame_rate=1, frame_times=[0, 1, 2], audio=None)
    clips = windows(path, [(0, 600), (600, 900), (1000, 2000), (2900, 3000)])
    assert [clip.frame_times.tolist() for clip in clips] == [[0], [0], [0], [0]]
    np.testing.assert_array_equal(clips[1].frames, clips[0].frames)
    assert clips[3].frames[..., 2].mean() == pytest.approx(40, abs=5)


def test_a_file_without_sound_has_no_audio(clip_without_audio):
    assert read_clip(str(clip_without_audio)).audio is None


def test_sound_goes_on_after_the_picture(clip_with_long_sound):
    clips = windows(clip_with_long_sound, spans(40_000, 2000))
    assert [clip.frames is not None for clip in clips] == [True] + [False] * 19
    assert all(np.abs(clip.audio).max() > 0.2 for clip in clips)


def test_sound_that_is_over_is_silence(write_clip, tmp_path):
    path = write_clip(tmp_path / "short_sound.mp4", 4, sound_seconds=1.0)
    clips = windows(path, spans(4000, 2000))
    assert [len(clip.frames) for clip in clips] == [4, 4]
    assert not clips[1].audio.any()


def test_odd_sizes(clip_of_odd_size):
    assert read_clip(str(clip_of_odd_size)).frames.shape == (4, 23, 37, 3)
    assert read_clip(str(clip_of_odd_size), needs=ClipNeeds(frame_size=Square(16))).frames.shape == (4, 16, 16, 3)


def test_a_still_picture_is_one_frame(photograph):
    clip = read_clip(str(photograph))
    assert (clip.still, clip.frames.shape, clip.audio) == (True, (1, 48, 64, 3), None)


def test_cover_art_is_not_shown(song_with_cover):
    assert read_clip(str(song_with_cover)).frames is None


def test_a_truncated_file_gives_what_it_has_and_says_where_it_ends(truncated_clip):
    decoder = decode_windows(str(truncated_clip), spans(6000, 1000), DEFAULT_NEEDS)
    assert len(next(decoder).frames) == 2
    with pytest.raises(MediaError, match=r"truncated\.mp4: nothing after [2-4].* header promises 6\.0.* s") as caught:
        list(decoder)
    assert caught.value.code == "truncated"
    with pytest.raises(MediaError, match="nothing after"):
        windows(truncated_clip, [(5000, 6000)])


def test_scratches_do_not_end_the_film(scratched_clip):
    clips = windows(scratched_clip, spans(4000, 1000))
    assert len(clips) == 4


def test_a_second_pass_keeps_nothing_of_the_first(write_clip, tmp_path, monkeypatch):
    path = write_clip(tmp_path / "scratched.ts", 4, frame_rate=25)
    content = bytearray(path.read_bytes())
    for position in range(len(content) // 3, len(content), 500):
        content[position : position + 8] = b"scratch!"
    path.write_bytes(content)
    made = []

    class Watched(Reader):
        def __init__(self, *arguments):
            assert not any(reader() for reader in made)
            made.append(weakref.ref(self))
            super().__init__(*arguments)

    monkeypatch.setattr(decode, "Reader", Watched)
    assert windows(path, [(0, 4000)])
    assert len(made) == 2


def test_a_window_past_the_end_is_empty(plain_clip):
    with pytest.raises(MediaError, match=r"neither picture nor sound in \[7.0, 8.0\) s") as caught:
        windows(plain_clip, [(7000, 8000)])
    assert caught.value.code == "empty_window"


def test_reading_past_the_end_stops_there(plain_clip):
    assert len(read_clip(str(plain_clip), 1.5, 100.0).audio) == 8000


@pytest.mark.parametrize(("start", "end"), [(2.0, None), (1.0, 1.0), (-1.0, 1.0)])
def test_impossible_spans_are_refused(plain_clip, start, end):
    with pytest.raises(ValueError, match=r"plain\.mp4 lasts 2\.0 s"):
        read_clip(str(plain_clip), start, end)


def test_remote_files_are_decoded_like_local_ones(long_clip):
    with fsspec.open("memory://decode/long.mp4", "wb") as file:
        file.write(long_clip.read_bytes())
    [remote], [local] = windows("memory://decode/long.mp4", [(20_000, 22_000)]), windows(long_clip, [(20_000, 22_000)])
    np.testing.assert_array_equal(remote.frames, local.frames)
    np.testing.assert_array_equal(remote.audio, local.audio)


@pytest.mark.parametrize("rate", [8000, 24_000, 44_100])
def test_sound_at_another_rate(write_clip, tmp_path, rate):
    path = str(write_clip(tmp_path / "tone.mkv", 3, audio="pcm_s16le", sample_rate=48_000))
    needs = ClipNeeds(sample_rate=rate)
    whole = read_clip(path, needs=needs)
    assert (len(whole.audio), whole.sample_rate, whole.audio_start) == (3 * rate, rate, 0)
    usual = read_clip(path).audio[:32_000]
    loudest = [np.abs(np.fft.rfft(audio)).argmax() for audio in (usual, whole.audio[: 2 * rate])]
    assert loudest[0] == loudest[1] > 0
    parts = decode_windows(path, [(0, 1003), (1003, 3000)], needs)
    np.testing.assert_array_equal(np.concatenate([part.audio for part in parts]), whole.audio)


def test_a_margin_of_sound_is_that_of_the_neighbours(long_clip):
    margins, cuts = ClipNeeds(sound_margin_ms=1500), [(0, 4500), (4500, 9000), (20_000, 25_500), (25_500, 30_000)]
    [whole] = windows(long_clip, [(0, 30_000)])
    padded = np.pad(whole.audio, 24_000)
    for cut, clip in zip(cuts, decode_windows(str(long_clip), cuts, margins), strict=True):
        assert clip.audio_start == -1.5
        expected = padded[cut[0] * 16 : cut[1] * 16 + 48_000]
        np.testing.assert_allclose(clip.audio[: len(expected) - 24_000], expected[:-24_000], atol=2e-4)
        assert len(clip.audio) == len(expected)
        [alone] = decode_windows(str(long_clip), [cut], margins)
        np.testing.assert_allclose(alone.audio, clip.audio, atol=2e-4)
        [bare] = windows(long_clip, [cut])
        np.testing.assert_array_equal(clip.frame_times, bare.frame_times)


def test_a_margin_alone_fills_no_window(write_clip, tmp_path):
    path = write_clip(tmp_path / "short.wav", 1, video=None, audio="pcm_s16le")
    with pytest.raises(MediaError, match=r"no sound in \[1\.5, 2\.5\) s") as caught:
        list(decode_windows(str(path), [(1500, 2500)], ClipNeeds(sound_margin_ms=1000)))
    assert caught.value.code == "empty_window"


@pytest.mark.parametrize("name", ["plain.mp4", "plain.ts"])
def test_what_the_model_does_not_take_is_not_decoded(write_clip, tmp_path, monkeypatch, name):
    path, cuts = str(write_clip(tmp_path / name, 4)), [(0, 1500), (1500, 4000)]
    both = list(decode_windows(path, cuts, DEFAULT_NEEDS))
    decoded, real = [], opening.decode_packet
    monkeypatch.setattr(opening, "decode_packet", lambda packet: decoded.append(packet.stream.type) or real(packet))
    heard = list(decode_windows(path, cuts, ClipNeeds(sees=False)))
    assert set(decoded) == {"audio"}
    decoded.clear()
    seen = list(decode_windows(path, cuts, ClipNeeds(hears=False)))
    assert set(decoded) == {"video"}
    for clip, ears, eyes in zip(both, heard, seen, strict=True):
        assert (ears.frames, eyes.audio) == (None, None)
        np.testing.assert_array_equal(ears.audio, clip.audio)
        np.testing.assert_array_equal(eyes.frames, clip.frames)
        np.testing.assert_array_equal(eyes.frame_times, clip.frame_times)


def test_a_file_of_what_the_model_does_not_take_is_empty(clip_without_audio, song_with_cover, clip_with_long_sound):
    cases = [
        (clip_without_audio, ClipNeeds(sees=False), "no sound in the whole file"),
        (song_with_cover, ClipNeeds(hears=False), "no picture in the whole file"),
        (clip_with_long_sound, ClipNeeds(hears=False), r"no picture in \[10\.0, 11\.0\) s"),
    ]
    for path, needs, message in cases:
        with pytest.raises(MediaError, match=message) as caught:
            list(decode_windows(str(path), [(10_000, 11_000)], needs))
        assert caught.value.code == "empty_window"


def test_a_long_margin_is_waited_for(clip_with_long_sound):
    needs = ClipNeeds(sound_margin_ms=36_000)
    first, _ = decode_windows(str(clip_with_long_sound), [(0, 1000), (1000, 2000)], needs)
    assert len(first.audio) == 73 * 16_000
    assert np.abs(first.audio[-1600:]).max() > 0.2


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "flv", "ts", "avi"])
def test_sound_that_ends_before_the_picture_is_not_cut_short(write_clip, tmp_path, suffix):
    codecs = {"video": "mpeg4", "audio": "libmp3lame"} if suffix == "avi" else {"sample_rate": 44_100}
    path = str(write_clip(tmp_path / f"film.{suffix}", 6, sound_seconds=2, **codecs))
    decoder = decode_windows(path, [(0, 1500), (4000, 5000)], ClipNeeds(sees=False))
    assert np.abs(next(decoder).audio).max() > 0.2
    with pytest.raises(MediaError, match=r"no sound in \[4\.0, 5\.0\) s") as caught:
        next(decoder)
    assert caught.value.code == "empty_window"

import fsspec
import pytest

from favor.errors import MediaError
from favor.media.corpus.files import MediaFile
from favor.media.probe import probe


def probed(path):
    return probe(MediaFile(str(path), 1, "v"))


def test_a_plain_clip(plain_clip):
    info = probed(plain_clip)
    assert (info.video_codec, info.audio_codec, info.container) == ("h264", "aac", "mov,mp4,m4a,3gp,3g2,mj2")
    assert (info.width, info.height, info.rotation, info.frame_rate) == (64, 48, 0, 10)
    assert (info.duration_ms, info.sample_rate, info.av_offset_ms, info.still) == (2000, 48_000, 0, False)
    assert info.media_id == MediaFile(str(plain_clip), 1, "v").media_id


def test_a_clip_without_audio(clip_without_audio):
    info = probed(clip_without_audio)
    assert (info.audio_codec, info.sample_rate, info.av_offset_ms) == (None, None, None)


@pytest.mark.parametrize(
    ("suffix", "codec", "name"),
    [("m4a", "aac", "aac"), ("wav", "pcm_s16le", "pcm_s16le"), ("mp3", "libmp3lame", "mp3"), ("flac", "flac", "flac"),
     ("opus", "libopus", "opus"), ("aac", "aac", "aac")],
)  # fmt: skip
def test_sound_alone(write_clip, tmp_path, suffix, codec, name):
    info = probed(write_clip(tmp_path / f"sound.{suffix}", video=None, audio=codec))
    assert (info.audio_codec, info.video_codec, info.width, info.rotation) == (name, None, None, None)
    assert info.duration_ms == pytest.approx(2000, abs=50)


@pytest.mark.parametrize(("suffix", "codec"), [("png", "png"), ("jpg", "mjpeg"), ("bmp", "bmp"), ("webp", "libwebp")])
def test_still_pictures_last_one_time_step(write_clip, tmp_path, suffix, codec):
    info = probed(write_clip(tmp_path / f"still.{suffix}", 0.1, video=codec, audio=None))
    assert (info.still, info.duration_ms, info.frame_rate, info.width, info.height) == (True, 500, None, 64, 48)


@pytest.mark.parametrize(("rotation", "size"), [(90, (48, 64)), (180, (64, 48)), (270, (48, 64))])
def test_sizes_are_those_of_the_upright_picture(write_clip, tmp_path, rotation, size):
    info = probed(write_clip(tmp_path / "turned.mp4", 0.2, rotation=rotation))
    assert (info.rotation, (info.width, info.height)) == (rotation, size)


def test_cover_art_is_not_a_picture(song_with_cover):
    info = probed(song_with_cover)
    assert (info.video_codec, info.audio_codec, info.still) == (None, "mp3", False)


def test_late_audio_is_reported(clip_with_late_audio):
    assert probed(clip_with_late_audio).av_offset_ms == 700


@pytest.mark.parametrize("suffix", ["ts", "mp4"])
def test_the_file_begins_with_its_first_stream(write_clip, tmp_path, suffix):
    info = probed(write_clip(tmp_path / f"late_start.{suffix}", start=5.0))
    assert info.duration_ms == pytest.approx(2000, abs=50)


def test_a_recording_without_a_duration_is_measured(write_clip, tmp_path):
    path = write_clip(tmp_path / "live.webm", video="libvpx", audio="libopus", container_options={"live": "1"})
    assert probed(path).duration_ms == pytest.approx(2000, abs=50)


def test_subtitles_alone_are_no_streams(tmp_path):
    path = tmp_path / "words.srt"
    path.write_text("1\n00:00:00,000 --> 00:00:01,000\nwords\n\n")
    with pytest.raises(MediaError, match=r"words\.srt.*subtitle") as caught:
        probed(path)
    assert caught.value.code == "no_streams"


def test_remote_files_are_probed_like_local_ones(plain_clip):
    with fsspec.open("memory://probe/plain.mp4", "wb") as file:
        file.write(plain_clip.read_bytes())
    assert probed("memory://probe/plain.mp4").duration_ms == 2000

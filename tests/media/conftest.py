"""Files that are odd in one way each; the name of a fixture says in which."""

import numpy as np
import pytest

FLASH = 1.0  # s, when the picture turns white and the chirp starts


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("odd")


@pytest.fixture(scope="session")
def clip_without_audio(write_clip, folder):
    return write_clip(folder / "silent.mp4", audio=None)


@pytest.fixture(scope="session")
def clip_with_late_audio(write_clip, folder):
    return write_clip(folder / "late.mkv", 2, audio="pcm_s16le", audio_start=0.7, sound_seconds=1.3)


@pytest.fixture(scope="session")
def clip_with_variable_frame_rate(write_clip, folder):
    return write_clip(folder / "variable.mkv", 3, frame_times=[0, 0.1, 0.2, 1.3, 1.4, 2.9])


@pytest.fixture(scope="session")
def clip_with_surround_sound(write_clip, folder):
    return write_clip(folder / "surround.mp4", layout="5.1")


@pytest.fixture(scope="session")
def clip_of_odd_size(write_clip, folder):
    return write_clip(folder / "odd.mkv", video="ffv1", audio=None, size=(37, 23))


@pytest.fixture(scope="session")
def clip_with_long_sound(write_clip, folder):
    return write_clip(folder / "long_sound.mp4", 2, sound_seconds=40)


@pytest.fixture(scope="session")
def long_clip(write_clip, folder):
    return write_clip(folder / "long.mp4", 30, video_options={"g": "20"}, sample_rate=44_100)


@pytest.fixture(scope="session")
def photograph(write_clip, folder):
    return write_clip(folder / "photograph.png", 0.1, video="png", audio=None)


@pytest.fixture(scope="session")
def song_with_cover(write_clip, folder):
    """An MP3 whose ID3 tag holds a picture."""
    cover = write_clip(folder / "cover.jpg", 0.1, video="mjpeg", audio=None).read_bytes()
    song = write_clip(folder / "song.mp3", 1, video=None, audio="libmp3lame").read_bytes()
    picture = b"\0image/jpeg\0\3\0" + cover
    frame = b"APIC" + len(picture).to_bytes(4) + b"\0\0" + picture
    path = folder / "song_with_cover.mp3"
    path.write_bytes(b"ID3\3\0\0" + bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0)) + frame + song)
    return path


@pytest.fixture(scope="session")
def truncated_clip(write_clip, folder):
    """Six seconds by its header, of which about half are there."""
    options = {"movflags": "faststart"}
    path = write_clip(folder / "truncated.mp4", 6, container_options=options, video_options={"g": "10"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    return path


@pytest.fixture(scope="session")
def scratched_clip(write_clip, folder):
    """Random bytes here and there in picture and sound."""
    path = write_clip(folder / "scratched.mp4", 4, container_options={"movflags": "faststart"})
    content = bytearray(path.read_bytes())
    for position in range(len(content) // 3, len(content), 2000):
        content[position : position + 8] = b"scratch!"
    path.write_bytes(content)
    return path


@pytest.fixture(scope="session")
def random_bytes(folder):
    path = folder / "random.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    return path


@pytest.fixture(scope="session")
def empty_file(folder):
    path = folder / "empty.mp4"
    path.touch()
    return path


@pytest.fixture
def flash(write_clip, tmp_path):
    """Writes a clip whose picture is white, and whose sound is a chirp, from 1.0 s on for a while; black else."""

    def white(time, width, height):
        return np.full((height, width, 3), 255 if FLASH <= time < FLASH + 0.5 else 0, np.uint8)

    def chirp(times):
        since = times - FLASH
        return np.where((since >= 0) & (since < 0.3), 0.5 * np.sin(2 * np.pi * (300 + 4000 * since) * since), 0)

    def write(name, **options):
        return write_clip(tmp_path / name, picture=white, sound=chirp, **options)

    write.sound = chirp
    return write


@pytest.fixture(scope="session")
def grain():
    """Moving noise, so that every picture is its own and codecs have something to predict."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 400, 3), np.uint8)

    def picture(time, width, height):
        shift = round(time * 24)
        return np.ascontiguousarray(noise[:height, shift % 300 : shift % 300 + width])

    return picture


@pytest.fixture(scope="session")
def delay():
    def delay(audio, sound):
        """How many 16 kHz samples later than ``sound`` the audio is, by their correlation."""
        expected = sound(np.arange(len(audio)) / 16_000)
        size = 2 * len(audio)
        correlation = np.fft.irfft(np.fft.rfft(audio, size) * np.conj(np.fft.rfft(expected, size)))
        lag = int(np.argmax(correlation))
        return lag if lag < len(audio) else lag - size

    return delay

import pytest

from favor.errors import MediaError
from favor.media.containers import open_container
from favor.media.duration import measured_duration


def reason(path):
    with pytest.raises(MediaError) as caught, open_container(str(path)):
        pass
    assert str(path) in str(caught.value)
    return caught.value.code


def test_a_directory_is_not_a_file(tmp_path):
    assert reason(tmp_path) == "directory"


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

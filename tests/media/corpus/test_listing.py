import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import fsspec
import pytest

from favor.media.corpus.files import MediaFile
from favor.media.corpus.listing import Unlisted, absolute_uri, list_media


@pytest.fixture
def archive(tmp_path):
    """Three media files, two other files, and a directory that poses as a film."""
    for name in ("b.mp4", "a.MKV", "notes.txt", "deep/er/c.wav", "deep/cover", "empty/readme.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    (tmp_path / "x.mp4").mkdir()
    return tmp_path


def uris(*patterns):
    return [item.uri for pattern in patterns for item in list_media(str(pattern)) if isinstance(item, MediaFile)]


def test_a_directory_is_searched_for_media(archive):
    assert uris(archive) == [f"{archive}/a.MKV", f"{archive}/b.mp4", f"{archive}/deep/er/c.wav"]


def test_a_directory_with_a_films_name_is_said_so(archive):
    (item,) = [item for item in list_media(str(archive)) if isinstance(item, Unlisted)]
    assert item.uri == f"{archive}/x.mp4"
    assert item.error.code == "directory"


def test_a_named_file_is_taken_whatever_its_suffix(archive):
    assert uris(archive / "notes.txt") == [f"{archive}/notes.txt"]


def test_globs_match_files_and_search_the_directories_they_match(archive):
    assert uris(archive / "*.mp4") == [f"{archive}/b.mp4"]
    assert uris(archive / "d*") == [f"{archive}/deep/er/c.wav"]
    assert uris(archive / "**" / "*.wav") == [f"{archive}/deep/er/c.wav"]


def test_a_file_with_brackets_in_its_name_is_no_glob(archive):
    (archive / "film[1].mp4").write_bytes(b"1")
    assert uris(archive / "film[1].mp4") == [f"{archive}/film[1].mp4"]


def test_a_directory_without_media_is_said_so(archive):
    (item,) = list_media(str(archive / "empty"))
    assert item.error.code == "no_media"


def test_what_does_not_exist_is_an_error(archive):
    for pattern in (archive / "nothing.mp4", archive / "*.nothing"):
        with pytest.raises(FileNotFoundError, match="nothing"):
            list(list_media(str(pattern)))


def test_a_relative_path_becomes_absolute(archive, monkeypatch):
    monkeypatch.chdir(archive)
    assert uris("b.mp4") == [f"{archive}/b.mp4"] == [absolute_uri("b.mp4")]
    assert absolute_uri("gs://bucket/b.mp4") == "gs://bucket/b.mp4"


def test_the_id_changes_with_the_content(archive):
    (before,) = list_media(str(archive / "b.mp4"))
    os.utime(archive / "b.mp4", (1, 1))
    (after,) = list_media(str(archive / "b.mp4"))
    assert before.media_id != after.media_id
    assert before.uri == after.uri


def test_other_filesystems_keep_their_urls():
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/listing/a.mp4", b"123")
    (item,) = list_media("memory://listing")
    assert (item.uri, item.bytes) == ("memory://listing/a.mp4", 3) or item.uri == "memory:///listing/a.mp4"
    assert fsspec.open(item.uri).open().read() == b"123"


def test_a_file_over_http_is_listed(archive):
    server = subprocess.Popen(
        [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "0", "-d", str(archive)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        text=True,
    )
    try:
        port = server.stdout.readline().split("port ")[1].split()[0]
        url = f"http://127.0.0.1:{port}/b.mp4"
        _wait(url)
        (item,) = list_media(url)
        assert (item.uri, item.bytes) == (url, 5)
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


def _wait(url):
    for _ in range(50):
        try:
            urllib.request.urlopen(url).close()
            return
        except OSError:
            time.sleep(0.1)


def test_a_directory_that_cannot_be_read_is_said_so(archive):
    locked = Path(archive, "deep")
    locked.chmod(0)
    try:
        unlisted = [item.uri for item in list_media(str(archive)) if isinstance(item, Unlisted)]
    finally:
        locked.chmod(0o755)
    if os.geteuid() == 0:  # root reads everything
        assert unlisted == [f"{archive}/x.mp4"]
    else:
        assert f"{archive}/deep" in unlisted

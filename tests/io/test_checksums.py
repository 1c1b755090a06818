import json
import os

import pytest

from favor.io.checksums import recorded, sha256, write_checksums


@pytest.fixture
def folder(tmp_path):
    """A folder with a file and a manifest."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.bin").write_bytes(b"abc")
    write_checksums(tmp_path, {"recipe": "soup"}, {})
    return tmp_path


def test_it_tells_every_file(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["recipe"] == "soup"
    assert manifest["files"] == {"parts/a.bin": {"bytes": 3, "sha256": sha256(folder / "parts" / "a.bin")}}


def test_the_record_is_used(folder):
    assert recorded(folder, folder / "parts" / "a.bin") == sha256(folder / "parts" / "a.bin")


def test_a_file_of_another_size_or_newer_than_the_record_has_none(folder):
    path = folder / "parts" / "a.bin"
    later = (folder / "manifest.json").stat().st_mtime + 1
    os.utime(path, (later, later))
    assert recorded(folder, path) is None
    path.write_bytes(b"abcd")
    os.utime(path, (0, 0))
    assert recorded(folder, path) is None
    (folder / "later").touch()
    assert recorded(folder, folder / "later") is None


def test_without_a_manifest_there_is_no_record(tmp_path):
    (tmp_path / "a").touch()
    assert recorded(tmp_path, tmp_path / "a") is None

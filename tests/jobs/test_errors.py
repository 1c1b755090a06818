"""Whatever a user can do wrong is told in one line, with a status that is not zero; the real command says it."""

import http.server
import json
import subprocess
import sys
import threading

import fsspec
import pytest
from click.testing import CliRunner
from fsspec.implementations.memory import MemoryFileSystem

from jobs.main import main

DEAD = "http://127.0.0.1:1"  # nobody listens there, and a connection is refused at once


class GuardedFileSystem(MemoryFileSystem):
    """A store that lets nobody in."""

    protocol = "guarded"
    store = {}  # noqa: RUF012
    pseudo_dirs = [""]  # noqa: RUF012

    def info(self, path, **kwargs):
        raise PermissionError(13, "Permission denied", path)

    _open = cat_file = pipe_file = info


@pytest.fixture(scope="module", autouse=True)
def guarded_store():
    fsspec.register_implementation("guarded", GuardedFileSystem, clobber=True)


@pytest.fixture
def place(tmp_path, monkeypatch, plain_clip):
    """A working directory with a film, and with things that are wrong."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "film.mp4").write_bytes(plain_clip.read_bytes())
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("not a directory")
    (tmp_path / "bad.csv").write_text("uri,start\nfilm.mp4,0\nfilm.mp4,soon\n")
    (tmp_path / "no_uri.csv").write_text("file,year\nfilm.mp4,1927\n")
    (tmp_path / "clash.jsonl").write_text('{"uri": "film.mp4", "Text": "mine"}\n')
    (tmp_path / "list.jsonl").write_text('{"uri": "film.mp4", "tags": ["a", "b"]}\n')
    (tmp_path / "good.jsonl").write_text('{"uri": "film.mp4", "year": 1927}\n')
    (tmp_path / "noise.parquet").write_bytes(b"noise")
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "run.json").write_text(json.dumps({"schema": 99}))
    monkeypatch.setenv("AWS_ENDPOINT_URL", DEAD)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    return tmp_path


def told(*arguments):
    """The last line of what a command that fails prints; it prints no traceback."""
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code in (1, 2), result.output
    assert isinstance(result.exception, SystemExit), result.exception
    lines = result.output.strip().splitlines()
    assert not any(line.startswith("Traceback") for line in lines)
    assert sum(line.startswith("Error: ") for line in lines) == 1
    return lines[-1]


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        # the corpus
        (["gone.jsonl"], ["cannot read the manifest gone.jsonl", "No such file"]),
        (["file/m.csv"], ["cannot read the manifest file/m.csv", "Not a directory"]),
        (["guarded://films/m.csv"], ["cannot read the manifest guarded://films/m.csv", "Permission denied"]),
        ([f"{DEAD}/m.csv"], [f"cannot read the manifest {DEAD}/m.csv", "Cannot connect to host 127.0.0.1:1"]),
        (["s3://bucket/m.csv"], ["cannot read the manifest s3://bucket/m.csv", "Could not connect"]),
        (["bad.csv"], ["bad.csv, line 3: 'start' is 'soon'; it must be seconds", "such as 12, 12.5"]),
        (["no_uri.csv"], ["no_uri.csv, line 2: 'uri' is missing, empty"]),
        (["clash.jsonl"], ["clash.jsonl: the tables have a column 'text' of their own; rename it"]),
        (["list.jsonl"], ["list.jsonl, line 1: 'tags' is ['a', 'b'], a list; labels are text"]),
        (["noise.parquet"], ["noise.parquet is damaged or not a Parquet file"]),
        (["film.mp4", "--sample", "0%"], ["'0%' is not a share such as 1%"]),
        (["film.mp4", "--sample", "2"], ["'2' is not a share such as 1%"]),
        (["film.mp4", "--sample", "101%"], ["'101%' is not a share"]),
        (["film.mp4", "--sample", "nan%"], ["'nan%' is not a share"]),
        (["film.mp4", "--limit", "0"], ["--limit"]),
        (["film.mp4", "--exclude", ""], ["an empty glob leaves out everything"]),
        (["film.mp4", "--prompt", "In {language}?"], ["'In {language}?' needs a manifest with a column 'language'"]),
        # the output
        (["film.mp4", "--format", "xml"], ["'xml' is not parquet, jsonl or parquet,jsonl"]),
        (["film.mp4", "--partition-by", "year"], ["--partition-by 'year'", "there is no manifest"]),
        (["good.jsonl", "--partition-by", "yaer"], ["--partition-by 'yaer'", "there are: year"]),
        (["film.mp4", "-o", "file"], ["file is a file, so --output file cannot be a directory"]),
        (["film.mp4", "-o", "file/out"], ["file is a file, so --output file/out cannot be a directory"]),
        (["empty", "-o", "./empty/"], ["./empty/ is the corpus and the --output"]),
        (["film.mp4", "-o", "guarded://out"], ["cannot use guarded://out as --output", "Permission denied"]),
        (["film.mp4", "-o", "s3://bucket/out"], ["cannot use s3://bucket/out as --output", "Could not connect"]),
        (["film.mp4", "-o", f"{DEAD}/out"], [f"cannot use {DEAD}/out as --output", "Cannot connect"]),
        (["film.mp4", "-o", "nosuch://out"], ["nosuch://out: Protocol not known: nosuch"]),
        (["film.mp4", "-o", "newer"], ["newer", "99"]),
        # the model
        (["film.mp4", "--model", "favor-9000"], ["favor-9000"]),
    ],
)
def test_before_a_run_begins(place, arguments, messages):
    output = [] if "-o" in arguments else ["-o", "out"]
    line = told("caption", *arguments, *output)
    for message in messages:
        assert message in line


@pytest.mark.parametrize(
    ("corpus", "messages"),
    [
        (["gone.mp4"], ["gone.mp4: no such file or directory"]),
        (["file/a.mp4"], ["file/a.mp4", "Not a directory"]),
        ([f"{DEAD}/a.mp4"], ["Cannot connect to host 127.0.0.1:1"]),
        (["empty"], ["empty is a directory that holds no media files"]),
        (["guarded://films/a.mp4"], ["guarded://films/a.mp4", "Permission denied"]),
        (["s3://bucket/a.mp4"], ["s3://bucket/a.mp4", "Could not connect to the endpoint URL"]),
        (["nosuch://bucket/a.mp4"], ["nosuch://bucket/a.mp4: Protocol not known: nosuch"]),
        (["film.mp4", "--exclude", "*"], ["nothing is left of the corpus: 1 files are excluded or not in the sample"]),
    ],
)
def test_when_nothing_could_be_read(place, corpus, messages):
    line = told("caption", *corpus, "-o", "out")
    for message in messages:
        assert message in line


def test_a_directory_on_an_http_server_needs_a_manifest(place):
    handler = lambda *arguments: http.server.SimpleHTTPRequestHandler(*arguments, directory=place)  # noqa: E731
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        line = told("caption", f"http://127.0.0.1:{server.server_port}/", "-o", "out")
        server.shutdown()
    assert "is a page, not a media file" in line
    assert "name the files in a manifest" in line


def test_columns_of_another_type_are_not_mixed_in(place):
    short = ["-o", "out", "--max-new-tokens", "1"]
    assert CliRunner().invoke(main, ["caption", "good.jsonl", *short]).exit_code == 0
    (place / "other.jsonl").write_text('{"uri": "film.mp4", "year": "1927"}\n')
    line = told("caption", "other.jsonl", *short)
    assert "the column 'year' is str, but int elsewhere" in line


def test_the_installed_command_says_it_on_standard_error(place):
    command = [sys.executable, "-m", "jobs.main", "caption", "bad.csv", "-o", "out"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: bad.csv, line 3: ")
    assert len(done.stderr.splitlines()) == 1

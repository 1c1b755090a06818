"""Whole runs from and into object stores: real servers of S3 and GCS on this machine, spoken to over HTTP."""

import collections
import contextlib
import dataclasses
import http.client
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import PurePosixPath

import duckdb
import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from jobs.main import main

pytestmark = pytest.mark.timeout(900)  # each run loads the model anew
PATIENCE = 600  # s
BUCKET = "archive"
HERE = "127.0.0.1"
KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
SETTINGS = ["--window-seconds", "0.5", "--max-new-tokens", "2", "--batch-size", "1"]
PLACE = ("uri", "media_id", "window_id", "result_id", "message", "created_at")  # columns that differ between stores
MOVES = re.compile(r"/(copyTo|rewriteTo|moveTo|compose)/?|uploadType=resumable|[?&]uploads?\b|partNumber=")


@dataclasses.dataclass(frozen=True)
class Request:
    """What a store was asked for; ``stored`` is the name of the object that is put, if one is."""

    method: str
    target: str
    copies: bool
    stored: str


class Gate(http.server.ThreadingHTTPServer):
    """Passes requests on to a store, writes them down, and can close for good behind one of them."""

    daemon_threads = True

    def __init__(self, store):
        super().__init__((HERE, 0), Passing)
        self.store = store
        self.address = f"http://{HERE}:{self.server_port}"
        self.lock = threading.Lock()
        self.open()

    def open(self, last=None):
        """Begins to write down anew; the first put of a name with ``last`` in it is the last thing that is passed."""
        self.requests, self.last = [], last
        self.closed, self.shut = False, threading.Event()

    def admits(self, request):
        with self.lock:
            if self.closed:
                return False
            self.requests.append(request)
            self.closed = self.last is not None and self.last in request.stored
            return True

    def stored(self):
        return collections.Counter(request.stored for request in self.requests if request.stored)


class Passing(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = Request(self.command, self.path, "x-amz-copy-source" in self.headers, self.name(body))
        if not self.server.admits(request):
            self.close_connection = True
            return
        store = http.client.HTTPConnection(*self.server.store, timeout=PATIENCE)
        headers = {name: value for name, value in self.headers.items() if name not in ("Expect", "Connection")}
        store.request(self.command, self.path, body, headers)
        answer = store.getresponse()
        content = answer.read()
        store.close()
        if self.server.closed and self.server.last in request.stored:
            self.server.shut.set()
            self.close_connection = True
            return
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding") and (
                self.command == "HEAD" or name.lower() != "content-length"
            ):
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on  # noqa: N815

    def name(self, body):
        path = urllib.parse.unquote(self.path.split("?")[0])
        if self.command == "PUT":
            return path
        if self.command == "POST" and path.startswith("/upload/"):
            return "/" + BUCKET + "/" + re.search(rb'"name": "([^"]+)"', body)[1].decode()
        return ""

    def log_message(self, *args):
        pass


def free_port():
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def serving(*command):
    """Runs a server at a free port and yields the port once it answers."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", *command, str(port)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert process.poll() is None, command
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection((HERE, port)):
                break
            time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()


@dataclasses.dataclass
class Store:
    """A bucket with films, the way to it, and how the command is told of it."""

    url: str
    filesystem: fsspec.AbstractFileSystem
    gate: Gate
    environment: dict[str, str]

    def command(self, *arguments):
        corpus = [f"{self.url}/films", "-o", f"{self.url}/out"]
        return [sys.executable, "-m", "jobs.main", "caption", *corpus, *SETTINGS, *arguments]

    def run(self, *arguments):
        """Runs the command to its end and returns what it printed."""
        self.gate.open()
        environment = {**os.environ, **self.environment}
        done = subprocess.run(self.command(*arguments), env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "ERROR:" not in done.stderr
        return done.stdout

    def kill_behind(self, name, *arguments):
        """Runs the command until something of this name is in the store, and kills all its processes."""
        self.gate.open(last=name)
        environment = {**os.environ, **self.environment}
        with subprocess.Popen(self.command(*arguments), env=environment, start_new_session=True) as process:
            try:
                while not self.gate.shut.wait(0.1):
                    assert process.poll() is None, f"the run ended without {name}"
            finally:
                os.killpg(process.pid, signal.SIGKILL)

    def names(self):
        self.filesystem.invalidate_cache()
        return sorted(name.removeprefix(f"{BUCKET}/") for name in self.filesystem.find(f"{BUCKET}/out"))

    def table(self, name):
        return pq.read_table(f"{BUCKET}/out/{name}", filesystem=self.filesystem).to_pylist()


@contextlib.contextmanager
def opened(protocol, port, variable, environment, **options):
    """Yields a store behind a gate; the films' bucket is made."""
    gate = Gate((HERE, port))
    threading.Thread(target=gate.serve_forever, daemon=True).start()
    direct = fsspec.filesystem(protocol, endpoint_url=f"http://{HERE}:{port}", **options)
    direct.mkdir(BUCKET)
    try:
        yield Store(f"{protocol}://{BUCKET}", direct, gate, {variable: gate.address, **environment})
    finally:
        gate.shutdown()
        gate.server_close()


@pytest.fixture(scope="module")
def films(tmp_path_factory, write_clip):
    """Four clips of a second, of which each of two workers gets some, and a broken one."""
    folder = tmp_path_factory.mktemp("stores") / "films"
    folder.mkdir()
    for name in "abcd":
        write_clip(folder / f"{name}.mp4", 1.0, frame_rate=4 + ord(name) % 5)
    (folder / "noise.mkv").write_bytes(np.random.default_rng(0).bytes(5000))
    return folder


@pytest.fixture(scope="module", params=["s3", "gs"])
def store(request, films):
    """A bucket with the films."""
    with contextlib.ExitStack() as stack:
        if request.param == "s3":
            port = stack.enter_context(serving("moto.server", "-p"))
            keys = {"key": "x", "secret": "x"}
            made = opened("s3", port, "AWS_ENDPOINT_URL", KEYS, **keys)
        else:
            port = stack.enter_context(serving("gcp_storage_emulator", "start", "--in-memory", "-H", HERE, "--port"))
            anonymous = {"FSSPEC_GS_TOKEN": "anon", "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
            made = opened("gs", port, "STORAGE_EMULATOR_HOST", anonymous, token="anon", project="p")
        here = stack.enter_context(made)
        for film in films.iterdir():
            here.filesystem.put_file(str(film), f"{BUCKET}/films/{film.name}")
        yield here


@pytest.fixture(scope="module")
def local(films, tmp_path_factory):
    """The output of a run over the same clips on this disk."""
    output = tmp_path_factory.mktemp("local") / "out"
    result = CliRunner().invoke(main, ["caption", str(films), "-o", str(output), *SETTINGS])
    assert result.exit_code == 0, result.output
    return output


def comparable(rows):
    """Rows without what depends on the place; each file by its name."""
    told = [
        {"file": PurePosixPath(row["uri"]).name} | {key: row[key] for key in row if key not in PLACE} for row in rows
    ]
    return sorted(told, key=lambda row: (row["file"], row.get("start_ms") or 0))


def check_puts(store):
    """Makes sure that every object came by one put, and stays where it is."""
    assert not [request for request in store.gate.requests if request.copies or MOVES.search(request.target)]
    assert not [request for request in store.gate.requests if request.method == "DELETE"]
    parts = {name: count for name, count in store.gate.stored().items() if "/journal/" in name}
    assert set(parts.values()) == {1}, parts
    expected = r"out/(journal/\w+/[0-9a-f]+\.parquet|(captions|media|failures)/part-00000\.parquet|\w+\.json)"
    assert [name for name in store.names() if not re.fullmatch(expected, name)] == []


def test_a_killed_run_goes_on_and_ends_with_the_tables_of_a_local_one(store, local):
    store.kill_behind("/journal/captions/", "--workers", "2")
    check_puts(store)
    before = len(store.table("journal/captions"))
    assert 0 < before < 8
    assert not any(name.startswith("out/captions") for name in store.names())

    assert f"windows    8: {8 - before} succeeded, 0 failed, {before} skipped" in store.run()
    check_puts(store)
    for name in ("captions", "media", "failures"):
        rows, wanted = comparable(store.table(name)), comparable(pq.read_table(local / name).to_pylist())
        assert [row | {"mean_logprob": None} for row in rows] == [row | {"mean_logprob": None} for row in wanted]
        if name == "captions":
            np.testing.assert_allclose(*([row["mean_logprob"] for row in each] for each in (rows, wanted)), atol=1e-4)

    assert "windows    8: 0 succeeded, 0 failed, 8 skipped" in store.run()
    check_puts(store)
    assert not any("/journal/captions/" in name for name in store.gate.stored())
    with duckdb.connect() as database:
        database.register_filesystem(store.filesystem)
        [(rows, windows)] = database.sql(
            f"SELECT count(*), count(DISTINCT window_id) FROM '{store.url}/out/captions/*.parquet'"
        ).fetchall()
    assert rows == windows == 8
    assert json.loads(store.filesystem.cat_file(f"{BUCKET}/out/progress.json"))["state"] == "done"

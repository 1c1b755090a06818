import shutil
import threading

import pytest

from favor import FavorModel
from favor.media.isolation import process
from favor.media.sampling import Windowing
from favor.models.base import GenerationOptions
from jobs.run.questions import caption_question
from pipeline.execution.runners import LocalRun
from pipeline.options import CorpusOptions, ExecutionOptions, ModelOptions
from pipeline.output.dataset import build
from pipeline.output.journal import Journal
from transforms.rows import CAPTIONS
from transforms.runtime import Runtime

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def make_run(plain_clip, tmp_path):
    """Makes a run over some copies of a clip of two seconds, in windows of half a second, into an output of its own."""

    def make(name, files):
        folder = tmp_path / name
        folder.mkdir()
        for number in range(files):
            shutil.copy(plain_clip, folder / f"{number}.mp4")
        corpus = CorpusOptions((str(folder),), (caption_question(),), Windowing(500))
        model = ModelOptions.described("favor-mini", generation=GenerationOptions(max_new_tokens=1))
        journal, runtime = Journal(str(tmp_path / f"{name}-out")), Runtime()
        return LocalRun(corpus, model, ExecutionOptions(batch_size=3), journal, runtime), runtime, journal, files

    return make


@pytest.fixture(autouse=True)
def decoders(monkeypatch):
    """The processes that were started to decode."""
    started, real = [], process.Child
    monkeypatch.setattr(process, "Child", lambda *args: started.append(real(*args)) or started[-1])
    yield started
    assert started
    assert all(child._process.poll() is not None for child in started)


def check(run, runtime, journal, files):
    windows = 4 * files
    for counts in (run.counts(), runtime.tally.snapshot()):  # Beam's, and this process's
        assert counts["files_readable"] == files
        assert counts["windows_planned"] == counts["windows_succeeded"] == windows
        assert counts["media_ms"] == files * 2000
        assert counts["bytes_read"] > 0
    assert build(journal, frozenset({CAPTIONS}))[CAPTIONS] == windows


def test_two_runs_at_once_report_right_counts(make_run, monkeypatch):
    barrier, met, encode = threading.Barrier(2, timeout=300), set(), FavorModel.encode

    def encode_when_both_do(model, clips):
        if model not in met:
            met.add(model)
            barrier.wait()
        return encode(model, clips)

    monkeypatch.setattr(FavorModel, "encode", encode_when_both_do)
    runs = [make_run(name, files) for name, files in (("small", 1), ("large", 3))]
    threads = [threading.Thread(target=run.execute) for run, *_ in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for run in runs:
        check(*run)


def test_two_runs_after_one_another_report_right_counts(make_run):
    for name, files in (("first", 2), ("second", 1)):
        run, *made = make_run(name, files)
        run.execute()
        check(run, *made)

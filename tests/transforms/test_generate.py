import weakref

import numpy as np
import pytest
import torch
from apache_beam.transforms.window import GlobalWindows

from favor import Clip, FavorModel, GenerationOptions
from favor.media.corpus.files import MediaFile, WindowKey
from favor.media.needs import ClipNeeds
from favor.media.sampling import Windowing
from favor.models.placement import Placement
from transforms.elements import Answered, Identity, Job, Question, Window
from transforms.generate import ClipModelHandler, Route, thinned
from transforms.model_errors import BrokenModelError
from transforms.rows import CAPTIONS, TRANSCRIPTS, Failure
from transforms.runtime import Runtime

CPU, SHORT = Placement("cpu"), GenerationOptions(max_new_tokens=2)
IDENTITY = Identity("favor-mini", "r1", "auto", Windowing(), ClipNeeds(), GenerationOptions())
CAPTION, TRANSCRIPT = Question(CAPTIONS, "caption", "What?"), Question(TRANSCRIPTS, "transcript", "Say it.")


class FailingModel(FavorModel):
    """favor-mini with planted failures: white frames break it, and memory ends at some number of windows or frames."""

    largest_batch = 100
    most_frames = 100

    def encode(self, clips):
        self.sizes.append(len(clips))
        if any(clip.frames is not None and clip.frames.min() == 255 for clip in clips):
            raise ValueError("a planted failure")
        if len(clips) > self.largest_batch or any(len(clip.frames) > self.most_frames for clip in clips):
            raise torch.OutOfMemoryError("CUDA out of memory, a planted failure")
        return super().encode(clips)


@pytest.fixture(scope="module")
def model():
    return FailingModel.from_pretrained("favor-mini", device="cpu")


@pytest.fixture
def failing(model):
    model.sizes, model.largest_batch, model.most_frames = [], 100, 100
    return model


def window(number, *questions, shade=0, frames=2, audio=None):
    media = MediaFile(f"/{number}.mp4", 1, "v")
    pictures = np.full((frames, 32, 32, 3), shade, np.uint8)
    return Window(media, Job(WindowKey(media.media_id, 0, 1000), questions or (CAPTION,)), Clip(pictures, audio))


def run(model, windows, handler=None):
    handler = handler or ClipModelHandler(IDENTITY, CPU, SHORT, len(windows))
    return list(handler.run_inference(windows, model))


def test_a_poisoned_window_costs_one_failure_in_a_batch_of_sixteen(failing):
    outcomes = run(failing, [window(i, shade=255 if i == 6 else i) for i in range(16)])
    assert [i for i, outcome in enumerate(outcomes) if isinstance(outcome, Failure)] == [6]
    assert sum(isinstance(outcome, Answered) for outcome in outcomes) == 15
    row = outcomes[6]
    assert (row.stage, row.uri, row.start_ms, row.end_ms) == ("generate", "/6.mp4", 0, 1000)
    assert "/6.mp4: a planted failure" in row.message
    assert row.code == "model_error"


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize(("method", "made"), [("encode", "encodings of 1 clips"), ("answer", "answers to 1 prompts")])
def test_a_model_that_returns_too_few_or_too_many_outputs_fails(failing, monkeypatch, method, made, count):
    real = getattr(failing, method)
    monkeypatch.setattr(failing, method, lambda *arguments: count * list(real(*arguments)))
    (row,) = run(failing, [window(0)])
    assert row.code == "model_error"
    assert f"favor-mini returned {count} {made}" in row.message


def test_a_model_that_fails_on_every_file_stops_the_run(failing):
    with pytest.raises(BrokenModelError, match=r"ValueError at .*test_generate\.py:\d+: a planted failure"):
        run(failing, [window(i, shade=255) for i in range(3)])


def test_three_odd_files_at_the_front_of_a_batch_do_not(failing):
    outcomes = run(failing, [window(i, shade=255 if i < 3 else i) for i in range(4)])
    assert [type(outcome) for outcome in outcomes] == [Failure, Failure, Failure, Answered]


def test_two_files_that_fail_alike_are_failures(failing):
    assert [row.code for row in run(failing, [window(i, shade=255) for i in range(2)])] == ["model_error"] * 2


def test_failures_wait_until_the_model_has_answered(failing):
    route = Route(Runtime())
    route.start_bundle()
    failed, answered = run(failing, [window(0, shade=255), window(1)])
    assert list(route.process(failed)) == []
    assert [output.value for output in route.finish_bundle()] == [GlobalWindows.windowed_value(failed)]
    route.start_bundle()
    assert list(route.process(failed)) == []
    route.runtime.model_watch.note_answer()
    first, second = route.process(answered)
    assert (first, second.value) == (answered, failed)
    assert [output.value for output in route.process(failed)] == [failed]


def test_a_retry_holds_no_tensor_of_the_failed_try(failing, monkeypatch):
    tensors, alive = [], []
    encode = failing.encode

    def hungry(clips):
        alive.append(sum(tensor() is not None for tensor in tensors))
        held = [torch.zeros(1000) for _ in clips]
        tensors.extend(map(weakref.ref, held))
        return encode(clips)

    monkeypatch.setattr(failing, "encode", hungry)
    failing.largest_batch = 2
    failing.most_frames = 5
    assert all(isinstance(outcome, Answered) for outcome in run(failing, [window(i, frames=12) for i in range(4)]))
    assert failing.sizes[:3] == [4, 2, 1]
    assert len(alive) > 6
    assert not any(alive)


def test_the_batch_that_fits_in_memory_is_remembered(failing):
    failing.largest_batch = 5
    handler = ClipModelHandler(IDENTITY, CPU, SHORT, 12)
    windows = [window(i, shade=i) for i in range(12)]
    assert all(isinstance(outcome, Answered) for outcome in run(failing, windows, handler))
    failing.sizes.clear()
    assert all(isinstance(outcome, Answered) for outcome in run(failing, windows, handler))
    assert max(failing.sizes) <= 5


def test_a_window_too_large_for_memory_is_shown_with_fewer_frames(failing):
    failing.most_frames = 5
    (outcome,) = run(failing, [window(0, frames=12)])
    assert isinstance(outcome, Answered)


@pytest.mark.parametrize(("most_frames", "outcome"), [(5, Answered), (1, Failure)])
def test_a_window_too_large_for_memory_does_not_make_later_batches_smaller(failing, most_frames, outcome):
    failing.most_frames = most_frames
    handler = ClipModelHandler(IDENTITY, CPU, SHORT, 4)
    outcomes = run(failing, [window(i, shade=i, frames=12 if i == 1 else 1) for i in range(4)], handler)
    assert [type(found) for found in outcomes] == [Answered, outcome, Answered, Answered]
    failing.sizes.clear()
    run(failing, [window(i, shade=i, frames=1) for i in range(4)], handler)
    assert failing.sizes == [4]


def test_a_window_that_never_fits_says_what_was_tried(failing):
    failing.most_frames = 1
    (outcome,) = run(failing, [window(0, frames=12)])
    assert outcome.code == "out_of_memory"
    assert "every 4th frame" in outcome.message


def test_thinning_keeps_the_times_of_what_is_left():
    thin = thinned(window(0, frames=5), 2)
    np.testing.assert_array_equal(thin.clip.frame_times, [0, 1, 2])
    assert len(thin.clip.frames) == 3


def test_questions_share_the_features_of_their_window(failing):
    sound = np.zeros(16_000, np.float32)
    (outcome,) = run(failing, [window(0, CAPTION, TRANSCRIPT, audio=sound)])
    assert failing.sizes == [1]
    assert [(table, row.question_id) for table, row in outcome.rows] == [
        ("captions", "caption"),
        ("transcripts", "transcript"),
    ]


def test_a_window_without_sound_alone_with_its_transcript_costs_nothing(failing):
    runtime = Runtime()
    handler = ClipModelHandler(IDENTITY, CPU, SHORT, 1, runtime=runtime)
    (outcome,) = run(failing, [window(0, TRANSCRIPT)], handler)
    assert failing.sizes == []
    assert not runtime.model_watch.has_answered
    assert outcome.rows[0][1].finish_reason == "no_audio"
    assert outcome.rows[0][1].mean_logprob is None

import dataclasses
import json
from fractions import Fraction

import pytest

from favor.errors import ConfigError
from favor.media.corpus.selection import Selection
from favor.media.needs import ClipNeeds, Fit, Square
from favor.media.sampling import SCENES, Windowing
from favor.models.base import GenerationOptions, ModelCard, TaskPrompts
from favor.models.placement import Placement
from favor.structs import read_dataclass, to_json
from pipeline.options import (
    CorpusOptions,
    ExecutionOptions,
    ModelOptions,
    OutputOptions,
    RunOptions,
)
from pipeline.output.formats import Layout
from transforms.elements import Question, Shard
from transforms.history import RetryPolicy
from transforms.rows import CAPTIONS, TRANSCRIPTS

CARD = ModelCard(
    name="favor-mini", revision="r1", trained=True, knows="much", needs=ClipNeeds(), prompts=TaskPrompts("What?")
)
MODEL = ModelOptions(CARD)
OPTIONS = RunOptions(CorpusOptions(("films",)), MODEL, OutputOptions("out"))


def test_what_is_written_down_for_a_worker_reads_back():
    questions = (Question(CAPTIONS, "caption", "What?"), Question(TRANSCRIPTS, "t", "Say it.", "a.mp4"))
    options = RunOptions(
        CorpusOptions(
            ("films", "gs://b/*.mkv"),
            questions,
            Windowing(10_000, SCENES, 1),
            Selection(("*.wav",), 0.01, -3, 7),
            {"year": "int", "language": "str"},
            True,
        ),
        ModelOptions(
            ModelCard(
                name="favor-13b",
                revision="r2",
                trained=False,
                knows="nothing",
                needs=ClipNeeds(Fraction(1, 2), frame_size=Fit(14, 100_000), max_frames=9, max_sound_ms=30_000),
                prompts=TaskPrompts("What?", "Say it."),
                abilities=frozenset({"score", "no_clip"}),
            ),
            Placement("cuda:1", "bfloat16", "int4"),
            GenerationOptions(max_new_tokens=9, num_beams=4, length_penalty=-1.0),
        ),
        OutputOptions("out", Layout(("parquet", "jsonl"), "year"), RetryPolicy(1e9, 4)),
        ExecutionOptions(4, "DirectRunner", ("--a=b",), 2, Shard(1, 2), ("w1", "w2")),
    )
    assert read_dataclass(RunOptions, json.loads(json.dumps(to_json(options))), "options") == options
    assert read_dataclass(RunOptions, json.loads(json.dumps(to_json(OPTIONS))), "options") == OPTIONS


def test_each_part_of_a_run_has_few_fields():
    assert [field.name for field in dataclasses.fields(RunOptions)] == ["corpus", "model", "output", "execution"]
    for part in (CorpusOptions, ModelOptions, OutputOptions, ExecutionOptions):
        assert 3 <= len(dataclasses.fields(part)) <= 6, part


@pytest.mark.parametrize(
    ("windowing", "max_sound_ms", "message"),
    [
        (
            Windowing(30_000),
            20_000,
            "favor-mini hears 20 s of sound at once, .* can be 30 s long; .* 20 or less",
        ),
        (Windowing(20_000, SCENES), 20_000, "windows can be 30 s long; use --window-seconds 13.333 or less"),
        (Windowing(20_000), 20_000, None),
        (Windowing(13_333, SCENES), 20_000, None),
        (Windowing(3_600_000), None, None),
    ],
)
def test_a_window_with_more_sound_than_the_model_hears_is_refused(windowing, max_sound_ms, message):
    corpus = CorpusOptions(("films",), windowing=windowing)
    model = ModelOptions(dataclasses.replace(CARD, needs=ClipNeeds(frame_size=Square(32), max_sound_ms=max_sound_ms)))
    if message is None:
        RunOptions(corpus, model, OutputOptions("out"))
        return
    with pytest.raises(ConfigError, match=message):
        RunOptions(corpus, model, OutputOptions("out"))


def test_margins_are_heard_too():
    card = dataclasses.replace(CARD, needs=ClipNeeds(max_sound_ms=30_000, sound_margin_ms=500))
    with pytest.raises(ConfigError, match="favor-mini hears 29 s of sound at once"):
        RunOptions(CorpusOptions(("films",), windowing=Windowing(30_000)), ModelOptions(card), OutputOptions("out"))


def test_a_model_that_hears_nothing_may_see_windows_of_any_length():
    deaf = dataclasses.replace(CARD, needs=ClipNeeds(hears=False, max_sound_ms=1000))
    RunOptions(CorpusOptions(("films",)), ModelOptions(deaf), OutputOptions("out"))


def test_the_batch_size_is_settled_by_the_device_unless_it_is_given():
    assert ExecutionOptions().settled("cpu").batch_size == 8
    assert ExecutionOptions(batch_size=3).settled("cpu").batch_size == 3

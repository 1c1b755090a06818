import json

import numpy as np
import pytest

from favor.errors import FavorError
from favor.models.favor.presets import FAVOR_MINI
from favor.training.sources import ManifestSource, read_examples

ROW = {"uri": "a.mp4", "question": "q", "answer": "a", "task": "vqa"}


def test_spans_of_real_media_are_decoded_for_their_task(manifest):
    source = ManifestSource([manifest], FAVOR_MINI)
    generator = np.random.default_rng(0)
    ((seen,),), ((heard,),) = (source.draw([task], 1, 2, generator) for task in ("video_qa", "ac"))
    assert seen.clip.frames.shape == (2, 128, 128, 3)
    assert (heard.clip.frames, len(heard.clip.audio)) == (None, 16_000)


def test_the_sound_of_another_file_is_heard_with_a_picture(manifest, write_clip, tmp_path):
    rows = read_examples(manifest)
    silent = write_clip(tmp_path / "silent.mp4", 0.5, audio=None)
    row = {**ROW, "uri": str(silent), "sound": rows[0].uri, "task": "isqa"}
    (tmp_path / "train.jsonl").write_text(json.dumps(row))
    source = ManifestSource([tmp_path / "train.jsonl"], FAVOR_MINI)
    ((example,),) = source.draw(["isqa"], 1, 1, np.random.default_rng(0))
    assert (len(example.clip.frames), len(example.clip.audio)) == (1, 16_000)


def test_a_task_that_no_line_has_is_named(manifest):
    with pytest.raises(FavorError, match="no line of the manifests has the task asr"):
        ManifestSource([manifest], FAVOR_MINI).draw(["asr"], 1, 1, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is not JSON"),
        (json.dumps({"uri": "a.mp4"}), "line 2 lacks 'question'"),
        (json.dumps({**ROW, "end_s": 3}), "line 2 has no key 'end_s'"),
        (json.dumps({**ROW, "task": "smell"}), "line 2: there is no task 'smell'"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, message):
    path = tmp_path / "train.jsonl"
    path.write_text(f"{json.dumps(ROW)}\n{line}\n")
    with pytest.raises(FavorError, match=message):
        read_examples(path)


def test_an_empty_or_missing_manifest_is_named(tmp_path):
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(FavorError, match=r"empty\.jsonl has no lines"):
        read_examples(tmp_path / "empty.jsonl")
    with pytest.raises(FavorError, match=r"none\.jsonl cannot be read"):
        read_examples(tmp_path / "none.jsonl")

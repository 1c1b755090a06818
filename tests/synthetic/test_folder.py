import json

import numpy as np
import pytest

import favor
from favor.errors import FavorError
from favor.synthetic.folder import synthesize
from favor.synthetic.rendering.film import suffix, write_scene
from favor.synthetic.scene import Figure, Scene, Sound, Waypoint
from favor.synthetic.vocabulary import COLOURS
from favor.synthetic.world import render_clip, write
from pipeline.inputs import read_questions

RATE = 16_000


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("worlds") / "world"
    synthesize(path, "test", 3, 8)
    return path


def test_a_written_clip_has_the_colours_and_the_onset_of_its_scene(tmp_path):
    path = (Waypoint(0.0, 0.3, 0.3), Waypoint(2.0, 0.7, 0.3))
    red = Figure("square", "red", "large", "plain", path, shown=(0.0, 3.5))
    green = Figure("circle", "green", "large", "plain", (Waypoint(0.0, 0.5, 0.75),), turns=((2.5, "blue"),))
    scene = Scene(4.0, "grey", figures=(red, green), sounds=(Sound("bell", 3.0, 0.8),))
    write_scene(tmp_path / "clip.mp4", scene)
    clip = favor.read_clip(str(tmp_path / "clip.mp4"))
    assert clip.frames.shape == (8, 256, 256, 3)
    np.testing.assert_allclose(clip.frame_times, np.arange(8) / 2, atol=1e-3)
    for time, frame in zip(clip.frame_times, clip.frames, strict=True):
        for figure in scene.figures:
            x, y = (round(256 * place) for place in figure.place(time))
            difference = np.abs(frame[y, x].astype(int) - COLOURS[figure.colour_at(time)]).max()
            assert difference < 40 if figure.is_shown(time) else difference > 60, (time, figure)
    loud = np.flatnonzero(np.abs(clip.audio) > 0.05)
    assert abs(loud[0] / RATE - 3.0) < 0.02


@pytest.mark.parametrize(("task", "kind"), [("vqa", ".png"), ("ac", ".m4a"), ("asr", ".m4a"), ("isqa", ".mp4")])
def test_written_files_decode_to_what_training_gets(tmp_path, task, kind):
    scene, _ = write(3, 0, [task])
    path = tmp_path / f"clip{suffix(scene)}"
    write_scene(path, scene)
    decoded, made = favor.read_clip(str(path)), render_clip(scene, 256)
    assert path.suffix == kind
    assert (decoded.frames is None, decoded.audio is None) == (made.frames is None, made.audio is None)
    if made.frames is not None:
        assert np.abs(decoded.frames[0].astype(int) - made.frames[0]).mean() < 8
    if made.audio is not None:
        count = min(len(decoded.audio), len(made.audio))
        assert abs(len(decoded.audio) - len(made.audio)) < RATE / 10
        assert np.corrcoef(decoded.audio[:count], made.audio[:count])[0, 1] > 0.9


def test_the_tables_belong_together(folder):
    manifest, references = rows(folder / "manifest.jsonl"), rows(folder / "references.jsonl")
    questions = read_questions(str(folder / "questions.jsonl"))
    assert len(manifest) == 8
    assert all((folder / row["uri"]).is_file() for row in manifest)
    assert [question.question_id for question in questions] == [row["question_id"] for row in references]
    assert {row["uri"] for row in references} == {str(folder / row["uri"]) for row in manifest}
    for row in references:
        assert not row["choices"] or row["answer"] in row["choices"]


def test_an_interrupted_run_goes_on_and_a_longer_one_adds(folder):
    before = {path.name: path.read_bytes() for path in (folder / "clips").iterdir()}
    (folder / "references.jsonl").unlink()
    next((folder / "clips").iterdir()).unlink()
    written, _ = synthesize(folder, "test", 3, 9)
    assert written == 2
    after = {path.name: path.read_bytes() for path in (folder / "clips").iterdir()}
    assert {name: after[name] for name in before} == before
    assert len(rows(folder / "manifest.jsonl")) == 9


def test_a_folder_of_other_clips_is_left_alone(folder, tmp_path):
    with pytest.raises(FavorError, match=r"holds clips of .*'seed': 3.* not of .*'seed': 4.*give another folder"):
        synthesize(folder, "test", 4, 1)
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(FavorError, match="holds something else; give another folder"):
        synthesize(tmp_path, "test", 3, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.txt"]

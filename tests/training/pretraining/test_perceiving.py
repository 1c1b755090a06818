import dataclasses

import pytest
import torch

from favor.model import FavorModel
from favor.synthetic import generate
from favor.training.pretraining import joining, perceiving, telling
from favor.training.pretraining.perceiving import ALONE, SHARES, Lessons, Perception


@pytest.fixture
def mini():
    return FavorModel.from_pretrained("favor-mini", device="cpu")


@pytest.fixture
def lessons(mini):
    return Lessons(mini, 4, 6, ALONE, SHARES)


def test_the_tokens_are_those_that_the_model_shows_its_llm(mini, lessons):
    batch = lessons.batch(0)
    with torch.no_grad():
        perceived = Perception(mini, None)(batch)
        questions = [lesson.question for lesson in batch]
        expected = mini.aligner(mini.modalities([lesson.features for lesson in batch], questions))
        tokens = [mini.aligner.llm_proj(one) for one in perceived.tokens]
    for one, other in zip(tokens, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_a_picture_with_foreign_sound_is_what_the_encoders_make_of_such_a_clip(mini, lessons):
    picture, speech = generate(2, 3, ("vqa",)), generate(2, 4, ("asr",))
    seen, heard = (
        perceiving.Lesson(mini.encode([made.clip])[0], "What?", made.scene, made.scene, torch.empty(0))
        for made in (picture, speech)
    )
    together = lessons._together(seen, heard)
    (expected,) = mini.encode([dataclasses.replace(picture.clip, audio=speech.clip.audio)])
    assert together.features.frames == expected.frames
    torch.testing.assert_close(together.features.slots, expected.slots)
    torch.testing.assert_close(together.features.visual, expected.visual, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(together.features.speech, expected.speech, rtol=1e-4, atol=1e-4)
    assert together.items == ()


def test_batches_pair_pictures_with_foreign_sounds(lessons):
    batch = [lesson for number in range(4) for lesson in lessons.batch(number)]
    mixed = [lesson for lesson in batch if lesson.seen is not lesson.heard]
    assert mixed
    assert all(lesson.seen.picture != "none" and lesson.heard.audible for lesson in mixed)
    assert all(lesson.seen is lesson.heard for lesson in batch if lesson.items)


def test_telling_perceiving_and_joining_hand_a_model_on(tiny_folder, tmp_path, monkeypatch, capsys):
    """The three programs as a user runs them, each on what the one before it wrote."""

    def run(program, *arguments):
        monkeypatch.setattr("sys.argv", ["program", *map(str, arguments)])
        program.main()

    told, perceived, joined = (tmp_path / name for name in ("told", "perceived", "joined"))
    small = "--new", 2, "--batch", 3
    run(telling, tiny_folder, told, "--steps", 2, "--batch", 2)
    run(perceiving, tiny_folder, perceived, "--told", told, "--steps", 2, *small)
    run(joining, perceived, joined, "--steps", 2, *small)
    assert len(capsys.readouterr().out.splitlines()) == 3
    first, teller, middle, last = (
        FavorModel.from_pretrained(folder, device="cpu").state_dict()
        for folder in (tiny_folder, told, perceived, joined)
    )
    assert all(torch.equal(middle[name], teller[name]) for name in middle if name.startswith(("llm", "aligner.llm")))
    assert all(torch.equal(last[name], first[name]) for name in last if name.startswith(("visual", "speech")))
    assert any(not torch.equal(last[name], middle[name]) for name in last if name.startswith("llm"))


def test_the_causal_qformer_learns_to_make_codes(tiny, tmp_path):
    """A few steps on one batch bring its tokens nearer to those that the LLM reads."""
    lessons = Lessons(tiny, 2, 4, 1.0, {"vqa": 1.0})
    batch = lessons.batch(0)
    codes = telling.FactCodes(tiny.config.causal_qformer.hidden_size).requires_grad_(False)
    perception = Perception(tiny.requires_grad_(True), codes)
    optimiser = torch.optim.AdamW([p for p in perception.parameters() if p.requires_grad], lr=3e-3)
    losses = []
    for _ in range(12):
        loss = perception([dataclasses.replace(lesson) for lesson in batch]).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]

import dataclasses

import pytest
import torch

from favor.models.favor.encoders.speech import cut_pieces
from favor.models.favor.presets import FAVOR_13B
from favor.synthetic import SPLITS, generate_clips
from favor.synthetic.world import render_clip
from mini import batches as module
from mini.batches import SceneBatches
from mini.facts import PLACES, scene_facts
from mini.patch_labels import patch_labels

TASKS = ("video_qa", "vqa", "asr", "isqa", "avssd")


def tensors(value):
    """All tensors of a batch, in the order of its fields."""
    if isinstance(value, torch.Tensor):
        return [value]
    return [tensor for field in dataclasses.fields(value) for tensor in tensors(getattr(value, field.name))]


@pytest.fixture
def made(monkeypatch):
    """A clip of each of some tasks, which are then the ones that lessons are about."""
    clips = [generate_clips(SPLITS["validation"], index, (task,)) for index, task in enumerate(TASKS)]
    written = iter([(one.scene, list(one.items)) for one in clips])
    monkeypatch.setattr(module, "write_for", lambda rng, task: next(written))
    return clips


def test_batches_are_functions_of_their_number(tiny):
    batches = [tensors(SceneBatches(tiny.prompter, tiny.config, 2, 2)[number]) for number in (5, 5, 6)]
    assert all(torch.equal(one, other) for one, other in zip(*batches[:2], strict=True))
    assert not all(torch.equal(one, other) for one, other in zip(*batches[1:], strict=True))


def test_what_is_heard_is_what_is_played(tiny, made):
    clips = SceneBatches(tiny.prompter, tiny.config, len(made), 0)[0].clips
    heard = [clips.samples[piece] for piece in clips.heard if piece >= 0]
    length = tiny.config.speech.piece_samples
    expected = [cut_pieces(torch.from_numpy(one.clip.audio), length) for one in made if one.clip.audio is not None]
    assert torch.equal(torch.stack(heard), torch.cat(expected))


def test_what_each_half_second_shows_is_what_is_drawn(tiny, made):
    clips = SceneBatches(tiny.prompter, tiny.config, len(made), 0)[0].clips
    grid, block, first = 8, tiny.config.causal_qformer.block_frames, 0
    for number, one in enumerate(made):
        drawn = render_clip(one.scene, tiny.config.visual.image_size)
        shown = clips.shown[first : first + block * len(scene_facts(one.scene, one.scene, tiny.config))]
        first += len(shown)
        places = shown[shown >= 0]
        if drawn.frames is None:
            assert not len(places)
            continue
        assert (clips.asked[places] == number).all()
        for half, place in enumerate(places):
            frame = 0 if drawn.still else half
            assert torch.equal(clips.frames[place], torch.from_numpy(drawn.frames[frame]))
            labels = torch.from_numpy(patch_labels(one.scene, frame / 2, grid))
            assert torch.equal(clips.patches[place].long(), labels)
        assert len(places) == len(drawn.frames) or drawn.still
    assert first == len(clips.shown)


def test_all_is_asked_about_all_scenes(tiny, made):
    batch = SceneBatches(tiny.prompter, tiny.config, 2, len(made) - 2)[0]
    facts = [torch.from_numpy(scene_facts(one.scene, one.scene, tiny.config)) for one in made]
    assert torch.equal(batch.facts.long(), torch.cat(facts))
    assert len(batch.rows.spots) == batch.facts.shape[0] * batch.facts.shape[1]
    assert len(batch.clips.questions) == 2
    said = {tiny.prompter.decode(batch.rows.wanted[batch.rows.question == n]) for n in range(len(batch.rows.groups))}
    assert {item.answer for one in made[2:4] for item in one.items} <= said  # others may be asked more than is kept


@pytest.mark.parametrize("number", range(3))
def test_blocks_of_clips_are_those_of_their_facts(tiny, number):
    """A block whose last tokens tell a background shows a picture, and one that tells a word or a sound is heard."""
    batch = SceneBatches(tiny.prompter, tiny.config, 8, 0)[number]
    clips, facts = batch.clips, batch.facts
    shown = clips.shown.reshape(len(facts), -1) >= 0
    assert torch.equal(facts[:, -1, PLACES["background"]] > 0, shown.any(-1))
    audible = facts[:, :, [PLACES["word"], PLACES["sound_bell"], PLACES["sound_rain"]]].flatten(1).any(-1)
    assert (clips.heard[audible] >= 0).all()
    assert (clips.is_frame.reshape(shown.shape) >= shown).all()


def test_no_batch_lacks_a_frame_or_a_piece_of_sound(tiny, monkeypatch):
    still = generate_clips(SPLITS["validation"], 0, ("vqa",))
    monkeypatch.setattr(module, "write_for", lambda rng, task: (still.scene, list(still.items)))
    clips = SceneBatches(tiny.prompter, tiny.config, 1, 0)[0].clips
    assert len(clips.samples) == 1
    assert not clips.samples.any()
    assert (clips.heard == -1).all()
    assert len(clips.frames) == 2
    assert (clips.shown == 0).all()


def test_a_batch_goes_to_a_device_as_a_whole(tiny):
    batch = SceneBatches(tiny.prompter, tiny.config, 1, 0)[0]
    assert {tensor.device.type for tensor in tensors(batch.to(torch.device("meta")))} == {"meta"}


def test_pieces_that_do_not_fill_blocks_are_refused(tiny):
    with pytest.raises(ValueError, match="pieces of 60 half seconds do not fill blocks of 10"):
        SceneBatches(tiny.prompter, FAVOR_13B, 1, 1)

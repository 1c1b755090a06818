import pytest
import torch

from favor.synchronise import audio_frames, pad_to_blocks, synchronise


def test_audio_takes_25_slots_and_leaves_7_zero():
    tokens = torch.arange(1.0, 51).unsqueeze(1)
    frames = audio_frames(tokens, slots=32)
    assert frames.shape == (2, 32, 1)
    assert frames[1, :25, 0].tolist() == list(range(26, 51))
    assert not frames[:, 25:].any()


def test_vision_stands_before_audio_and_the_shorter_is_filled_with_zero_frames():
    frames = synchronise([torch.ones(2, 32, 3), torch.full((4, 32, 3), 2.0)])
    assert frames.shape == (4, 32, 6)
    assert frames[:2, :, :3].eq(1).all()
    assert frames[:, :, 3:].eq(2).all()
    assert not frames[2:, :, :3].any()


def test_a_missing_modality_is_zero():
    picture = torch.ones(2, 32, 3)
    assert torch.equal(synchronise([picture, None]), synchronise([picture, torch.zeros(2, 32, 3)]))
    assert torch.equal(synchronise([None, picture]), synchronise([torch.zeros(2, 32, 3), picture]))


def test_a_clip_without_any_modality_is_refused():
    with pytest.raises(ValueError, match="without any modality"):
        synchronise([None, None])


def test_windows_are_padded_to_whole_blocks():
    padded, is_frame = pad_to_blocks([torch.ones(3, 2, 1), torch.ones(10, 2, 1), torch.ones(11, 2, 1)], block_frames=10)
    assert len(padded) == 10 + 10 + 20
    assert is_frame.tolist() == [True] * 3 + [False] * 7 + [True] * 10 + [True] * 11 + [False] * 9
    assert torch.equal(padded[:, 0, 0].bool(), is_frame)

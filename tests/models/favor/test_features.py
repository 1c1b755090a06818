import numpy as np
import pytest
import torch

from favor.media.clip import Clip
from favor.models.favor.config import SpeechConfig
from favor.models.favor.features import encode_speech, frame_slots


@pytest.mark.parametrize(
    ("times", "distinct", "slots"),
    [
        ([0.0, 0.5, 1.0, 1.5], [0, 1, 2, 3], [0, 1, 2, 3]),
        ([0.0, 0.96, 1.0, 1.96], [0, 1, 2, 3], [0, 1, 2, 3]),  # the release: first and last of each second
        ([0.0, 0.1, 0.2, 0.5, 0.6, 1.0], [0, 3, 5], [0, 1, 2]),  # more frames than are shown
        ([0.0, 2.0], [0, 1], [0, 1, 1, 1, 1]),  # fewer
        ([0.0, 0.4999999, 1.0], [0, 1, 2], [0, 1, 2]),  # rounded times
        ([0.0], [0], [0]),
    ],
)
def test_each_half_second_shows_the_first_frame_at_or_after_its_start(times, distinct, slots):
    found, shown = frame_slots(np.array(times))
    assert found.tolist() == distinct
    assert shown.tolist() == slots


@pytest.mark.parametrize("odd", [{"sample_rate": 24_000}, {"audio_start": -0.5}])
def test_sound_that_is_not_placed_as_the_model_expects_is_refused(odd):
    clip = Clip(audio=np.zeros(16_000, np.float32), **odd)
    with pytest.raises(ValueError, match="must have 16000 Hz and begin with its window; got"):
        encode_speech(lambda samples: samples, [clip], SpeechConfig(), torch.device("cpu"))

"""A generated audio-visual world with exact ground truth for every AVEB task.

A random scene description (`favor.synthetic.scene`) yields the frames, the samples, the captions, the transcript, and
questions with their answers. Training, validation and test have separate seeds (``SPLITS``); a clip is
``generate_clips(seed, index)``.
"""

from favor.synthetic.questions.items import Item
from favor.synthetic.world import FRAME_SIZE, SPLITS, WORLD_TASKS, SyntheticClip, generate_clips

__all__ = ["FRAME_SIZE", "SPLITS", "WORLD_TASKS", "Item", "SyntheticClip", "generate_clips"]

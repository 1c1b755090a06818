"""Training examples: a clip, a question and its answer."""

import dataclasses

from favor.media.clip import Clip

# The modalities of each task of AVEB (spec section 7), and of captions of both, as they are combined in a batch.
TASK_MODALITIES = {
    "asr": ("audio",),
    "ac": ("audio",),
    "ic": ("image",),
    "ocr": ("image",),
    "vqa": ("image",),
    "video_qa": ("video",),
    "avsr": ("video", "audio"),
    "avsd": ("video", "audio"),
    "isqa": ("image", "audio"),
    "avm": ("video", "audio"),
    "avssd": ("video", "audio"),
    "caption": ("video", "audio"),
}
TASKS = tuple(TASK_MODALITIES)


@dataclasses.dataclass(frozen=True, eq=False)
class Example:
    """One question about one clip.

    Attributes:
        clip: the clip, or None for text alone.
        question: as a user would ask it.
        answer: what the model should say.
        task: one of ``TASKS``.
    """

    clip: Clip | None
    question: str
    answer: str
    task: str

"""Features of clips from the frozen parts of the model, and questions about the clips."""

import dataclasses
import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from favor.media.clip import Clip
from favor.models.favor.config import SPEECH_TOKENS_PER_FRAME
from favor.models.favor.model import FavorModel
from favor.synthetic import SPLITS
from favor.synthetic.chance import shuffled
from favor.synthetic.questions.items import CAUSAL, FINE, STATIC, Item
from favor.synthetic.scene import Scene
from favor.synthetic.world import ask_more, render_clip, write_for
from mini.packing import Asked, each_tensor

TASKS = ("video_qa", "avsd", "avssd")  # with questions about short events, order and cause
KINDS = (STATIC, FINE, CAUSAL)
LONGEST = 20  # half seconds, so that one Q-Former can take a whole clip
QUESTION = "What do you see and hear?"  # the image Q-Former's question for all clips
ROUNDS, MOST = 3, 4  # rounds of further questions per clip, and most questions of each kind
CLIPS_AT_ONCE = 32


class World(Dataset[tuple[Clip, list[Item]] | None]):
    """The clips of a split that are short enough and have both sound and picture, with their questions."""

    def __init__(self, split: str) -> None:
        self.split = split

    def __getitem__(self, index: int) -> tuple[Clip, list[Item]] | None:
        """Returns a clip and its questions, or None if it is too long or lacks sound or picture."""
        written = write(self.split, index)
        return None if written is None else (render_clip(written[0]), written[1])


def write(split: str, index: int) -> tuple[Scene, list[Item]] | None:
    """Returns a clip's scene and questions, or None if it is too long or lacks sound or picture."""
    rng = np.random.default_rng((SPLITS[split], index))
    scene, items = write_for(rng, TASKS[index % len(TASKS)])
    if scene.seconds * 2 > LONGEST or not scene.audible or scene.picture != "video":
        return None
    items = shuffled(rng, ask_more(rng, scene, items, ROUNDS))
    return scene, [item for kind in KINDS for item in [i for i in items if i.kind == kind][:MOST]]


def write_questions(split: str, clips: int) -> list[Item]:
    """Returns the questions about the clips of ``make_features``, without rendering the clips."""
    written = filter(None, (write(split, index) for index in range(2 * clips)))
    return [item for _, items in islice(written, clips) for item in items]


@dataclasses.dataclass(frozen=True)
class Seen:
    """Features of clips from the frozen parts of the model.

    Attributes:
        visual: (clips, half seconds, slots, hidden).
        speech: (clips, half seconds, tokens of each, width).
        shown: (clips,) number of half seconds with a picture.
        heard: (clips,) number of half seconds with sound.
    """

    visual: Tensor
    speech: Tensor
    shown: Tensor
    heard: Tensor

    def __getitem__(self, numbers: Tensor) -> "Seen":
        """Selects clips by number."""
        some: Seen = each_tensor(self, lambda tensor: tensor[numbers])
        return some


def make_features(model: FavorModel, split: str, clips: int, folder: Path, workers: int) -> None:
    """Writes the features of clips, in half precision, and their questions."""
    loader = DataLoader(
        World(split), CLIPS_AT_ONCE, sampler=range(2 * clips), num_workers=workers, collate_fn=lambda made: made
    )
    parts: list[Seen] = []
    asked: list[list[dict[str, Any]]] = []
    for batch in loader:
        made = [one for one in batch if one is not None][: clips - len(asked)]
        if not made:
            break
        parts.append(perceive(model, [clip for clip, _ in made]))
        asked += [[dataclasses.asdict(item) | {"needs": sorted(item.needs)} for item in items] for _, items in made]
    seen = {
        field.name: torch.cat([getattr(part, field.name) for part in parts]).cpu() for field in dataclasses.fields(Seen)
    }
    save_file(seen, folder / f"{split}.safetensors")
    (folder / f"{split}.json").write_text(json.dumps(asked), encoding="utf-8")
    print(f"{split}: {len(asked)} clips, {sum(map(len, asked))} questions", flush=True)


@torch.inference_mode()
def perceive(model: FavorModel, clips: Sequence[Clip]) -> Seen:
    """Computes the features of a few clips, padded with zeros to ``LONGEST``."""
    parts: tuple[list[Tensor], list[Tensor]] = [], []
    for one in model.modalities(model.encode(clips), [QUESTION] * len(clips)):
        assert one.visual is not None
        assert one.speech is not None
        parts[0].append(one.visual)
        parts[1].append(one.speech.unflatten(0, (-1, SPEECH_TOKENS_PER_FRAME)))
    visual, speech = (
        torch.stack([torch.cat([p, p.new_zeros(LONGEST - len(p), *p.shape[1:])]) for p in part]).half()
        for part in parts
    )
    shown, heard = (torch.tensor([len(p) for p in part]) for part in parts)
    return Seen(visual, speech, shown, heard)


class Clips:
    """The features of a split's clips, and the questions about them.

    Args:
        folder: output folder of ``make_features``.
        split: name of the split.
        model: model whose tokenizers are used.
    """

    def __init__(self, folder: Path, split: str, model: FavorModel) -> None:
        self.seen = Seen(**load_file(folder / f"{split}.safetensors", device=str(model.device)))
        rows = json.loads((folder / f"{split}.json").read_text(encoding="utf-8"))
        self.items = [[Item(**row | {"needs": frozenset(row["needs"])}) for row in some] for some in rows]
        self.asked = [Asked.of(items, model.prompter) for items in self.items]

"""Batches of scenes: pictures, samples, what is true of them, and what is asked about them."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from favor.models.favor.config import FavorConfig
from favor.models.favor.encoders.speech import cut_pieces
from favor.models.favor.language import Prompter
from favor.synthetic import SPLITS, Item
from favor.synthetic.chance import Rng
from favor.synthetic.scene import Scene
from favor.synthetic.world import ask_more, render_clip, write_for
from favor.training.sources import LARGEST_INDEX, batch_generator
from mini.facts import half_seconds_heard, half_seconds_seen, scene_facts
from mini.packing import Asked, PackedQuestions, each_tensor, lay_out
from mini.patch_labels import CLASSES, patch_labels

STREAM = 0
ROUNDS = 5  # of further questions to each scene, since order, place and cause take many examples to learn
MOST = 24  # questions to a scene
# How often scenes are made for each task, against the others.
SHARES = {"vqa": 2.0, "ocr": 2.5, "ic": 1.0, "asr": 2.5, "ac": 1.0, "video_qa": 5.0}
SHARES |= {"avsr": 1.5, "avsd": 1.5, "isqa": 1.5, "avm": 1.5, "avssd": 1.5, "caption": 1.5}


@dataclasses.dataclass(frozen=True)
class Clips:
    """The clips of a batch. F frames, P pieces of sound and B blocks of half seconds are those of all clips.

    Attributes:
        frames: (F, size, size, 3) uint8.
        patches: (F, patches, kinds of ``CLASSES``) what lies on each patch.
        asked: (F,) the clip, and so the question, of each frame.
        questions: (clips, length) ids that the image Q-Former is asked.
        question_mask: (clips, length).
        samples: (P, piece samples) at 16 kHz.
        shown: (half seconds of B blocks,) which frame is shown; -1 for none.
        heard: (B,) which piece is heard; -1 for none.
        is_frame: (half seconds of B blocks,) false behind the end of a clip.
    """

    frames: Tensor
    patches: Tensor
    asked: Tensor
    questions: Tensor
    question_mask: Tensor
    samples: Tensor
    shown: Tensor
    heard: Tensor
    is_frame: Tensor


@dataclasses.dataclass(frozen=True)
class Batch:
    """Scenes, the first of which are clips too.

    Attributes:
        clips: of the first scenes.
        facts: (blocks of all scenes, queries, kinds of ``KINDS``) what is true of each token.
        rows: what is asked about all scenes.
    """

    clips: Clips
    facts: Tensor
    rows: PackedQuestions

    def to(self, device: torch.device) -> Self:
        """A copy on a device."""
        return each_tensor(self, lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Self:
        """A copy in memory that a GPU reads by itself."""
        return each_tensor(self, Tensor.pin_memory)


@dataclasses.dataclass(frozen=True)
class _Seen:
    """One clip: its frames, which of them each half second shows, and its pieces of sound."""

    frames: NDArray[np.uint8]
    patches: NDArray[np.uint8]
    shown: NDArray[np.int64]
    samples: Tensor


class SceneBatches(Dataset[Batch]):
    """Batches, each a function of its number.

    Args:
        prompter: the tokenizers.
        config: of the model, whose blocks are as long as its pieces of sound.
        clips: scenes of a batch that are drawn and played.
        scenes: further ones, of which only is told what is true.
        rounding: frames and pieces of sound of a batch are rounded up to multiples of it, the first ones again: what a
            GPU has to plan for each number anew it then plans for few.
    """

    def __init__(self, prompter: Prompter, config: FavorConfig, clips: int, scenes: int, rounding: int = 1) -> None:
        if config.speech.piece_frames != config.causal_qformer.block_frames:
            raise ValueError(
                f"pieces of {config.speech.piece_frames} half seconds do not fill blocks of "
                f"{config.causal_qformer.block_frames}; choose another speech.max_source_positions"
            )
        self.prompter, self.config = prompter, config
        self.clips, self.scenes, self.rounding = clips, scenes, rounding
        self.chances = np.array(list(SHARES.values())) / sum(SHARES.values())
        self.grid = config.visual.image_size // config.visual.patch_size

    def __getitem__(self, number: int) -> Batch:
        """Makes a batch."""
        rng = batch_generator(SPLITS["train"], STREAM, number)
        made = [self._write(rng) for _ in range(self.clips + self.scenes)]
        facts = [scene_facts(scene, scene, self.config) for scene, _ in made]
        asked = [Asked.of(items, self.prompter) for _, items in made]
        rows = lay_out([len(one) * one.shape[1] for one in facts], asked, self.prompter.before_ids())
        return Batch(self._clips(made[: self.clips], rng), torch.from_numpy(np.concatenate(facts)).short(), rows)

    def _write(self, rng: Rng) -> tuple[Scene, list[Item]]:
        task = str(rng.choice(list(SHARES), p=self.chances))
        writer = np.random.default_rng((SPLITS["train"], int(rng.integers(LARGEST_INDEX))))
        scene, items = write_for(writer, task)
        items = ask_more(writer, scene, items, ROUNDS)
        return scene, [items[place] for place in rng.permutation(len(items))[:MOST]]

    def _clips(self, made: Sequence[tuple[Scene, list[Item]]], rng: Rng) -> Clips:
        seen = [*(self._see(scene) for scene, _ in made), self._nothing()]
        questions, mask = self.prompter.question_ids([items[rng.integers(len(items))].question for _, items in made])
        shown, heard, is_frame = self._laid_out(seen)
        asked = np.repeat(np.arange(len(seen)), [len(one.frames) for one in seen]) % len(made)
        frames = self._rounded(len(asked))
        samples = torch.cat([one.samples for one in seen])
        return Clips(
            torch.from_numpy(np.concatenate([one.frames for one in seen])[frames]),
            torch.from_numpy(np.concatenate([one.patches for one in seen])[frames]),
            torch.from_numpy(asked[frames]),
            questions,
            mask,
            samples[self._rounded(len(samples))],
            *map(torch.from_numpy, (shown, heard, is_frame)),
        )

    def _rounded(self, count: int) -> NDArray[np.int64]:
        return np.arange(-(-count // self.rounding) * self.rounding) % count

    def _see(self, scene: Scene) -> _Seen:
        clip, size = render_clip(scene, self.config.visual.image_size), self.config.visual.image_size
        heard = half_seconds_heard(scene, self.config.speech)
        half_seconds = half_seconds_seen(scene, heard, self.config.speech)
        frames = np.empty((0, size, size, 3), np.uint8) if clip.frames is None else clip.frames
        times = [0.0] if clip.frame_times is None else clip.frame_times.tolist()
        patches = [patch_labels(scene, time, self.grid) for time in times[: len(frames)]]
        labels = np.stack(patches) if patches else np.empty((0, self.grid**2, len(CLASSES)))
        shown = np.minimum(np.arange(half_seconds), len(frames) - 1)
        samples = torch.empty(0, self.config.speech.piece_samples)
        if clip.audio is not None:
            samples = cut_pieces(torch.from_numpy(clip.audio), self.config.speech.piece_samples)
        return _Seen(frames, labels.astype(np.uint8), shown, samples)

    def _nothing(self) -> _Seen:
        """A black frame and a silent piece, which no block shows or plays, so that no batch lacks either."""
        size = self.config.visual.image_size
        labels, nothing = np.zeros((1, self.grid**2, len(CLASSES)), np.uint8), np.empty(0, np.int64)
        silence = torch.zeros(1, self.config.speech.piece_samples)
        return _Seen(np.zeros((1, size, size, 3), np.uint8), labels, nothing, silence)

    def _laid_out(self, seen: Sequence[_Seen]) -> tuple[NDArray[Any], ...]:
        """Which frame and which piece each block shows and plays, and where clips end."""
        length = self.config.causal_qformer.block_frames
        shown, heard, is_frame = [], [], []
        frames = pieces = 0
        for one in seen[:-1]:
            blocks = max(-(-len(one.shown) // length), len(one.samples))
            halves = np.full(blocks * length, -1)
            halves[: len(one.shown)] = frames + one.shown
            shown.append(halves)
            played = np.full(blocks, -1)
            played[: len(one.samples)] = pieces + np.arange(len(one.samples))
            heard.append(played)
            is_frame.append(np.arange(blocks * length) < max(len(one.shown), len(one.samples) * length))
            frames, pieces = frames + len(one.frames), pieces + len(one.samples)
        return np.concatenate(shown), np.concatenate(heard), np.concatenate(is_frame)

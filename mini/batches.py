"""Batches of scenes: frames, samples, facts, and questions."""

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
ROUNDS = 5  # rounds of further questions per scene, since order, place and cause take many examples to learn
MOST = 24  # most questions per scene
# Relative frequencies of scenes made for each task.
SHARES = {"vqa": 2.0, "ocr": 2.5, "ic": 1.0, "asr": 2.5, "ac": 1.0, "video_qa": 5.0}
SHARES |= {"avsr": 1.5, "avsd": 1.5, "isqa": 1.5, "avm": 1.5, "avssd": 1.5, "caption": 1.5}


@dataclasses.dataclass(frozen=True)
class Clips:
    """The clips of a batch, with F frames, P pieces of sound and B blocks of half seconds in total.

    Attributes:
        frames: (F, size, size, 3) uint8.
        patches: (F, patches, kinds of ``CLASSES``) label of each patch.
        asked: (F,) index of the clip, and so of the question, of each frame.
        questions: (clips, length) token ids of the image Q-Former's questions.
        question_mask: (clips, length).
        samples: (P, piece samples) at 16 kHz.
        shown: (half seconds of B blocks,) index of the frame shown; -1 for none.
        heard: (B,) index of the piece heard; -1 for none.
        is_frame: (half seconds of B blocks,) false after the end of a clip.
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
    """A batch of scenes, the first of which are also rendered as clips.

    Attributes:
        clips: the clips of the first scenes.
        facts: (blocks of all scenes, queries, kinds of ``KINDS``) facts for each token.
        rows: the questions about all scenes.
    """

    clips: Clips
    facts: Tensor
    rows: PackedQuestions

    def to(self, device: torch.device) -> Self:
        """Returns a copy on a device."""
        return each_tensor(self, lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Self:
        """Returns a copy in pinned memory."""
        return each_tensor(self, Tensor.pin_memory)


@dataclasses.dataclass(frozen=True)
class _Seen:
    """One clip: its frames, the frame shown in each half second, and its pieces of sound."""

    frames: NDArray[np.uint8]
    patches: NDArray[np.uint8]
    shown: NDArray[np.int64]
    samples: Tensor


class SceneBatches(Dataset[Batch]):
    """Batches, each determined by its number.

    Args:
        prompter: the tokenizers.
        config: configuration of the model; its blocks are as long as its pieces of sound.
        clips: number of scenes per batch that are rendered as clips.
        scenes: number of further scenes, for which only the facts are given.
        rounding: the numbers of frames and of pieces of sound are rounded up to multiples of this by repeating the
            first ones, so that a GPU plans its kernels for few different sizes.

    Raises:
        ValueError: if a piece of sound does not fill a block.
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
        """Generates a batch."""
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
        """Returns an unused black frame and silent piece, so that no batch is without frames or sound."""
        size = self.config.visual.image_size
        labels, nothing = np.zeros((1, self.grid**2, len(CLASSES)), np.uint8), np.empty(0, np.int64)
        silence = torch.zeros(1, self.config.speech.piece_samples)
        return _Seen(np.zeros((1, size, size, 3), np.uint8), labels, nothing, silence)

    def _laid_out(self, seen: Sequence[_Seen]) -> tuple[NDArray[Any], ...]:
        """Returns the frame of each half second, the piece of each block, and which half seconds are within a clip."""
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

"""Teaches a ViT to see by direct supervision: each patch of a generated picture tells what lies on it.

The ViT of the large model comes trained; that of favor-mini starts from nothing, and the answers' loss alone would
teach it slowly. Run it as ``python -m favor.training.seeing MODEL_FOLDER OUTPUT``.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from favor.checkpoints import write_folder
from favor.encoders.visual import VisualEncoder, normalise
from favor.model import FavorModel
from favor.synthetic import SPLITS, generate
from favor.synthetic.scene import Scene
from favor.synthetic.vocabulary import BACKGROUNDS, COLOURS, OWN_SOUNDS, SHAPES, SIZES, TEXTURES
from favor.training.sources import LARGEST_INDEX, batch_generator

TASKS, SHARES = ("vqa", "ocr", "video_qa"), (0.6, 0.3, 0.1)  # whose clips are looked at
FRAMES_A_CLIP = 4  # of a video
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
LONGEST_SIGN = 6
SHAPE_WEIGHT = 4.0  # colours are learnt at once, shapes take longest
NAMES = {
    "shape": (*SHAPES, *OWN_SOUNDS),
    "colour": tuple(COLOURS),
    "size": tuple(SIZES),
    "texture": TEXTURES,
    "flash": ("dark", "bright"),
    "background": tuple(BACKGROUNDS),
}
CLASSES = {name: len(names) + 1 for name, names in NAMES.items()}  # 0: nothing of the kind is here
CLASSES |= {f"letter{place}": len(LETTERS) + 2 for place in range(LONGEST_SIGN)}  # 0: no sign, 1: behind its end

Labels = NDArray[np.int64]


def patch_labels(scene: Scene, time: float, grid: int) -> Labels:
    """What lies on each patch of a picture: (grid * grid, kinds of ``CLASSES``)."""
    names = list(CLASSES)
    labels = np.zeros((grid, grid, len(names)), np.int64)
    labels[:, :, names.index("background")] = 1 + NAMES["background"].index(scene.background)
    centres = (np.arange(grid) + 0.5) / grid
    across, down = np.meshgrid(centres, centres)
    for figure in scene.figures:
        if figure.is_shown(time):
            x, y = figure.place(time)
            reach = SIZES[figure.size] * 0.9
            here = (abs(across - x) <= max(reach, 0.5 / grid)) & (abs(down - y) <= max(reach, 0.5 / grid))
            flash = "bright" if figure.is_flashing(time) else "dark"
            values = (figure.shape, figure.colour_at(time), figure.size, figure.texture, flash)
            for kind, value in zip(NAMES, values, strict=False):
                labels[here, names.index(kind)] = 1 + NAMES[kind].index(value)
    for sign in scene.signs:
        text = sign.text.lower()[:LONGEST_SIGN].ljust(LONGEST_SIGN)
        wide = sign.height * 0.35 * len(sign.text)
        here = (abs(across - sign.x) <= wide) & (abs(down - sign.y) <= sign.height / 2 + 0.25 / grid)
        for place, letter in enumerate(text):
            labels[here, names.index(f"letter{place}")] = LETTERS.find(letter) + 2
    return labels.reshape(grid * grid, -1)


def draw_pictures(count: int, grid: int, number: int) -> tuple[Tensor, Tensor]:
    """Draws pictures (count, 3, size, size) and their labels (count, patches, kinds)."""
    generator = batch_generator(SPLITS["train"], 0, number)
    pictures: list[NDArray[np.uint8]] = []
    labels: list[Labels] = []
    while len(pictures) < count:
        made = generate(
            SPLITS["train"], int(generator.integers(LARGEST_INDEX)), (TASKS[generator.choice(len(TASKS), p=SHARES)],)
        )
        frames, times = made.clip.frames, made.clip.frame_times
        assert frames is not None
        assert times is not None
        for place in generator.permutation(len(frames))[:FRAMES_A_CLIP]:
            pictures.append(frames[place])
            labels.append(patch_labels(made.scene, float(times[place]), grid))
    pixels = normalise(torch.from_numpy(np.stack(pictures[:count])), pictures[0].shape[0], still=False)
    return pixels, torch.from_numpy(np.stack(labels[:count]))


class Pictures(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """Batches of pictures, each a function of its number."""

    def __init__(self, count: int, grid: int) -> None:
        self.count, self.grid = count, grid

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """Draws a batch."""
        return draw_pictures(self.count, self.grid, number)


def teach(vit: VisualEncoder, steps: int, batch: int, rate: float, workers: int) -> None:
    """Trains a ViT; what each patch shows is read from its own feature by one linear layer."""
    heads = nn.Linear(vit.config.hidden_size, sum(CLASSES.values()))
    device = vit.vit.device
    heads.to(device)
    vit.train().requires_grad_(True)
    parameters = [*vit.parameters(), *heads.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.95), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.05)
    pictures = Pictures(batch, vit.config.image_size // vit.config.patch_size)
    loader = torch.utils.data.DataLoader(
        pictures, batch_size=None, sampler=range(steps), num_workers=workers, prefetch_factor=8 if workers else None
    )
    began = time.monotonic()
    for step, (pixels, wanted) in enumerate(loader):
        labels = wanted.to(device)
        logits = heads(vit(pixels.to(device))[:, 1:]).split(list(CLASSES.values()), dim=-1)
        costs = [_loss(scores, labels[..., kind]) for kind, scores in enumerate(logits)]
        loss = torch.stack(costs).sum() + (SHAPE_WEIGHT - 1) * costs[0]
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        if step % 50 == 49 or step == steps - 1:
            print(
                f"{step + 1} steps, {time.monotonic() - began:.0f} s, loss {loss.item():.3f}, {_right(logits, labels)}"
            )


def _loss(scores: Tensor, wanted: Tensor) -> Tensor:
    """Patches with nothing on them are many, and together count as much as those with something."""
    weights = torch.where(wanted > 0, 1.0, 0.1)
    losses = F.cross_entropy(scores.flatten(0, 1), wanted.flatten(), reduction="none")
    return (losses * weights.flatten()).sum() / weights.sum()


def _right(logits: tuple[Tensor, ...], labels: Tensor) -> str:
    """Of the patches with something on them, which share is told right."""
    shares = []
    for kind, (name, scores) in enumerate(zip(CLASSES, logits, strict=True)):
        there = labels[..., kind] > 0
        shares.append(f"{name} {(scores.argmax(-1)[there] == labels[..., kind][there]).float().mean():.2f}")
    return ", ".join(shares)


def main() -> None:
    """Reads a model folder, teaches its ViT and writes another one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    model = FavorModel.from_pretrained(options.model, device=options.device, dtype="float32")
    torch.manual_seed(0)
    teach(model.visual, options.steps, options.batch, options.rate, options.workers)
    write_folder(model, model.config, model.prompter, options.output)


if __name__ == "__main__":
    main()

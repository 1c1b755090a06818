"""Teaches a ViT to see by direct supervision: each patch of a generated picture tells what lies on it.

Run it as ``python -m favor.training.pretraining.seeing MODEL_FOLDER OUTPUT``.
"""

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
from favor.training.pretraining.facts import LETTERS, LONGEST_SIGN
from favor.training.pretraining.loop import Course, Measures, course_parser, learn
from favor.training.sources import LARGEST_INDEX, batch_generator

TASKS, SHARES = ("vqa", "ocr", "video_qa"), (0.6, 0.3, 0.1)  # whose clips are looked at
FRAMES_A_CLIP = 4  # of a video
NOTHING = 0.1  # weight of what is told right by telling that there is nothing
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


def teach(vit: VisualEncoder, batch: int, course: Course) -> bool:
    """Trains a ViT; what each patch shows is read from its own feature by one linear layer."""
    heads = nn.Linear(vit.config.hidden_size, sum(CLASSES.values()))
    grid = vit.config.image_size // vit.config.patch_size

    def cost(number: int) -> tuple[Tensor, Measures]:
        pixels, labels = draw_pictures(batch, grid, number)
        logits = heads(vit(pixels)[:, 1:]).split(list(CLASSES.values()), dim=-1)
        losses = [told_loss(scores, labels[..., kind]) for kind, scores in enumerate(logits)]
        right = {
            name: told_right(scores, labels[..., kind])
            for kind, (name, scores) in enumerate(zip(CLASSES, logits, strict=True))
        }
        return torch.stack(losses).sum() + (SHAPE_WEIGHT - 1) * losses[0], right

    return learn(cost, [([*vit.parameters(), *heads.parameters()], 1.0)], course)


def told_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy of logits (..., classes), in which nothing weighs little, for it is true of most places."""
    weights = torch.where(wanted > 0, 1.0, NOTHING)
    losses = F.cross_entropy(logits.flatten(0, -2), wanted.flatten(), reduction="none")
    return (losses * weights.flatten()).sum() / weights.sum()


def told_right(logits: Tensor, wanted: Tensor) -> tuple[float, float]:
    """Of the places with something on them, how many are told right, and how many there are."""
    there = wanted > 0
    return float((logits.argmax(-1)[there] == wanted[there]).sum()), float(there.sum())


def main() -> None:
    """Reads a model folder, teaches its ViT and writes another one."""
    options = course_parser(__doc__, steps=4000, batch=32, rate=1.5e-3).parse_args()
    model = FavorModel.from_pretrained(options.model, device="cpu", dtype="float32")
    torch.manual_seed(0)
    if teach(model.visual, options.batch, Course.of(options)):
        write_folder(model, model.config, model.prompter, options.output)


if __name__ == "__main__":
    main()

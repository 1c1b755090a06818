"""Labels for the patches of a generated picture."""

import numpy as np
from numpy.typing import NDArray

from favor.synthetic.scene import Scene
from favor.synthetic.vocabulary import BACKGROUNDS, COLOURS, OWN_SOUNDS, SHAPES, SIZES, TEXTURES
from mini.facts import LETTERS, LONGEST_SIGN

NAMES = {
    "shape": (*SHAPES, *OWN_SOUNDS),
    "colour": tuple(COLOURS),
    "size": tuple(SIZES),
    "texture": TEXTURES,
    "flash": ("dark", "bright"),
    "background": tuple(BACKGROUNDS),
}
CLASSES = {name: len(names) + 1 for name, names in NAMES.items()}  # 0: nothing of the kind
CLASSES |= {f"letter{place}": len(LETTERS) + 2 for place in range(LONGEST_SIGN)}  # 0: no sign, 1: after its end

Labels = NDArray[np.int64]


def patch_labels(scene: Scene, time: float, grid: int) -> Labels:
    """Returns the labels of each patch of a picture: (grid * grid, kinds of ``CLASSES``)."""
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

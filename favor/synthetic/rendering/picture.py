"""Drawing of a scene's frames."""

import functools
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from favor.synthetic.scene import Figure, Scene, Sign
from favor.synthetic.vocabulary import BACKGROUNDS, COLOURS, SIZES

Frame = NDArray[np.uint8]
Point = tuple[float, float]
Colour = tuple[int, ...] | int

OVERSAMPLING = 2  # shapes are drawn at twice the size and averaged, so that their edges are smooth
OUTLINE = (10, 10, 10)
HALO = (255, 255, 190)
HALO_RADIUS = 1.45  # in half heights of a figure
SHADE = 0.45  # factor on a figure's colour for its stripes and spots
CONTRAST = 0.12  # contrast of background patterns


def _regular(corners: int, radius: float, inner: float = 0.0) -> tuple[Point, ...]:
    """Returns corners around the centre, the top one first; with ``inner`` every other one is closer, as in a star."""
    count = corners * 2 if inner else corners
    radii = [radius if not inner or index % 2 == 0 else inner for index in range(count)]
    turns = [2 * math.pi * index / count for index in range(count)]
    return tuple((r * math.sin(turn), -r * math.cos(turn)) for r, turn in zip(radii, turns, strict=True))


# Polygons and discs (x, y, radius) of each shape, in half heights from its centre.
POLYGONS: dict[str, tuple[tuple[Point, ...], ...]] = {
    "square": (((-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)),),
    "triangle": (((0, -1), (1, 0.8), (-1, 0.8)),),
    "star": (_regular(5, 1.1, 0.48),),
    "cross": (
        tuple(
            (x * a, y * b)
            for x, y in ((1, -1), (1, 1), (-1, 1), (-1, -1))
            for a, b in (((0.35, 1), (0.35, 0.35), (1, 0.35)) if x * y < 0 else ((1, 0.35), (0.35, 0.35), (0.35, 1)))
        ),
    ),
    "bell": (((-0.3, -0.8), (0.3, -0.8), (0.55, 0.2), (1, 0.65), (-1, 0.65), (-0.55, 0.2)),),
    "drum": (((-1, -0.45), (1, -0.45), (0.75, 0.9), (-0.75, 0.9)),),
    "bird": (((-1.1, -0.5), (0.2, 0.1), (0.1, 0.6), (-0.6, 0.5)), ((0.95, -0.5), (1.35, -0.3), (0.9, -0.15))),
    "car": (((-1.2, 0), (-0.7, 0), (-0.45, -0.6), (0.45, -0.6), (0.8, 0), (1.2, 0), (1.2, 0.5), (-1.2, 0.5)),),
}
DISCS: dict[str, tuple[tuple[float, float, float], ...]] = {
    "circle": ((0, 0, 0.95),),
    "bell": ((0, 0.8, 0.25),),
    "bird": ((0.1, 0.15, 0.6), (0.65, -0.4, 0.4)),
}
# Details in black: the wheels of a car, the eye of a bird, the rim of a drum.
DETAILS: dict[str, tuple[tuple[float, float, float], ...]] = {
    "car": ((-0.65, 0.55, 0.3), (0.65, 0.55, 0.3)),
    "bird": ((0.75, -0.5, 0.09),),
    "drum": tuple((x / 4, -0.62, 0.13) for x in range(-4, 5)),
}


def render(scene: Scene, times: NDArray[np.float64], size: int) -> Frame:
    """Draws a scene at several times.

    Args:
        scene: the scene to draw.
        times: (T,) seconds.
        size: height and width of a frame in pixels.

    Returns:
        (T, size, size, 3) uint8.
    """
    return np.stack([draw(scene, float(time), size) for time in times])


def draw(scene: Scene, time: float, size: int) -> Frame:
    """Draws a scene at one time.

    Returns:
        (size, size, 3) uint8.
    """
    scale = size * OVERSAMPLING
    background = Image.fromarray(_background(scene.background, scene.pattern, size))
    image = background.resize((scale, scale), Image.Resampling.NEAREST)
    canvas = ImageDraw.Draw(image)
    for sign in scene.signs:
        _draw_sign(canvas, sign, scale)
    for figure in scene.figures:
        if figure.is_shown(time):
            _draw_figure(image, canvas, figure, time, scale)
    return np.asarray(image.reduce(OVERSAMPLING))


@functools.lru_cache(64)
def _background(name: str, pattern: str, size: int) -> Frame:
    """Returns (size, size, 3) uint8."""
    rows, columns = np.mgrid[:size, :size] / size
    if pattern == "gradient":
        light = rows - 0.5
    elif pattern == "stripes":
        light = np.where((columns * 8).astype(int) % 2, 0.5, -0.5)
    elif pattern == "grain":
        light = np.random.default_rng(0).uniform(-0.5, 0.5, (size, size))
    else:
        light = np.zeros((size, size))
    colour = np.array(BACKGROUNDS[name], np.float32)
    return np.clip(colour + 255 * CONTRAST * light[..., None], 0, 255).astype(np.uint8)


def _draw_figure(image: Image.Image, canvas: ImageDraw.ImageDraw, figure: Figure, time: float, scale: int) -> None:
    x, y = (scale * place for place in figure.place(time))
    radius = SIZES[figure.size] * scale
    if figure.is_flashing(time):
        _disc(canvas, x, y, HALO_RADIUS * radius, HALO, width=max(2, scale // 128))
    colour = COLOURS[figure.colour_at(time)]
    if figure.texture == "plain":
        _draw_shape(canvas, figure.shape, x, y, radius, colour, scale)
        return
    mask, pattern = _texture(figure.shape, figure.texture, round(radius), scale)
    shade = tuple(round(SHADE * value) for value in colour)
    _draw_shape(canvas, figure.shape, x, y, radius, colour, scale)
    corner = (round(x) - mask.width // 2, round(y) - mask.height // 2)
    image.paste(Image.new("RGB", mask.size, shade), corner, pattern)


@functools.lru_cache(256)
def _texture(shape: str, texture: str, radius: int, scale: int) -> tuple[Image.Image, Image.Image]:
    """Returns the masks of a shape and of its stripes or spots, 3 half heights on each side."""
    side = 3 * radius
    mask = Image.new("L", (side, side))
    _draw_shape(ImageDraw.Draw(mask), shape, side / 2, side / 2, radius, 255, scale)
    rows, columns = np.mgrid[:side, :side] / radius - 1.5
    if texture == "striped":
        where = np.floor((rows + 0.15) / 0.3) % 2 == 1
    else:
        where = ((rows % 0.5) - 0.25) ** 2 + ((columns % 0.5) - 0.25) ** 2 < 0.16**2
    return mask, Image.fromarray(np.asarray(mask) * where.astype(np.uint8))


def _draw_shape(
    canvas: ImageDraw.ImageDraw, shape: str, x: float, y: float, radius: float, colour: Colour, scale: int
) -> None:
    """Draws a shape with its outline, or a mask without details if the colour is a number."""
    width = max(2, scale // 100)
    filled = isinstance(colour, tuple)
    polygons = [[(x + radius * a, y + radius * b) for a, b in polygon] for polygon in POLYGONS.get(shape, ())]
    discs = [(x + radius * a, y + radius * b, radius * r) for a, b, r in DISCS.get(shape, ())]
    if filled:  # first the outlines of all parts, then all parts, so that no outline crosses the shape
        for polygon in polygons:
            canvas.line([*polygon, *polygon[:2]], OUTLINE, 2 * width, joint="curve")
        for a, b, r in discs:
            _disc(canvas, a, b, r + width, OUTLINE)
    for polygon in polygons:
        canvas.polygon(polygon, colour)
    for a, b, r in discs:
        _disc(canvas, a, b, r, colour)
    for a, b, r in DETAILS.get(shape, ()):
        _disc(canvas, x + radius * a, y + radius * b, radius * r, OUTLINE if filled else 0)


def _disc(canvas: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: Colour, width: int = 0) -> None:
    box = (x - radius, y - radius, x + radius, y + radius)
    canvas.ellipse(box, colour, OUTLINE if width else None, width)


@functools.lru_cache(64)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def sign_box(sign: Sign) -> tuple[float, float, float, float]:
    """Returns left, top, right and bottom of a sign's plate, as fractions of the picture."""
    width = _font(100).getlength(sign.text.upper()) / 100 * 0.8 * sign.height + 0.4 * sign.height
    return sign.x - width / 2, sign.y - sign.height / 2, sign.x + width / 2, sign.y + sign.height / 2


def _draw_sign(canvas: ImageDraw.ImageDraw, sign: Sign, scale: int) -> None:
    paper, ink = ((10, 10, 10), (250, 250, 250)) if sign.dark else ((250, 250, 250), (10, 10, 10))
    left, top, right, bottom = (scale * edge for edge in sign_box(sign))
    canvas.rectangle((left, top, right, bottom), paper, ink, max(2, scale // 100))
    font = _font(round(0.8 * sign.height * scale))
    canvas.text(((left + right) / 2, (top + bottom) / 2), sign.text.upper(), ink, font, anchor="mm")

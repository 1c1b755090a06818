"""A video scene under construction: figures and the events that happen to them, one after another."""

import dataclasses
import math
from itertools import pairwise

import numpy as np

from favor.synthetic import vocabulary as words
from favor.synthetic.chance import Rng, chance, pick, shuffled
from favor.synthetic.scene import Event, Figure, Seconds, Sign, Sound, Waypoint

Place = tuple[float, float]

CELLS = tuple((x, y) for y in (0.2, 0.5, 0.8) for x in (0.2, 0.5, 0.8))
JITTER = 0.03
ROW_OF_SIGN = 0.25  # least distance of a row of cells from the centre of a sign
APPROACH = 0.7  # seconds from rest to a collision, and back again
TRAVEL = 0.9  # duration of a move in seconds
EFFECTS = ("vanish", "turn", "none")
STEPS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


@dataclasses.dataclass
class Draft:
    """An unfinished figure, with its position and colour after the events so far."""

    shape: str
    colour: str
    size: str
    texture: str
    cell: Place
    path: list[Waypoint]
    names: set[str]
    shown: Seconds = (0.0, math.inf)
    flashes: list[Seconds] = dataclasses.field(default_factory=list)
    turns: list[tuple[float, str]] = dataclasses.field(default_factory=list)

    @property
    def radius(self) -> float:
        """Half the height, as a fraction of the picture's."""
        return words.SIZES[self.size]

    def is_shown(self, time: float) -> bool:
        """Returns whether it is visible at a time."""
        return self.shown[0] <= time < self.shown[1]

    def finished(self, first_colour: str) -> Figure:
        """Returns the frozen figure."""
        looks = (self.shape, first_colour, self.size, self.texture)
        return Figure(*looks, tuple(self.path), self.shown, tuple(self.flashes), tuple(self.turns))


class DraftScene:
    """The figures, events and sounds of a scene under construction.

    Args:
        rng: random generator.
        count: number of figures.
        things: fraction of figures with a characteristic sound.
        beside: a sign to leave room for.
    """

    def __init__(self, rng: Rng, count: int, things: float = 0.35, beside: Sign | None = None) -> None:
        self.rng = rng
        self.events: list[Event] = []
        self.sounds: list[Sound] = []
        names = _names(rng, count, things)
        free = [(x, y) for x, y in CELLS if beside is None or abs(y - beside.y) > ROW_OF_SIGN]
        cells = shuffled(rng, free)[:count]
        self.figures = [self._draft(name, cell) for name, cell in zip(names, cells, strict=True)]
        self.first_colours = [colour for colour, _ in names]

    def _draft(self, name: tuple[str, str], cell: Place) -> Draft:
        x, y = (float(place + self.rng.uniform(-JITTER, JITTER)) for place in cell)
        texture = pick(self.rng, words.TEXTURES)
        size = pick(self.rng, tuple(words.SIZES))
        colour, shape = name
        return Draft(shape, colour, size, texture, cell, [Waypoint(0.0, x, y)], {f"{colour} {shape}"})

    def frozen_figures(self) -> tuple[Figure, ...]:
        """Returns all figures as frozen values."""
        pairs = zip(self.figures, self.first_colours, strict=True)
        return tuple(figure.finished(colour) for figure, colour in pairs)

    def visible(self, time: float) -> list[int]:
        """Returns the indices of the figures that are visible at a time."""
        return [index for index, figure in enumerate(self.figures) if figure.is_shown(time)]

    def happen(self, kind: str, time: float) -> bool:
        """Adds an event of a kind to a random figure at a time.

        Returns:
            Whether it was possible.
        """
        candidates = shuffled(self.rng, self.visible(max(0.0, time - APPROACH)))
        return any(getattr(self, kind)(index, time) for index in candidates)

    def flash(self, index: int, time: float) -> bool:
        """Flashes for less than a second, but long enough to be in a frame at two frames per second."""
        self.figures[index].flashes.append((time, time + float(self.rng.uniform(0.55, 0.85))))
        self.events.append(Event("flash", time, index))
        return True

    def vanish(self, index: int, time: float, cause: int | None = None) -> bool:
        """Vanishes instantly, unless it is the last visible figure."""
        if len(self.visible(time)) < 2:
            return False
        self.figures[index].shown = (self.figures[index].shown[0], time)
        self.events.append(Event("vanish", time, index, cause=cause))
        return True

    def appear(self, index: int, time: float) -> bool:
        """Appears, if no earlier event involves it and another figure is visible from the start."""
        if self.figures[index].shown[0] or any(index in (event.figure, event.other) for event in self.events):
            return False
        if len(self.visible(0.0)) < 2:
            return False
        self.figures[index].shown = (time, math.inf)
        self.events.append(Event("appear", time, index))
        return True

    def turn(self, index: int, time: float, cause: int | None = None) -> bool:
        """Turns to a colour that no figure of this shape has had."""
        figure = self.figures[index]
        taken = set().union(*(other.names for other in self.figures))
        free = [colour for colour in words.COLOURS if f"{colour} {figure.shape}" not in taken]
        if not free:
            return False
        figure.colour = pick(self.rng, free)
        figure.names.add(f"{figure.colour} {figure.shape}")
        figure.turns.append((time, figure.colour))
        self.events.append(Event("turn", time, index, detail=figure.colour, cause=cause))
        return True

    def move(self, index: int, time: float) -> bool:
        """Moves to a free cell in its row or column."""
        figure = self.figures[index]
        taken = [other.cell for other in self.figures]
        here = figure.path[-1]
        for cell in shuffled(self.rng, CELLS):
            x, y = cell
            same_line = (x == figure.cell[0]) != (y == figure.cell[1])
            if (x, y) in taken or not same_line or not self._is_clear(index, (x, y), ()):
                continue
            step = (np.sign(x - figure.cell[0]), np.sign(y - figure.cell[1]))
            x, y = (x, here.y) if step[0] else (here.x, y)
            figure.cell = cell
            figure.path += [Waypoint(time, here.x, here.y), Waypoint(time + TRAVEL, x, y)]
            direction = next(name for name, way in STEPS.items() if way == step)
            self.events.append(Event("move", time, index, detail=direction))
            return True
        return False

    def hit(self, index: int, time: float) -> bool:
        """Hits another figure and returns; the other may vanish or turn as a result."""
        figure, here = self.figures[index], self.figures[index].path[-1]
        for other in shuffled(self.rng, self.visible(time - APPROACH)):
            target = self.figures[other].path[-1]
            distance = math.hypot(target.x - here.x, target.y - here.y)
            touching = 0.95 * (figure.radius + self.figures[other].radius)
            if other == index or distance < touching + 0.1:
                continue
            share = 1 - touching / distance
            place = (here.x + share * (target.x - here.x), here.y + share * (target.y - here.y))
            if not self._is_clear(index, place, (other,)):
                continue
            self._there_and_back(figure, time, place)
            self.events.append(Event("hit", time, index, other=other))
            effect = pick(self.rng, EFFECTS)
            if effect != "none":
                getattr(self, effect)(other, time, cause=len(self.events) - 1)
            return True
        return False

    def bounce(self, index: int, time: float) -> bool:
        """Bounces off an edge of the picture and returns."""
        figure, here = self.figures[index], self.figures[index].path[-1]
        for side in shuffled(self.rng, tuple(STEPS)):
            x = {"left": figure.radius, "right": 1 - figure.radius}.get(side, here.x)
            y = {"up": figure.radius, "down": 1 - figure.radius}.get(side, here.y)
            if math.hypot(x - here.x, y - here.y) < 0.2 or not self._is_clear(index, (x, y), ()):
                continue
            self._there_and_back(figure, time, (x, y))
            edge = {"up": "top", "down": "bottom"}.get(side, side)
            self.events.append(Event("bounce", time, index, detail=edge))
            return True
        return False

    def _there_and_back(self, figure: Draft, time: float, place: Place) -> None:
        here = figure.path[-1]
        start, back = Waypoint(time - APPROACH, here.x, here.y), Waypoint(time + APPROACH, here.x, here.y)
        figure.path += [start, Waypoint(time, *place), back]

    def _is_clear(self, index: int, place: Place, but: tuple[int, ...]) -> bool:
        """Returns whether a figure can move straight to a place without touching another, visible or not."""
        figure, here = self.figures[index], self.figures[index].path[-1]
        way = np.array([place[0] - here.x, place[1] - here.y])
        for number, other in enumerate(self.figures):
            if number == index or number in but:
                continue
            to_other = np.array([other.path[-1].x - here.x, other.path[-1].y - here.y])
            share = np.clip(way @ to_other / max(way @ way, 1e-9), 0, 1)
            if np.hypot(*(to_other - share * way)) < figure.radius + other.radius + 0.02:
                return False
        return True


def _names(rng: Rng, count: int, things: float) -> list[tuple[str, str]]:
    """Returns a unique (colour, shape) for each figure; usually no two share a colour or a shape."""
    distinct = chance(rng, 0.7)
    names: list[tuple[str, str]] = []
    while len(names) < count:
        shape = pick(rng, tuple(words.OWN_SOUNDS) if chance(rng, things) else words.SHAPES)
        name = (pick(rng, tuple(words.COLOURS)), shape)
        if name in names or (distinct and any(a == name[0] or b == shape for a, b in names)):
            continue
        names.append(name)
    return names


def beats(rng: Rng, count: int, lead: Seconds) -> tuple[list[float], float]:
    """Returns the times of the events, the first within ``lead``, and the duration of the scene, in seconds."""
    gaps = rng.uniform(1.6, 2.2, count)
    times = np.cumsum(gaps) - gaps[0] + rng.uniform(*lead)
    assert all(after - before > 2 * APPROACH for before, after in pairwise(times))
    return [round(float(time), 3) for time in times], round(float(times[-1] + rng.uniform(1.0, 1.5)), 3)

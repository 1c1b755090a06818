"""What happens in a clip: the one description from which its frames, samples and all texts come.

Times are seconds from the clip's start, spans are half-open. Places are shares of the square picture: x to the right,
y down.
"""

import dataclasses
import math

Seconds = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Waypoint:
    """Where a figure is at a time; between two of them it moves evenly."""

    time: float
    x: float
    y: float


@dataclasses.dataclass(frozen=True)
class Figure:
    """Something in the picture.

    Attributes:
        shape: one of ``SHAPES`` or ``OWN_SOUNDS``.
        colour: its first colour.
        size: one of ``SIZES``.
        texture: one of ``TEXTURES``.
        path: where it is; before the first waypoint and behind the last it rests.
        shown: when it can be seen.
        flashes: when it has a bright halo.
        turns: ``(time, colour)`` of each change of colour.
    """

    shape: str
    colour: str
    size: str
    texture: str
    path: tuple[Waypoint, ...]
    shown: Seconds = (0.0, math.inf)
    flashes: tuple[Seconds, ...] = ()
    turns: tuple[tuple[float, str], ...] = ()

    @property
    def name(self) -> str:
        """What tells it from the other figures of its scene."""
        return f"{self.colour} {self.shape}"

    def name_before(self, time: float) -> str:
        """What it is called just before a time; it may have turned to another colour."""
        return f"{next((colour for turned, colour in reversed(self.turns) if turned < time), self.colour)} {self.shape}"

    def place(self, time: float) -> tuple[float, float]:
        """Where its middle is at a time."""
        before = self.path[0]
        for after in self.path:
            if after.time > time:
                if after is before:
                    break
                share = (time - before.time) / (after.time - before.time)
                return before.x + share * (after.x - before.x), before.y + share * (after.y - before.y)
            before = after
        return before.x, before.y

    def colour_at(self, time: float) -> str:
        """Its colour at a time."""
        return next((colour for turned, colour in reversed(self.turns) if turned <= time), self.colour)

    def is_shown(self, time: float) -> bool:
        """Whether it can be seen at a time."""
        return self.shown[0] <= time < self.shown[1]

    def is_flashing(self, time: float) -> bool:
        """Whether it has its halo at a time."""
        return any(start <= time < end for start, end in self.flashes)


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that happens to a figure.

    Attributes:
        kind: ``appear``, ``vanish``, ``turn`` (to another colour), ``flash``, ``move``, ``hit`` (another figure) or
            ``bounce`` (off the edge of the picture).
        time: when; for ``move`` when it sets off, for ``hit`` and ``bounce`` when they touch.
        figure: which, as an index of the scene's figures.
        other: the figure that is hit.
        detail: the new colour, the direction of a move (left, right, up, down), or the side that it bounces off.
        sound: which sound begins with it, as an index of the scene's sounds.
        cause: the event that brings it about, as an index of the scene's events.
    """

    kind: str
    time: float
    figure: int
    other: int | None = None
    detail: str = ""
    sound: int | None = None
    cause: int | None = None


@dataclasses.dataclass(frozen=True)
class Sound:
    """Something that is heard.

    Attributes:
        kind: one of ``SOUNDS``.
        time: of its onset.
        seconds: how long it lasts.
        pitch: 1 is its usual one.
        gain: its loudest sample.
        source: the figure that makes it, or None.
    """

    kind: str
    time: float
    seconds: float
    pitch: float = 1.0
    gain: float = 0.5
    source: int | None = None


@dataclasses.dataclass(frozen=True)
class SpokenWord:
    """A word and when it is said."""

    text: str
    start: float
    end: float


@dataclasses.dataclass(frozen=True)
class Utterance:
    """A sentence in one voice.

    Attributes:
        voice: one of ``VOICES``.
        words: what is said.
        percent: of the voice's own pitch and pace.
        gain: on the voice's own loudness.
    """

    voice: str
    words: tuple[SpokenWord, ...]
    percent: int = 100
    gain: float = 1.0

    @property
    def text(self) -> str:
        """What is said, in lower case without stops."""
        return " ".join(word.text for word in self.words)


@dataclasses.dataclass(frozen=True)
class Sign:
    """A word or number printed on a plate.

    Attributes:
        text: in lower case; it is printed in capitals.
        x: of the plate's middle.
        y: of the plate's middle.
        height: of the plate.
        dark: whether the letters are white on black rather than black on white.
    """

    text: str
    x: float
    y: float
    height: float
    dark: bool = False


@dataclasses.dataclass(frozen=True)
class Scene:
    """A whole clip.

    Attributes:
        seconds: how long it is.
        background: one of ``BACKGROUNDS``.
        pattern: ``plain``, ``gradient``, ``stripes`` or ``grain``.
        figures: what is seen, the hindmost first.
        events: what happens, in the order of time.
        sounds: what is heard, in the order of time.
        utterances: what is said.
        signs: what is written.
        picture: whether there is a picture: ``video``, ``image`` (one frame) or ``none``.
        audible: whether there is sound.
        noise: the root mean square of the noise beneath the sound.
        seed: of that noise.
        compatible: whether sound and picture belong together.
    """

    seconds: float
    background: str = "black"
    pattern: str = "plain"
    figures: tuple[Figure, ...] = ()
    events: tuple[Event, ...] = ()
    sounds: tuple[Sound, ...] = ()
    utterances: tuple[Utterance, ...] = ()
    signs: tuple[Sign, ...] = ()
    picture: str = "video"
    audible: bool = True
    noise: float = 0.0
    seed: int = 0
    compatible: bool = True

    def effect(self, event: Event) -> Event | None:
        """What an event brings about."""
        causes = ((other, other.cause) for other in self.events)
        return next((other for other, cause in causes if cause is not None and self.events[cause] is event), None)

    @property
    def transcript(self) -> str:
        """All that is said."""
        return " ".join(utterance.text for utterance in self.utterances)

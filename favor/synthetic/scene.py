"""The description of a clip from which its frames, samples and texts are generated.

Times are in seconds from the start of the clip; spans are half-open. Positions are fractions of the square picture's
side: x to the right, y down.
"""

import dataclasses
import math

Seconds = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Waypoint:
    """A figure's position at a given time; between two waypoints it moves at constant speed."""

    time: float
    x: float
    y: float


@dataclasses.dataclass(frozen=True)
class Figure:
    """An object in the picture.

    Attributes:
        shape: one of ``SHAPES`` or ``OWN_SOUNDS``.
        colour: its initial colour.
        size: one of ``SIZES``.
        texture: one of ``TEXTURES``.
        path: its waypoints; it rests before the first and after the last.
        shown: the span in which it is visible.
        flashes: the spans in which it has a bright halo.
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
        """The initial colour and the shape, unique within a scene."""
        return f"{self.colour} {self.shape}"

    def name_before(self, time: float) -> str:
        """Returns the colour and shape just before a time, after any change of colour."""
        return f"{next((colour for turned, colour in reversed(self.turns) if turned < time), self.colour)} {self.shape}"

    def place(self, time: float) -> tuple[float, float]:
        """Returns the (x, y) position of its centre at a time."""
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
        """Returns its colour at a time."""
        return next((colour for turned, colour in reversed(self.turns) if turned <= time), self.colour)

    def is_shown(self, time: float) -> bool:
        """Returns whether it is visible at a time."""
        return self.shown[0] <= time < self.shown[1]

    def is_flashing(self, time: float) -> bool:
        """Returns whether it has its halo at a time."""
        return any(start <= time < end for start, end in self.flashes)


@dataclasses.dataclass(frozen=True)
class Event:
    """An event in which a figure takes part.

    Attributes:
        kind: ``appear``, ``vanish``, ``turn`` (to another colour), ``flash``, ``move``, ``hit`` (another figure) or
            ``bounce`` (off the edge of the picture).
        time: seconds; the start of a ``move``, the moment of contact of a ``hit`` or ``bounce``.
        figure: index of the figure in the scene.
        other: index of the figure that is hit.
        detail: the new colour, the direction of a move (left, right, up, down), or the edge that it bounces off.
        sound: index of the scene's sound that begins with the event.
        cause: index of the scene's event that causes this one.
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
    """A sound other than speech.

    Attributes:
        kind: one of ``SOUNDS``.
        time: onset in seconds.
        seconds: duration.
        pitch: factor on the usual pitch.
        gain: peak amplitude.
        source: index of the figure that makes it, or None.
    """

    kind: str
    time: float
    seconds: float
    pitch: float = 1.0
    gain: float = 0.5
    source: int | None = None


@dataclasses.dataclass(frozen=True)
class SpokenWord:
    """A word with its start and end in seconds."""

    text: str
    start: float
    end: float


@dataclasses.dataclass(frozen=True)
class Utterance:
    """A sentence in one voice.

    Attributes:
        voice: one of ``VOICES``.
        words: the words with their times.
        percent: pitch and pace, relative to the voice's own.
        gain: factor on the voice's own loudness.
    """

    voice: str
    words: tuple[SpokenWord, ...]
    percent: int = 100
    gain: float = 1.0

    @property
    def text(self) -> str:
        """The words in lower case, without punctuation."""
        return " ".join(word.text for word in self.words)


@dataclasses.dataclass(frozen=True)
class Sign:
    """A word or number printed on a plate.

    Attributes:
        text: the text in lower case; it is printed in capitals.
        x: centre of the plate.
        y: centre of the plate.
        height: height of the plate, as a fraction of the picture's.
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
        seconds: duration.
        background: one of ``BACKGROUNDS``.
        pattern: ``plain``, ``gradient``, ``stripes`` or ``grain``.
        figures: the figures, from back to front.
        events: the events in chronological order.
        sounds: the sounds in chronological order.
        utterances: the spoken sentences.
        signs: the printed signs.
        picture: ``video``, ``image`` (one frame) or ``none``.
        audible: whether there is an audio track.
        noise: root mean square of the background noise.
        seed: seed of that noise.
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
        """Returns the event that another event causes, or None."""
        causes = ((other, other.cause) for other in self.events)
        return next((other for other, cause in causes if cause is not None and self.events[cause] is event), None)

    @property
    def transcript(self) -> str:
        """The text of all utterances."""
        return " ".join(utterance.text for utterance in self.utterances)

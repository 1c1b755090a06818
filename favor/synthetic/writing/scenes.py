"""Writers of random scenes, one function for each kind of clip."""

import dataclasses
import math

import numpy as np

from favor.synthetic import vocabulary as words
from favor.synthetic.chance import Rng, chance, pick
from favor.synthetic.scene import Event, Scene, Seconds, Sign, Sound
from favor.synthetic.vocabulary import place_phrase
from favor.synthetic.writing.drafting import DraftScene, beats
from favor.synthetic.writing.sentences import LEAD, say, sentence

PATTERNS = ("plain", "plain", "gradient", "stripes", "grain")
LONGEST = 30.0  # seconds
SHORT_SOUND = (0.5, 0.8)  # seconds
FOREIGN_GAP = 0.5  # least seconds between a foreign sound and any flash


@dataclasses.dataclass(frozen=True)
class Plot:
    """The distribution of a video's events, figures and sounds.

    Attributes:
        happenings: relative frequency of each kind of event.
        heard: probability that an event has a sound.
        things: fraction of figures with a characteristic sound.
        lead: range of the first event's time, in seconds.
        counts: probabilities of 1, 2, ... events.
        long: probability of a long video with 5 to 12 events in up to 30 s.
        figures: probabilities of 1, 2, ... figures.
        silent: probability that a video has no sound.
    """

    happenings: tuple[tuple[str, float], ...]
    heard: float
    things: float = 0.35
    lead: Seconds = (0.8, 1.4)
    counts: tuple[float, ...] = (0.15, 0.35, 0.3, 0.2)
    long: float = 0.06
    figures: tuple[float, ...] = (0.0, 0.34, 0.33, 0.33)
    silent: float = 0.0


FLASHES = (("flash", 1.0),)
EVENTS = (("flash", 4.0), ("vanish", 1.0), ("appear", 1.0), ("turn", 1.5), ("move", 1.5), ("hit", 2.5), ("bounce", 1.0))
ACTION = Plot(EVENTS, heard=0.65, figures=(0.1, 0.3, 0.3, 0.3), silent=0.1)
SOURCE = Plot(FLASHES, heard=1.0)
# The time of the first flash varies widely, so that the sound alone does not reveal whether it is foreign.
MATCH = Plot(FLASHES, heard=1.0, things=0.6, lead=(0.3, 2.3), counts=(0.4, 0.35, 0.25), long=0.0)


def _background(rng: Rng) -> tuple[str, str]:
    return pick(rng, tuple(words.BACKGROUNDS)), pick(rng, PATTERNS)


def write_picture(rng: Rng, signs: float = 0.4) -> Scene:
    """Writes a still image of one to four figures and perhaps a sign."""
    sign = _sign(rng) if chance(rng, signs) else None
    figures = DraftScene(rng, int(rng.integers(1, 5)), beside=sign).frozen_figures()
    return Scene(1.0, *_background(rng), figures=figures, signs=(sign,) if sign else (), picture="image", audible=False)


def _sign(rng: Rng, numbers: float = 0.2) -> Sign:
    text = str(rng.integers(10, 1000)) if chance(rng, numbers) else pick(rng, words.PRINTED)
    y = 0.13 if chance(rng, 0.5) else 0.87
    return Sign(text, float(rng.uniform(0.42, 0.58)), y, 0.2, chance(rng, 0.5))


def write_sounds(rng: Rng) -> Scene:
    """Writes one to three kinds of sounds, one after another, without a picture."""
    kinds = [pick(rng, tuple(words.SOUNDS))]
    for _ in range(rng.integers(0, 3)):
        kinds.append(pick(rng, [kind for kind in words.SOUNDS if kind not in kinds]))
    time, sounds = float(rng.uniform(0.2, 0.6)), []
    for kind in kinds:
        pitch, gain = float(rng.uniform(0.9, 1.1)), float(rng.uniform(0.3, 0.7))
        counted = kind in words.COUNTED
        for _ in range(rng.integers(1, 5) if counted else 1):
            seconds = float(rng.uniform(0.4, 0.6) if counted else rng.uniform(1.0, 2.5))
            sounds.append(Sound(kind, round(time, 3), seconds, pitch, gain))
            time += seconds + float(rng.uniform(0.25, 0.4))
        time += float(rng.uniform(0.2, 0.5))
    return Scene(round(time, 3), sounds=tuple(sounds), picture="none", noise=_noise(rng, 0.01), seed=_seed(rng))


def write_speech(rng: Rng) -> Scene:
    """Writes a spoken sentence without a picture."""
    utterance = say(rng, sentence(rng), LEAD)
    seconds = round(utterance.words[-1].end + LEAD, 3)
    return Scene(seconds, utterances=(utterance,), picture="none", noise=_noise(rng, 0.02), seed=_seed(rng))


def write_talk(rng: Rng) -> Scene:
    """Writes a video in which a voice says, in noise, what is seen or written."""
    sign = _sign(rng, numbers=0.0) if chance(rng, 0.5) else None
    stage = DraftScene(rng, int(rng.integers(1, 4)), beside=sign)
    figure = stage.figures[0]
    if sign:
        text = pick(rng, (f"the sign says {sign.text}", f"the word {sign.text} is here", f"we can see the {sign.text}"))
    elif chance(rng, 0.5) and stage.move(0, 1.0):
        way = stage.events[-1].detail
        text = f"the {figure.colour} {figure.shape} moves {way if way in ('up', 'down') else f'to the {way}'}"
    else:
        text = f"a {figure.size} {figure.colour} {figure.shape} is {place_phrase(figure.path[0].x, figure.path[0].y)}"
    utterance = say(rng, text, LEAD)
    seconds = round(max(utterance.words[-1].end + LEAD, 2.5 if stage.events else 0), 3)
    return Scene(
        seconds,
        *_background(rng),
        figures=stage.frozen_figures(),
        events=tuple(stage.events),
        utterances=(utterance,),
        signs=(sign,) if sign else (),
        noise=_noise(rng, 0.06),
        seed=_seed(rng),
    )


def write_action(rng: Rng, plot: Plot = ACTION) -> Scene:
    """Writes a video of events with and without sounds."""
    usual = int(rng.choice(len(plot.counts), p=plot.counts)) + 1
    times, seconds = beats(rng, int(rng.integers(5, 13)) if chance(rng, plot.long) else usual, plot.lead)
    while seconds > LONGEST:
        times, seconds = times[:-1], round(times[-2] + 1.5, 3)
    kinds, weights = zip(*plot.happenings, strict=True)
    stage = DraftScene(rng, int(rng.choice(len(plot.figures), p=plot.figures)) + 1, plot.things)
    silent = chance(rng, plot.silent)
    for time in times:
        before = len(stage.events)
        while len(stage.events) == before:
            kind = str(rng.choice(kinds, p=np.array(weights) / sum(weights)))
            stage.happen(kind, time)
        if not silent and chance(rng, plot.heard):
            _sound(stage, before)
    return Scene(
        seconds,
        *_background(rng),
        figures=stage.frozen_figures(),
        events=tuple(stage.events),
        sounds=tuple(stage.sounds),
        audible=not silent,
        noise=_noise(rng, 0.01),
        seed=_seed(rng),
    )


def _sound(stage: DraftScene, event: int) -> None:
    """Adds a sound to an event; a flashing figure with a characteristic sound makes that one."""
    rng, happening = stage.rng, stage.events[event]
    shape = stage.figures[happening.figure].shape
    owned = [words.OWN_SOUNDS.get(figure.shape) for figure in stage.figures]
    heard = {sound.kind for sound in stage.sounds}
    again = chance(rng, 0.25)
    free = [kind for kind in words.SOUNDS if kind not in owned and (again or kind not in heard)]
    free = free or [kind for kind in words.SOUNDS if kind not in owned]
    flash = happening.kind == "flash"
    kind = words.OWN_SOUNDS[shape] if flash and shape in words.OWN_SOUNDS else pick(rng, free)
    span = (float(rng.uniform(*SHORT_SOUND)), float(rng.uniform(0.9, 1.1)), float(rng.uniform(0.4, 0.7)))
    stage.events[event] = dataclasses.replace(happening, sound=len(stage.sounds))
    stage.sounds.append(Sound(kind, happening.time, *span, source=happening.figure if flash else None))


def write_source(rng: Rng) -> Scene:
    """Writes a video in which several figures flash and one of the flashes has a sound."""
    while True:
        scene = write_action(rng, SOURCE)
        if len({event.figure for event in scene.events}) > 1:
            break
    kept = int(rng.integers(len(scene.events)))
    event = scene.events[kept]
    sound = scene.sounds[kept]
    events = tuple(dataclasses.replace(other, sound=0 if other is event else None) for other in scene.events)
    return dataclasses.replace(scene, events=events, sounds=(sound,))


def write_match(rng: Rng) -> Scene:
    """Writes a video in which every flash has a sound, or, half of the time, one with the sound of another video.

    Both kinds have the same distribution of pictures and sounds, so that neither alone reveals which it is.
    """
    while True:
        scene, other = write_action(rng, MATCH), write_action(rng, MATCH)
        if all(abs(event.time - sound.time) > FOREIGN_GAP for event in scene.events for sound in other.sounds):
            break
    scene = dataclasses.replace(scene, seconds=max(scene.seconds, other.seconds))
    if chance(rng, 0.5):
        return scene
    events: tuple[Event, ...] = tuple(dataclasses.replace(event, sound=None) for event in scene.events)
    sounds = tuple(dataclasses.replace(sound, source=None) for sound in other.sounds)
    return dataclasses.replace(scene, events=events, sounds=sounds, compatible=False)


def with_voice(rng: Rng, scene: Scene, text: str) -> Scene:
    """Returns a still image shown while a voice reads a text."""
    utterance = say(rng, text, LEAD)
    seconds = math.ceil((utterance.words[-1].end + LEAD) * 1000) / 1000
    return dataclasses.replace(scene, seconds=seconds, utterances=(utterance,), audible=True, seed=_seed(rng))


def _noise(rng: Rng, most: float) -> float:
    return float(rng.uniform(0, most))


def _seed(rng: Rng) -> int:
    return int(rng.integers(2**31))

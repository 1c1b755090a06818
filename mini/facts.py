"""The target facts of each token that the causal Q-Former produces for a generated clip.

The facts are divided among the queries of a block: three for each half second, one per row of the picture and per third
of the half second's sound; the last two hold what does not change, the background and the sign. An event is held by the
middle query of the half second in which it is first seen: its kind, its figure, the other figure and the outcome.
"""

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from favor.errors import FavorError
from favor.media.clip import SAMPLE_RATE
from favor.media.sampling import slot_count
from favor.models.favor.config import FRAMES_PER_SECOND, FavorConfig, SpeechConfig
from favor.synthetic.scene import Event, Scene, SpokenWord
from favor.synthetic.vocabulary import BACKGROUNDS, COLOURS, OWN_SOUNDS, SHAPES, SIZES, SOUNDS, TEXTURES, spoken_words
from favor.synthetic.writing.drafting import STEPS

ROWS = COLUMNS = 3  # cells of the picture
PARTS = 3  # parts of a cell, across and down
HALF_SECONDS = 10  # most half seconds of a block
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
LONGEST_SIGN = 6
WORDS = spoken_words()
LOOKS = {
    "shape": (*SHAPES, *OWN_SOUNDS),
    "colour": tuple(COLOURS),
    "size": tuple(SIZES),
    "texture": TEXTURES,
    "light": ("dark", "bright"),
    "place": tuple(range(PARTS * PARTS)),
}
STATES = ("begins", "goes on")  # of sounds and words
VERBS = {"appear": "appears", "vanish": "vanishes", "flash": "flashes", "turn": "turns", "hit": "hits"}
HAPPENINGS: tuple[str, ...] = tuple(VERBS.values())
HAPPENINGS += tuple(f"moves {way}" for way in STEPS) + tuple(f"bounces {way}" for way in STEPS)
OUTCOMES = ("stays", "vanishes", *COLOURS)  # of a figure that is hit, or turns

# The kinds of facts and the number of values of each; 0 is nothing.
KINDS = {f"{look}{column}": len(values) + 1 for column in range(COLUMNS) for look, values in LOOKS.items()}
KINDS |= {f"sound_{name}": len(STATES) + 1 for name in SOUNDS}
KINDS |= {"happening": len(HAPPENINGS) + 1, "outcome": len(OUTCOMES) + 1}
KINDS |= {f"{whose}_{look}": len(LOOKS[look]) + 1 for whose in ("own", "other") for look in ("colour", "shape")}
KINDS |= {"word": len(WORDS) + 1, "saying": len(STATES) + 1, "background": len(BACKGROUNDS) + 1}
KINDS |= {f"letter{place}": len(LETTERS) + 1 for place in range(LONGEST_SIGN)}
KINDS |= {"row": ROWS + 1, "half_second": HALF_SECONDS + 1}  # position of the token in the block
# The name of each value, if it has one.
NAMES: dict[str, tuple[str, ...]] = {
    f"{look}{column}": () if look in ("light", "place") else tuple(map(str, values))
    for column in range(COLUMNS)
    for look, values in LOOKS.items()
}
NAMES |= {f"sound_{name}": (SOUNDS[name][0],) * len(STATES) for name in SOUNDS}
NAMES |= {"happening": HAPPENINGS, "outcome": OUTCOMES}
NAMES |= {f"{whose}_{look}": tuple(map(str, LOOKS[look])) for whose in ("own", "other") for look in ("colour", "shape")}
NAMES |= {"word": WORDS, "background": tuple(BACKGROUNDS)}
NAMES = {name: NAMES.get(name, ()) for name in KINDS}  # in the same order
PLACES = {name: place for place, name in enumerate(KINDS)}

Facts = NDArray[np.int64]


def scene_facts(seen: Scene, heard: Scene, config: FavorConfig) -> Facts:
    """Returns the facts of a clip.

    Args:
        seen: the scene that the picture, if any, comes from.
        heard: the scene that the sound, if any, comes from; usually the same.
        config: configuration of the model; its blocks have one resolution.

    Returns:
        (blocks, queries, kinds of ``KINDS``).

    Raises:
        FavorError: if the blocks have too few queries for their frames.
    """
    frames, queries = config.causal_qformer.resolutions[0]
    if queries < frames * ROWS or frames > HALF_SECONDS:
        raise FavorError(
            f"{queries} queries for {frames} frames cannot hold the facts of a clip: {ROWS} are needed for each frame, "
            f"and at most {HALF_SECONDS} frames are allowed"
        )
    length = half_seconds_heard(heard, config.speech)
    shown = half_seconds_seen(seen, length, config.speech)
    blocks = -(-max(shown, length) // frames)
    thirds = np.zeros((blocks * frames * ROWS, len(KINDS)), np.int64)
    thirds[:, PLACES["row"]] = np.tile(np.arange(ROWS), blocks * frames) + 1
    thirds[:, PLACES["half_second"]] = np.tile(np.repeat(np.arange(frames), ROWS), blocks) + 1
    for frame in range(shown):
        time = 0.0 if seen.picture == "image" else frame / FRAMES_PER_SECOND
        _add_figures(seen, time, thirds[frame * ROWS : (frame + 1) * ROWS])
    if seen.picture == "video":
        _add_events(seen, thirds[1 : shown * ROWS : ROWS])
    if length:
        _add_words(heard, thirds)
        _add_sounds(heard, thirds)
    lasting = np.zeros((blocks, queries - frames * ROWS, len(KINDS)), np.int64)
    _add_constant(seen, lasting[: -(-shown // frames)])
    return np.concatenate([thirds.reshape(blocks, frames * ROWS, len(KINDS)), lasting], axis=1)


def half_seconds_heard(scene: Scene, speech: SpeechConfig) -> int:
    """Returns the number of half seconds that the speech encoder produces for a scene's sound."""
    samples = round(scene.seconds * SAMPLE_RATE) if scene.audible else 0
    return -(-samples // speech.piece_samples) * speech.piece_frames


def half_seconds_seen(scene: Scene, heard: int, speech: SpeechConfig) -> int:
    """Returns the number of half seconds with a picture; a still image lasts as long as the sound."""
    if scene.picture == "none":
        return 0
    if scene.picture == "image":
        return heard or speech.piece_frames
    return slot_count(round(scene.seconds * 1000), 1000, Fraction(FRAMES_PER_SECOND))


def _add_figures(scene: Scene, time: float, rows: Facts) -> None:
    """Adds the foremost figure in each cell of the picture."""
    for figure in scene.figures:
        if not figure.is_shown(time):
            continue
        across, down = (min(max(place, 0.0), 0.999) for place in figure.place(time))
        column, row = int(across * COLUMNS), int(down * ROWS)
        part = int(down * ROWS * PARTS) % PARTS * PARTS + int(across * COLUMNS * PARTS) % PARTS
        light = "bright" if figure.is_flashing(time) else "dark"
        values = (figure.shape, figure.colour_at(time), figure.size, figure.texture, light, part)
        for (look, names), value in zip(LOOKS.items(), values, strict=True):
            rows[row, PLACES[f"{look}{column}"]] = 1 + names.index(value)


def _add_events(scene: Scene, halves: Facts) -> None:
    """Adds the events of each half second; an event with a cause is the outcome of that cause."""
    for event in scene.events:
        if event.cause is not None:
            continue
        half = halves[min(int(event.time * FRAMES_PER_SECOND) + 1, len(halves) - 1)]
        happening = VERBS.get(event.kind) or f"{event.kind}s {_way(event)}"
        half[PLACES["happening"]] = 1 + HAPPENINGS.index(happening)
        _name_figure(half, "own", scene.figures[event.figure].name_before(event.time))
        if event.other is not None:
            _name_figure(half, "other", scene.figures[event.other].name_before(event.time))
        outcome = _outcome(scene, event)
        half[PLACES["outcome"]] = 1 + OUTCOMES.index(outcome) if outcome else 0


def _way(event: Event) -> str:
    return {"top": "up", "bottom": "down"}.get(event.detail, event.detail)


def _name_figure(half: Facts, whose: str, name: str) -> None:
    for look, value in zip(("colour", "shape"), name.split(), strict=True):
        half[PLACES[f"{whose}_{look}"]] = 1 + LOOKS[look].index(value)


def _outcome(scene: Scene, event: Event) -> str:
    if event.kind == "turn":
        return event.detail
    if event.kind != "hit":
        return ""
    effect = scene.effect(event)
    return "stays" if effect is None else effect.detail or "vanishes"


def _add_words(scene: Scene, thirds: Facts) -> None:
    """Adds the word that fills most of each third; a word too short for any gets the third at its middle."""
    seconds = 1 / FRAMES_PER_SECOND / ROWS
    words = [word for utterance in scene.utterances for word in utterance.words]
    starts = np.arange(len(thirds)) * seconds
    shares = np.array([np.minimum(starts + seconds, w.end) - np.maximum(starts, w.start) for w in words])
    if not len(shares):
        return
    best = np.where(shares.max(0) > seconds / 4, shares.argmax(0), -1)
    for number, word in enumerate(words):
        middle = _third(word, seconds)
        if number not in best and middle < len(best):
            best[middle] = number
    ids = np.array([1 + WORDS.index(word.text) for word in words] + [0])
    thirds[:, PLACES["word"]] = ids[best]
    begins = np.diff(best, prepend=-1) != 0
    thirds[:, PLACES["saying"]] = np.where(best < 0, 0, np.where(begins, 1, 2))


def _third(word: SpokenWord, seconds: float) -> int:
    return int((word.start + word.end) / 2 / seconds)


def _add_sounds(scene: Scene, thirds: Facts) -> None:
    seconds = 1 / FRAMES_PER_SECOND / ROWS
    for sound in scene.sounds:
        first, last = int(sound.time / seconds), math.ceil((sound.time + sound.seconds) / seconds)
        column = thirds[:, PLACES[f"sound_{sound.kind}"]]
        column[first + 1 : last][column[first + 1 : last] == 0] = 1 + STATES.index("goes on")
        column[first : first + 1] = 1 + STATES.index("begins")


def _add_constant(scene: Scene, lasting: Facts) -> None:
    lasting[..., PLACES["background"]] = 1 + tuple(BACKGROUNDS).index(scene.background)
    for sign in scene.signs:
        for place, letter in enumerate(sign.text.lower()[:LONGEST_SIGN]):
            lasting[..., PLACES[f"letter{place}"]] = 1 + LETTERS.index(letter)

"""Random sentences, and the timing of their words when spoken."""

from favor.synthetic import vocabulary as words
from favor.synthetic.chance import Rng, chance, pick
from favor.synthetic.rendering.voices import VOICES, length
from favor.synthetic.scene import SpokenWord, Utterance

LEAD = 0.25  # seconds of silence before and after speech
PERCENTS = (90, 110)  # range of pitch and pace, relative to the voice's own


def say(rng: Rng, text: str, start: float, voice: str | None = None) -> Utterance:
    """Returns an utterance of a text.

    Args:
        rng: random generator for voice, pace, loudness and pauses.
        text: words of the vocabulary.
        start: start of the first word, in seconds.
        voice: one of ``VOICES``; None for a random one.

    Raises:
        KeyError: if a word is not in the vocabulary.
    """
    voice = voice or pick(rng, tuple(VOICES))
    percent = int(rng.integers(PERCENTS[0], PERCENTS[1] + 1))
    spoken = []
    for word in text.split():
        end = start + length(voice, word, percent)
        spoken.append(SpokenWord(word, start, end))
        start = end + rng.uniform(0.02, 0.12)
    return Utterance(voice, tuple(spoken), percent, float(rng.uniform(0.7, 1.3)))


def sentence(rng: Rng) -> str:
    """Returns a sentence, a sequence of numbers or, one time in six, random words."""
    pattern = rng.integers(6)
    if pattern == 0:
        return " ".join(pick(rng, words.spoken_words()) for _ in range(rng.integers(3, 8)))
    if pattern == 1:
        return " ".join(pick(rng, words.NUMBERS) for _ in range(rng.integers(3, 7)))
    if pattern == 2:
        colour, shape = pick(rng, tuple(words.COLOURS)), pick(rng, words.SHAPES)
        return f"the {colour} {shape} is {pick(rng, ('near', 'behind'))} the {pick(rng, words.PRINTED)}"
    if pattern == 3:
        thing, place = pick(rng, words.PRINTED), pick(rng, words.PLACES)
        return f"{pick(rng, words.TIMES_OF_DAY)} the {pick(rng, words.PEOPLE)} takes the {thing} to the {place}"
    who = pick(rng, words.ANIMALS if pattern == 4 else words.PEOPLE)
    what = pick(rng, words.PRINTED)
    clause = f"the {pick(rng, words.QUALITIES)} {who} {pick(rng, words.ACTIONS)} the {what}"
    return clause if chance(rng, 0.5) else f"{clause} in the {pick(rng, words.PLACES)}"

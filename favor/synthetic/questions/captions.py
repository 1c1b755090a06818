"""Captions of pictures, sounds, videos and speech."""

from itertools import groupby

from favor.synthetic.scene import Event, Figure, Scene, Sound
from favor.synthetic.vocabulary import COUNTED, SOUNDS, TIMES, place_phrase, with_article


def full_name(figure: Figure) -> str:
    """Returns size, texture, colour and shape: "large striped red circle"."""
    texture = "" if figure.texture == "plain" else f"{figure.texture} "
    return f"{figure.size} {texture}{figure.name}"


def enumerated(parts: list[str]) -> str:
    """Returns "a", "a and b" or "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def as_sentence(text: str) -> str:
    """Returns a text with a capital and a full stop."""
    return f"{text[0].upper()}{text[1:]}."


def noun(kind: str) -> str:
    """Returns a sound as a noun: "a bell", "an engine", "rain"."""
    return kind if kind == "rain" else with_article(SOUNDS[kind][0])


def sounding(kind: str) -> str:
    """Returns a sound as a clause: "the bell rings"."""
    return f"the {SOUNDS[kind][0]} {SOUNDS[kind][1]}"


def caption(scene: Scene) -> str:
    """Describes everything seen and heard."""
    if scene.picture == "image":
        parts = [picture_caption(scene)]
    elif scene.picture == "none":
        parts = [sound_caption(scene)] if scene.sounds else []
    else:
        parts = [_opening(scene), *_signs(scene), *_happenings(scene)]
    return " ".join(parts + ([f"A voice says: {scene.transcript}."] if scene.utterances else []))


def picture_caption(scene: Scene) -> str:
    """Describes a still image: each figure and its place, the background, any sign."""
    figures = [f"a {full_name(figure)} is {place_phrase(*figure.place(0))}" for figure in _in_reading_order(scene)]
    return " ".join([as_sentence(enumerated(figures)), f"The background is {scene.background}.", *_signs(scene)])


def sound_caption(scene: Scene) -> str:
    """Describes the sounds in order: "A bell rings twice, then rain falls."."""
    groups = [(kind, len(list(sounds))) for kind, sounds in groupby(scene.sounds, key=lambda sound: sound.kind)]
    return as_sentence(", then ".join(_heard(kind, count) for kind, count in groups))


def event_clause(scene: Scene, event: Event) -> str:
    """Returns an event as a clause in the present tense: "the red circle hits the blue square"."""
    subject = f"the {scene.figures[event.figure].name_before(event.time)}"
    if event.kind == "hit":
        assert event.other is not None
        return f"{subject} hits the {scene.figures[event.other].name_before(event.time)}"
    if event.kind == "turn":
        return f"{subject} turns {event.detail}"
    if event.kind == "move":
        return f"{subject} moves {event.detail if event.detail in ('up', 'down') else f'to the {event.detail}'}"
    if event.kind == "bounce":
        return f"{subject} bounces off the {event.detail} edge"
    return f"{subject} { {'flash': 'flashes', 'vanish': 'vanishes', 'appear': 'appears'}[event.kind] }"


def _heard(kind: str, count: int) -> str:
    often = f" {TIMES[count]}" if kind in COUNTED and count > 1 else ""
    return f"{noun(kind)} {SOUNDS[kind][1]}{often}"


def _in_reading_order(scene: Scene) -> list[Figure]:
    return sorted(scene.figures, key=lambda figure: (figure.place(0)[1] // (1 / 3), figure.place(0)[0]))


def _signs(scene: Scene) -> list[str]:
    return [f"The sign says {sign.text}." for sign in scene.signs]


def _opening(scene: Scene) -> str:
    present = [figure for figure in _in_reading_order(scene) if figure.is_shown(0)]
    if not present:
        return f"The background is {scene.background}."
    verb = "are" if len(present) > 1 else "is"
    names = enumerated([with_article(figure.name) for figure in present])
    return as_sentence(f"{names} {verb} on a {scene.background} background")


def _happenings(scene: Scene) -> list[str]:
    """Returns a sentence for each event without a cause and each sound without an event, in chronological order."""
    tied = {event.sound for event in scene.events}
    happenings: list[Event | Sound] = [event for event in scene.events if event.cause is None]
    happenings += [sound for index, sound in enumerate(scene.sounds) if index not in tied]
    happenings.sort(key=lambda happening: happening.time)
    clauses = [
        _heard(happening.kind, 1) if isinstance(happening, Sound) else _described(scene, happening)
        for happening in happenings
    ]
    return [as_sentence(clause if index == 0 else f"then {clause}") for index, clause in enumerate(clauses)]


def _described(scene: Scene, event: Event) -> str:
    text = event_clause(scene, event)
    if event.kind == "hit":
        effect = scene.effect(event)
        if effect is not None:
            text += ", which vanishes" if effect.kind == "vanish" else f", which turns {effect.detail}"
    return text if event.sound is None else f"{text}, and {_heard(scene.sounds[event.sound].kind, 1)}"

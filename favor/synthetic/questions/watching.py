"""Questions about a video that no single frame answers: what happens when, in which order, and why."""

from collections import Counter
from collections.abc import Callable, Sequence

from favor.synthetic import vocabulary as words
from favor.synthetic.chance import Rng, chance, pick, shuffled
from favor.synthetic.questions.captions import event_clause, noun, sounding
from favor.synthetic.questions.items import BOTH, CAUSAL, FINE, HEARD, SEEN, Item, shuffled_choices
from favor.synthetic.questions.looking import objects
from favor.synthetic.scene import Event, Figure, Scene, Sound

VideoQuestion = tuple[str, str, Sequence[str], frozenset[str]]  # question, answer, choices, needs


def watching_questions(rng: Rng, scene: Scene) -> list[Item]:
    """Returns the questions that this video allows, at most one of each kind."""
    items = []
    for question, kind in VIDEO_QUESTIONS.items():
        asked = question(rng, scene)
        if asked is not None:
            text, answer, choices, needs = asked
            items.append(Item("video_qa", text, answer, kind, needs, shuffled_choices(rng, answer, choices)))
    return items


def flashes(scene: Scene) -> list[Event]:
    """Returns the flashes in chronological order."""
    return [event for event in scene.events if event.kind == "flash"]


def name_of(scene: Scene, event: Event) -> str:
    """Returns the name of an event's figure at the time of the event."""
    return f"the {scene.figures[event.figure].name_before(event.time)}"


def heard_once(scene: Scene) -> list[Sound]:
    """Returns the sounds whose kind occurs only once."""
    counts = Counter(sound.kind for sound in scene.sounds)
    return [sound for sound in scene.sounds if counts[sound.kind] == 1]


def _any(rng: Rng, options: Sequence[Event]) -> Event | None:
    return pick(rng, options) if options else None


def flashing_once(scene: Scene) -> list[Event]:
    """Returns the flashes of the figures that flash only once."""
    counts = Counter(event.figure for event in flashes(scene))
    return [event for event in flashes(scene) if counts[event.figure] == 1]


def _has_own_sound(scene: Scene, event: Event) -> bool:
    """Returns whether the figure's name alone gives away its sound: a bell rings."""
    return scene.figures[event.figure].shape in words.OWN_SOUNDS


def _sound_of(scene: Scene, event: Event) -> Sound | None:
    return None if event.sound is None else scene.sounds[event.sound]


# Fine-grained


def _who_when_heard(rng: Rng, scene: Scene) -> VideoQuestion | None:
    """Asks which figure flashes during a sound; others flash at other times."""
    if len({event.figure for event in flashes(scene)}) < 2:
        return None
    once = heard_once(scene)
    strange = [event for event in flashes(scene) if not _has_own_sound(scene, event)]
    event = _any(rng, [event for event in strange if _sound_of(scene, event) in once])
    if event is None or event.sound is None:
        return None
    clause = sounding(scene.sounds[event.sound].kind)
    text = pick(rng, (f"Which object flashes when {clause}?", f"What flashes while {clause}?"))
    return text, name_of(scene, event), objects(rng, scene), BOTH


def _heard_when(rng: Rng, scene: Scene) -> VideoQuestion | None:
    """Asks which sound begins with an event; other sounds occur in the scene too."""
    if len({sound.kind for sound in scene.sounds}) < 2:
        return None
    counts = Counter(event_clause(scene, event) for event in scene.events)
    events = [event for event in scene.events if event.sound is not None and not _has_own_sound(scene, event)]
    event = _any(rng, [event for event in events if counts[event_clause(scene, event)] == 1])
    if event is None or event.sound is None:
        return None
    text = pick(
        rng,
        (f"What is heard when {event_clause(scene, event)}?", f"Which sound begins when {event_clause(scene, event)}?"),
    )
    kinds = list(dict.fromkeys(noun(sound.kind) for sound in scene.sounds))
    others = [noun(kind) for kind in shuffled(rng, tuple(words.SOUNDS))]
    return text, noun(scene.sounds[event.sound].kind), list(dict.fromkeys(kinds + others))[:5], BOTH


def _together(rng: Rng, scene: Scene) -> VideoQuestion | None:
    """Asks whether a sound of the scene occurs together with a given flash."""
    events, once = flashing_once(scene), heard_once(scene)
    events = [event for event in events if not _has_own_sound(scene, event)]
    yes = chance(rng, 0.5)
    pairs = [(event, sound) for event in events for sound in once if (_sound_of(scene, event) is sound) == yes]
    if not pairs or len(scene.events) < 2:
        return None
    event, sound = pick(rng, pairs)
    name, _, _ = words.SOUNDS[sound.kind]
    text = f"Is the {name} heard when {event_clause(scene, event)}?"
    return text, "yes" if yes else "no", ("yes", "no"), BOTH


def _who_flashes(rng: Rng, scene: Scene) -> VideoQuestion | None:
    """Asks which figure flashes; each flash is shorter than a second."""
    flashing = {event.figure for event in flashes(scene)}
    if len(flashing) != 1 or len(scene.figures) < 2:
        return None
    return "Which object flashes?", name_of(scene, flashes(scene)[0]), objects(rng, scene), SEEN


# Order, number and cause


def _first_or_last(rng: Rng, scene: Scene) -> VideoQuestion | None:
    events = flashes(scene)
    if len({event.figure for event in events}) < 2 or events[0].figure == events[-1].figure:
        return None
    which = int(rng.integers(2))
    text = f"Which object flashes {('first', 'last')[which]}?"
    return text, name_of(scene, events[-which]), objects(rng, scene), SEEN


def _next(rng: Rng, scene: Scene) -> VideoQuestion | None:
    """Asks what happens next after a sound, or just before it."""
    once = heard_once(scene)
    main = [event for event in scene.events if event.cause is None]
    clauses = [event_clause(scene, event) for event in main]
    places = [index for index, event in enumerate(main) if _sound_of(scene, event) in once]
    pairs = [(here, here + step) for here in places for step in (-1, 1) if 0 <= here + step < len(main)]
    pairs = [(here, there) for here, there in pairs if clauses.count(clauses[there]) == 1 and len(main) > 2]
    if not pairs:
        return None
    here, there = pick(rng, pairs)
    sound = _sound_of(scene, main[here])
    assert sound is not None
    word = "after" if there > here else "before"
    return f"What happens {word} {sounding(sound.kind)}?", clauses[there], _clauses(rng, scene, clauses), BOTH


def _clauses(rng: Rng, scene: Scene, actual: list[str]) -> list[str]:
    """Returns five events, actual ones first, then possible ones."""
    names = [f"the {figure.name}" for figure in scene.figures]
    could = [f"{name} {verb}" for name in names for verb in ("flashes", "vanishes", "appears", "moves to the left")]
    return list(dict.fromkeys(actual + shuffled(rng, could)))[:5]


def _sound_order(rng: Rng, scene: Scene) -> VideoQuestion | None:
    kinds = [sound.kind for sound in scene.sounds]
    if len(set(kinds)) < 2 or kinds[0] == kinds[-1]:
        return None
    which = int(rng.integers(2))
    text = f"Which sound is heard {('first', 'last')[which]}?"
    others = [noun(kind) for kind in (*dict.fromkeys(kinds), *shuffled(rng, tuple(words.SOUNDS)))]
    return text, noun(kinds[-which]), list(dict.fromkeys(others))[:5], HEARD


def _how_often(rng: Rng, scene: Scene) -> VideoQuestion | None:
    """Asks for the number of flashes."""
    count = len(flashes(scene))
    if not 1 <= count <= 4 or len(scene.events) < 2:
        return None
    text = pick(rng, ("How many flashes are there?", "How many times does an object flash?"))
    return text, words.NUMBERS[count], words.NUMBERS[1:5], SEEN


def _why(rng: Rng, scene: Scene) -> VideoQuestion | None:
    """Asks why a figure vanishes or turns: another one hits it, or nothing does."""
    counts = Counter((event.kind, event.figure) for event in scene.events)
    events = [event for event in scene.events if event.kind in ("vanish", "turn")]
    events = [event for event in events if counts[event.kind, event.figure] == 1]
    caused = chance(rng, 0.75)
    event = _any(rng, [event for event in events if (event.cause is not None) == caused])
    if event is None or len(scene.figures) < 2:
        return None
    others = [figure for index, figure in enumerate(scene.figures) if index != event.figure]
    choices = [f"the {figure.name} hits it" for figure in others] + ["nothing hits it"]
    answer = "nothing hits it"
    if event.cause is not None:
        answer = f"{name_of(scene, scene.events[event.cause])} hits it"
    choices += [f"{name} hits it" for name in objects(rng, scene)[len(scene.figures) :]]
    return f"Why does {_does(scene, event)}?", answer, choices[:5], SEEN


def _does(scene: Scene, event: Event) -> str:
    return f"{name_of(scene, event)} {'vanish' if event.kind == 'vanish' else f'turn {event.detail}'}"


def _effect(rng: Rng, scene: Scene) -> VideoQuestion | None:
    """Asks what a collision does to the figure that is hit."""
    hits = [event for event in scene.events if event.kind == "hit"]
    counts = Counter(event_clause(scene, event) for event in hits)
    event = _any(rng, [event for event in hits if counts[event_clause(scene, event)] == 1])
    if event is None or event.other is None:
        return None
    effect = scene.effect(event)
    answer = "it stays as it is"
    if effect is not None:
        answer = "it vanishes" if effect.kind == "vanish" else f"it turns {effect.detail}"
    hit = scene.figures[event.other].name_before(event.time)
    text = f"What happens to the {hit} when {name_of(scene, event)} hits it?"
    colours = [f"it turns {colour}" for colour in shuffled(rng, tuple(words.COLOURS))]
    turned = [choice for choice in colours if choice != answer][:2]
    return text, answer, ("it stays as it is", "it vanishes", answer, *turned), SEEN


def _direction(rng: Rng, scene: Scene) -> VideoQuestion | None:
    moves = [event for event in scene.events if event.kind == "move"]
    counts = Counter(event.figure for event in moves)
    event = _any(rng, [event for event in moves if counts[event.figure] == 1])
    if event is None:
        return None
    return f"In which direction does {name_of(scene, event)} move?", event.detail, ("left", "right", "up", "down"), SEEN


def _before_or_after(rng: Rng, scene: Scene) -> VideoQuestion | None:
    """Asks whether an event comes before or after a sound."""
    once = heard_once(scene)
    counts = Counter(event_clause(scene, event) for event in scene.events)
    events = [event for event in scene.events if counts[event_clause(scene, event)] == 1]
    pairs = [(event, sound) for event in events for sound in once if abs(event.time - sound.time) > 1.0]
    if not pairs:
        return None
    earlier = chance(rng, 0.5)
    pairs = [pair for pair in pairs if (pair[0].time < pair[1].time) == earlier]
    if not pairs:
        return None
    event, sound = pick(rng, pairs)
    text = f"Is it before or after {sounding(sound.kind)} that {event_clause(scene, event)}?"
    return text, "before" if earlier else "after", ("before", "after"), BOTH


def _earlier_colour(rng: Rng, scene: Scene) -> VideoQuestion | None:
    """Asks which colour a figure has before or after it turns."""
    shapes = Counter(figure.shape for figure in scene.figures)
    figures: list[Figure] = [figure for figure in scene.figures if len(figure.turns) == 1 and shapes[figure.shape] == 1]
    if not figures:
        return None
    figure = pick(rng, figures)
    ((_, later),) = figure.turns
    if chance(rng, 0.5):
        return f"What colour is the {figure.shape} at first?", figure.colour, _colours(rng, figure), SEEN
    return f"What colour is the {figure.shape} at the end?", later, _colours(rng, figure), SEEN


def _colours(rng: Rng, figure: Figure) -> list[str]:
    own = [figure.colour, *(colour for _, colour in figure.turns)]
    return list(dict.fromkeys([*own, *shuffled(rng, tuple(words.COLOURS))]))[:5]


VIDEO_QUESTIONS: dict[Callable[[Rng, Scene], VideoQuestion | None], str] = {
    _who_when_heard: FINE,
    _heard_when: FINE,
    _together: FINE,
    _who_flashes: FINE,
    _first_or_last: CAUSAL,
    _next: CAUSAL,
    _sound_order: CAUSAL,
    _how_often: CAUSAL,
    _why: CAUSAL,
    _effect: CAUSAL,
    _direction: CAUSAL,
    _before_or_after: CAUSAL,
    _earlier_colour: CAUSAL,
}

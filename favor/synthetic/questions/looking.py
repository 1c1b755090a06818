"""Questions that a single frame answers."""

from collections.abc import Callable

from favor.synthetic import vocabulary as words
from favor.synthetic.chance import Rng, chance, pick, shuffled
from favor.synthetic.questions.items import CANDIDATES, SEEN, STATIC, Item, shuffled_choices
from favor.synthetic.scene import Figure, Scene
from favor.synthetic.vocabulary import PLACE_PHRASES, place_phrase

ALL_SHAPES = (*words.SHAPES, *words.OWN_SOUNDS)
APART = 0.2  # least distance between figures that are left or right of, above or below each other


def looking_questions(rng: Rng, scene: Scene, task: str) -> list[Item]:
    """Returns the questions that this picture allows, at most one of each kind."""
    items = [question(rng, scene) for question in FRAME_QUESTIONS]
    return [
        Item(task, text, answer, STATIC, SEEN, shuffled_choices(rng, answer, choices))
        for text, answer, choices in filter(None, items)
    ]


FrameQuestion = tuple[str, str, tuple[str, ...]]  # question, answer, choices


def steady(scene: Scene) -> list[Figure]:
    """Returns the figures that are visible throughout, without moving or changing colour."""
    return [
        figure
        for figure in scene.figures
        if len(figure.path) == 1 and not figure.turns and figure.is_shown(0) and figure.is_shown(scene.seconds)
    ]


def objects(rng: Rng, scene: Scene) -> tuple[str, ...]:
    """Returns five names: those in the scene, then others, about half of which mix its colours and shapes."""
    present = [f"the {figure.name}" for figure in scene.figures]
    mixed = [f"the {one.colour} {other.shape}" for one in scene.figures for other in scene.figures if one is not other]
    free = [f"the {pick(rng, tuple(words.COLOURS))} {pick(rng, ALL_SHAPES)}" for _ in range(10)]
    others = shuffled(rng, [*shuffled(rng, mixed)[:4], *free[:4]])
    return tuple(dict.fromkeys([*present, *others, *free]))[:CANDIDATES]


def _any(rng: Rng, figures: list[Figure]) -> Figure | None:
    return pick(rng, figures) if figures else None


def _colour(rng: Rng, scene: Scene) -> FrameQuestion | None:
    shapes = [figure.shape for figure in scene.figures]
    figure = _any(rng, [figure for figure in steady(scene) if shapes.count(figure.shape) == 1])
    if figure is None:
        return None
    text = pick(rng, (f"What colour is the {figure.shape}?", f"Which colour does the {figure.shape} have?"))
    return text, figure.colour, tuple(words.COLOURS)


def _shape(rng: Rng, scene: Scene) -> FrameQuestion | None:
    colours = [colour for figure in scene.figures for colour in (figure.colour, *(name for _, name in figure.turns))]
    figure = _any(rng, [figure for figure in steady(scene) if colours.count(figure.colour) == 1])
    if figure is None:
        return None
    text = pick(rng, (f"What is the {figure.colour} object?", f"Which shape is {figure.colour}?"))
    return text, figure.shape, ALL_SHAPES


def _number(rng: Rng, scene: Scene) -> FrameQuestion | None:
    if any(not figure.is_shown(time) for figure in scene.figures for time in (0, scene.seconds)):
        return None
    text = pick(rng, ("How many objects are there?", "How many objects do you see?"))
    return text, words.NUMBERS[len(scene.figures)], words.NUMBERS[1:5]


def _background(rng: Rng, scene: Scene) -> FrameQuestion | None:
    text = pick(rng, ("What colour is the background?", "Which colour does the background have?"))
    return text, scene.background, tuple(words.BACKGROUNDS)


def _existence(rng: Rng, scene: Scene) -> FrameQuestion | None:
    """Asks whether a figure is there: one that is, or one that shares its colour or shape with those that are."""
    names = {
        name
        for figure in scene.figures
        for name in (figure.name, *(f"{turned} {figure.shape}" for _, turned in figure.turns))
    }
    there = chance(rng, 0.5)
    if there:
        figure = _any(rng, steady(scene))
        name = None if figure is None else figure.name
    else:
        figure = _any(rng, list(scene.figures))
        assert figure is not None
        others = (
            [figure.shape]
            if len(scene.figures) == 1
            else [other.shape for other in scene.figures if other is not figure]
        )
        colours = tuple(words.COLOURS) if len(scene.figures) == 1 else (figure.colour,)
        absent = sorted({f"{colour} {shape}" for colour in colours for shape in others} - names)
        name = pick(rng, absent) if absent else None
    if name is None:
        return None
    text = pick(rng, (f"Is there {words.with_article(name)}?", f"Do you see {words.with_article(name)}?"))
    return text, "yes" if there else "no", ("yes", "no")


def _place(rng: Rng, scene: Scene) -> FrameQuestion | None:
    figure = _any(rng, steady(scene))
    if figure is None:
        return None
    return f"Where is the {figure.name}?", place_phrase(*figure.place(0)), PLACE_PHRASES


def _relation(rng: Rng, scene: Scene) -> FrameQuestion | None:
    figures = steady(scene)
    if len(figures) < 2:
        return None
    first, second = shuffled(rng, figures)[:2]
    ways = (("left of", "right of"), ("above", "below"))
    axis = int(rng.integers(2))
    distance = second.place(0)[axis] - first.place(0)[axis]
    if abs(distance) < APART:
        return None
    word = int(rng.integers(2))
    answer = "yes" if (distance > 0) == (word == 0) else "no"
    return f"Is the {first.name} {ways[axis][word]} the {second.name}?", answer, ("yes", "no")


def _size(rng: Rng, scene: Scene) -> FrameQuestion | None:
    figure = _any(rng, steady(scene))
    if figure is None:
        return None
    return (f"Is the {figure.name} small or large?", figure.size, tuple(words.SIZES))


def _texture(rng: Rng, scene: Scene) -> FrameQuestion | None:
    figures = steady(scene)
    wanted = pick(rng, words.TEXTURES)  # chosen first, so that plain figures do not dominate
    figure = _any(rng, [figure for figure in figures if figure.texture == wanted])
    if figure is None:
        return None
    return (f"Is the {figure.name} plain, striped or spotted?", figure.texture, words.TEXTURES)


def _side(rng: Rng, scene: Scene) -> FrameQuestion | None:
    figures = steady(scene)
    if len(figures) < 2 or len(figures) < len(scene.figures):
        return None
    side, axis, sign = pick(rng, (("left", 0, 1), ("right", 0, -1), ("top", 1, 1), ("bottom", 1, -1)))
    order = sorted(figures, key=lambda figure: sign * figure.place(0)[axis])
    if abs(order[0].place(0)[axis] - order[1].place(0)[axis]) < APART:
        return None
    return f"Which object is nearest to the {side}?", f"the {order[0].name}", objects(rng, scene)


FRAME_QUESTIONS: tuple[Callable[[Rng, Scene], FrameQuestion | None], ...] = (
    _colour,
    _shape,
    _number,
    _background,
    _existence,
    _place,
    _relation,
    _size,
    _texture,
    _side,
)

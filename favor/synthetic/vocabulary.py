"""The closed vocabulary of the generated world: its figures, sounds and words."""

import re


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


COLOURS = {
    "red": (225, 30, 30),
    "green": (20, 165, 50),
    "blue": (30, 60, 235),
    "yellow": (250, 220, 20),
    "orange": (250, 130, 10),
    "purple": (135, 30, 190),
    "pink": (255, 120, 190),
    "white": (250, 250, 250),
}
BACKGROUNDS = {"black": (15, 15, 15), "grey": (150, 152, 156), "brown": (105, 78, 56), "beige": (214, 196, 162)}
SHAPES = ("circle", "square", "triangle", "star", "cross")
SIZES = {"small": 0.085, "large": 0.14}  # half the height, as a fraction of the picture's
TEXTURES = ("plain", "striped", "spotted")

# Figures with a characteristic sound, which no other figure makes while they are in the picture.
OWN_SOUNDS = {"bell": "bell", "drum": "drum", "bird": "bird", "car": "engine"}

# Noun and verb of each sound, and whether it can be counted.
SOUNDS = {
    "bell": ("bell", "rings", True),
    "drum": ("drum", "beats", True),
    "horn": ("horn", "sounds", True),
    "whistle": ("whistle", "blows", True),
    "tone": ("tone", "beeps", True),
    "bird": ("bird", "chirps", False),
    "engine": ("engine", "hums", False),
    "siren": ("siren", "wails", False),
    "clock": ("clock", "ticks", False),
    "rain": ("rain", "falls", False),
}
COUNTED = tuple(kind for kind, (_, _, counted) in SOUNDS.items() if counted)
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
TIMES = {1: "once", 2: "twice", 3: "three times", 4: "four times"}

# The words on signs: short enough for large letters.
PRINTED = _words(
    "apple baby bank bear book bread bus cake cat chair city coat corn cup dog door exit farm fire fish food gate "
    "gold hat hill home hotel house ice king lake lamp leaf lion milk moon music north open paper park piano "
    "pilot queen radio river road room salt school sea ship shop snow south stop street sugar sun table taxi tea "
    "train tree wall water west wind zoo"
)

# Parts of the sentences that are read aloud.
PEOPLE = _words("boy girl man woman child doctor teacher farmer king queen pilot friend")
ANIMALS = _words("dog cat horse cow sheep lion bear fish rabbit mouse")
ACTIONS = _words("sees hears likes finds wants takes watches follows carries leaves opens paints")
QUALITIES = _words("old new young big little good happy quiet loud cold warm dark bright fast slow")
PLACES = _words("house school park river street city lake farm hill station garden kitchen")
TIMES_OF_DAY = _words("today tomorrow morning evening night monday sunday winter summer")
FUNCTION_WORDS = _words(
    "a an the and or but not no yes is are was there here this that then when while before after first last what "
    "which where how many who do does can you we they he she it in on at to from by with of near behind between "
    "into nothing question answer please above below have see nearest"
)
SCENE_WORDS = _words(
    "small large striped spotted plain left right top bottom middle up down background object objects picture "
    "word colour shape sound sign moves hits vanishes appears flashes turns stops heard seen says"
)

_NAMES = re.compile(rf"\b({'|'.join((*COLOURS, *SHAPES, *OWN_SOUNDS, *SOUNDS))})\b")


def with_article(name: str) -> str:
    """Returns "a red circle", "an orange circle"."""
    return f"{'an' if name[0] in 'aeio' else 'a'} {name}"


def spoken_words() -> tuple[str, ...]:
    """Returns every word that the voices can say, in alphabetical order."""
    nouns = [noun for noun, _, _ in SOUNDS.values()] + list(OWN_SOUNDS)
    verbs = [verb for _, verb, _ in SOUNDS.values()]
    scenes = (COLOURS, BACKGROUNDS, SHAPES, nouns, verbs, NUMBERS, SCENE_WORDS)
    stories = (PRINTED, PEOPLE, ANIMALS, ACTIONS, QUALITIES, PLACES, TIMES_OF_DAY, FUNCTION_WORDS)
    return tuple(sorted({word for group in (*scenes, *stories) for word in group}))


def wording(question: str) -> str:
    """Returns the last turn of a question with X in place of names, as in "Where is the X X?"."""
    return _NAMES.sub("X", question.rsplit(" USER: ", 1)[-1])


PLACE_COLUMNS = ("left", "middle", "right")
PLACE_ROWS = ("top", "middle", "bottom")
BORDERS = (0.35, 0.65)  # between the columns, and between the rows


def place_phrase(x: float, y: float) -> str:
    """Returns the phrase for a position: "on the left", "at the top right", "in the middle", ..."""
    column, row = (sum(value > border for border in BORDERS) for value in (x, y))
    if row == 1:
        return "in the middle" if column == 1 else f"on the {PLACE_COLUMNS[column]}"
    return f"at the {PLACE_ROWS[row]}" if column == 1 else f"at the {PLACE_ROWS[row]} {PLACE_COLUMNS[column]}"


PLACE_PHRASES = tuple(place_phrase(x, y) for y in (0.2, 0.5, 0.8) for x in (0.2, 0.5, 0.8))

from favor.synthetic.scene import Figure, Scene, Sign, Waypoint
from mini.facts import LETTERS
from mini.patch_labels import CLASSES, NAMES, patch_labels

GRID = 8
FIGURE = Figure(
    "star",
    "red",
    "large",
    "striped",
    (Waypoint(0.0, 0.2, 0.2),),
    shown=(0.0, 3.0),
    flashes=((1.0, 1.5),),
    turns=((2.0, "blue"),),
)
SCENE = Scene(4.0, "brown", figures=(FIGURE,), signs=(Sign("tea", 0.5, 0.87, 0.2),))


def told(time, row, column, kind):
    """The name of what lies on a patch, or None."""
    label = int(patch_labels(SCENE, time, GRID)[row * GRID + column, list(CLASSES).index(kind)])
    return NAMES[kind][label - 1] if label else None


def test_a_figure_lies_on_the_patches_that_it_covers():
    assert [told(0.0, 1, column, "shape") for column in range(4)] == [None, "star", "star", None]
    assert [told(0.0, row, 1, "size") for row in range(4)] == [None, "large", "large", None]
    assert told(0.0, 1, 1, "texture") == "striped"
    assert told(3.0, 1, 1, "shape") is None


def test_colours_and_halos_are_those_of_the_moment():
    assert [told(time, 1, 1, "colour") for time in (0.0, 1.9, 2.0)] == ["red", "red", "blue"]
    assert [told(time, 1, 1, "flash") for time in (0.9, 1.0, 1.5)] == ["dark", "bright", "dark"]


def test_the_background_is_told_everywhere():
    assert {told(0.0, row, column, "background") for row in range(GRID) for column in range(GRID)} == {"brown"}


def test_each_patch_of_a_sign_tells_all_its_letters():
    labels = patch_labels(SCENE, 0.0, GRID).reshape(GRID, GRID, -1)[..., list(CLASSES).index("letter0") :]
    letters = [2 + LETTERS.index(letter) for letter in "tea"] + [1, 1, 1]  # and behind the end
    assert labels[6, 3].tolist() == labels[7, 5].tolist() == letters
    assert not labels[:6].any()
    assert not labels[6, 0].any()

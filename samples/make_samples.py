"""Makes the sample clips: four scenes of the generated world, known to the last detail and free of anybody's rights.

    shapes.mp4   a red circle hits a blue square, which vanishes while a bell rings; then a green star flashes
    speech.mp4   a sign, and a voice that reads it aloud
    silent.mp4   a yellow star moves and turns white; the file has no sound
    rotated.mp4  a car drives to the right and hums; coded on its side, with a matrix that turns it upright

Run ``python samples/make_samples.py`` from anywhere; the same versions of PyAV and Pillow make the same bytes.
"""

from pathlib import Path

import numpy as np

from favor.synthetic.encoding import write_scene
from favor.synthetic.scene import Event, Figure, Scene, Sign, Sound, Waypoint
from favor.synthetic.sentences import LEAD, say

FOLDER = Path(__file__).parent


def shapes() -> Scene:
    """A collision that has a consequence, and a flash with a sound of its own."""
    path = (Waypoint(0.8, 0.2, 0.5), Waypoint(1.5, 0.54, 0.5), Waypoint(2.2, 0.2, 0.5))
    figures = (
        Figure("circle", "red", "large", "plain", path),
        Figure("square", "blue", "large", "plain", (Waypoint(0.0, 0.8, 0.5),), shown=(0.0, 1.5)),
        Figure("star", "green", "small", "plain", (Waypoint(0.0, 0.5, 0.2),), flashes=((3.8, 4.6),)),
    )
    events = (Event("hit", 1.5, 0, other=1, sound=0), Event("vanish", 1.5, 1, cause=0), Event("flash", 3.8, 2, sound=1))
    sounds = (Sound("bell", 1.5, 0.8), Sound("whistle", 3.8, 0.7, source=2))
    return Scene(6.0, "grey", figures=figures, events=events, sounds=sounds)


def speech() -> Scene:
    """Something to read and to hear, twice the same."""
    rng = np.random.default_rng(0)
    first = say(rng, "the sign says hotel", LEAD, "slt")
    second = say(rng, "a small orange cross is on the right", first.words[-1].end + 2 * LEAD, "slt")
    return Scene(
        round(second.words[-1].end + LEAD, 3),
        "black",
        figures=(Figure("cross", "orange", "small", "plain", (Waypoint(0.0, 0.8, 0.5),)),),
        utterances=(first, second),
        signs=(Sign("hotel", 0.5, 0.13, 0.2),),
    )


def silent() -> Scene:
    """A move and a change of colour."""
    path = (Waypoint(0.9, 0.2, 0.2), Waypoint(1.8, 0.8, 0.2))
    star = Figure("star", "yellow", "large", "plain", path, turns=((2.8, "white"),))
    events = (Event("move", 0.9, 0, detail="right"), Event("turn", 2.8, 0, detail="white"))
    return Scene(4.0, "brown", figures=(star,), events=events, audible=False)


def rotated() -> Scene:
    """A drive over a background that is darker at the top, so that it matters which way is up."""
    path = (Waypoint(1.5, 0.2, 0.8), Waypoint(2.4, 0.8, 0.8))
    car = Figure("car", "red", "large", "plain", path)
    events = (Event("move", 1.5, 0, detail="right", sound=0),)
    return Scene(5.0, "beige", "gradient", (car,), events, (Sound("engine", 1.5, 0.8),))


def main() -> None:
    """Writes all samples beside this script."""
    write_scene(FOLDER / "shapes.mp4", shapes())
    write_scene(FOLDER / "speech.mp4", speech())
    write_scene(FOLDER / "silent.mp4", silent())
    write_scene(FOLDER / "rotated.mp4", rotated(), turn=1)


if __name__ == "__main__":
    main()

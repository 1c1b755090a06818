"""Makes the sample clips: four scenes of the generated world with exact ground truth and no third-party rights.

    shapes.mp4   a blue square vanishes while a bell rings, then a green star flashes while a whistle blows
    speech.mp4   a sign, and a voice that reads it aloud
    silent.mp4   a blue circle flashes next to a yellow star; the file has no sound
    rotated.mp4  a car flashes and hums; stored rotated, with a display matrix that turns it upright

They show what favor-mini knows well: it mistakes moves and collisions for other events too often to show them here.
Run ``python samples/make_samples.py`` from any directory; the same versions of PyAV and Pillow make the same bytes.
"""

from pathlib import Path

import numpy as np

from favor.synthetic.rendering.film import write_scene
from favor.synthetic.scene import Event, Figure, Scene, Sign, Sound, Waypoint
from favor.synthetic.writing.sentences import LEAD, say

FOLDER = Path(__file__).parent


def shapes() -> Scene:
    """Returns a scene with two events, each with a sound."""
    figures = (
        Figure("circle", "red", "large", "plain", (Waypoint(0.0, 0.2, 0.5),)),
        Figure("square", "blue", "large", "plain", (Waypoint(0.0, 0.8, 0.8),), shown=(0.0, 1.4)),
        Figure("star", "green", "small", "plain", (Waypoint(0.0, 0.5, 0.2),), flashes=((3.3, 4.1),)),
    )
    events = (Event("vanish", 1.4, 1, sound=0), Event("flash", 3.3, 2, sound=1))
    return Scene(
        4.6, "grey", figures=figures, events=events, sounds=(Sound("bell", 1.4, 0.8), Sound("whistle", 3.3, 0.7))
    )


def speech() -> Scene:
    """Returns a scene with a sign and a voice that reads it."""
    spoken = say(np.random.default_rng(0), "the sign says hotel", LEAD, "slt")
    return Scene(
        round(spoken.words[-1].end + LEAD, 3),
        "black",
        figures=(Figure("cross", "orange", "small", "plain", (Waypoint(0.0, 0.8, 0.5),)),),
        utterances=(spoken,),
        signs=(Sign("hotel", 0.5, 0.13, 0.2),),
    )


def silent() -> Scene:
    """Returns a scene with a flash and no sound."""
    star = Figure("star", "yellow", "large", "plain", (Waypoint(0.0, 0.2, 0.2),))
    circle = Figure("circle", "blue", "small", "plain", (Waypoint(0.0, 0.5, 0.8),), flashes=((1.2, 1.9),))
    return Scene(2.6, "brown", figures=(star, circle), events=(Event("flash", 1.2, 1),), audible=False)


def rotated() -> Scene:
    """Returns a scene with a flash over a background that is darker at the top, so that its orientation matters."""
    car = Figure("car", "red", "large", "plain", (Waypoint(0.0, 0.2, 0.8),), flashes=((1.4, 2.1),))
    square = Figure("square", "green", "large", "plain", (Waypoint(0.0, 0.8, 0.2),))
    events = (Event("flash", 1.4, 0, sound=0),)
    return Scene(3.0, "beige", "gradient", (car, square), events, (Sound("engine", 1.4, 0.8, source=0),))


def main() -> None:
    """Writes all samples next to this script."""
    write_scene(FOLDER / "shapes.mp4", shapes())
    write_scene(FOLDER / "speech.mp4", speech())
    write_scene(FOLDER / "silent.mp4", silent())
    write_scene(FOLDER / "rotated.mp4", rotated(), turn=1)


if __name__ == "__main__":
    main()

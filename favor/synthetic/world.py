"""The generated world: clips, and questions about them with known answers."""

import dataclasses
from collections.abc import Callable, Collection, Sequence
from fractions import Fraction

import numpy as np

from favor.media.clip import DEFAULT_FRAMES_PER_SECOND, Clip
from favor.media.sampling import slot_count
from favor.synthetic.chance import Rng, chance, pick
from favor.synthetic.questions import tasks
from favor.synthetic.questions.dialogues import dialogues
from favor.synthetic.questions.items import Item
from favor.synthetic.questions.looking import looking_questions
from favor.synthetic.questions.tasks import Written
from favor.synthetic.questions.watching import watching_questions
from favor.synthetic.rendering.picture import render
from favor.synthetic.rendering.sound import render_sound
from favor.synthetic.scene import Scene
from favor.synthetic.writing import scenes

FRAME_SIZE = 128  # pixels, the input size of favor-mini
ATTEMPTS = 1000
VERSION = 2  # increased whenever the same seed makes different clips
SPLITS = {"train": 1, "validation": 2, "test": 3}  # the seed of each


@dataclasses.dataclass(frozen=True, eq=False)
class SyntheticClip:
    """A clip of the generated world.

    Attributes:
        clip: the frames and samples passed to the model.
        scene: the description that the clip was rendered from.
        items: questions about the clip with their answers.
    """

    clip: Clip
    scene: Scene
    items: tuple[Item, ...]


def _picture(rng: Rng, signs: float = 0.4) -> Written:
    scene = scenes.write_picture(rng, signs)
    return scene, [*tasks.captions(rng, scene), *looking_questions(rng, scene, "vqa"), *tasks.reading(rng, scene)]


def _signed_picture(rng: Rng) -> Written:
    return _picture(rng, signs=1.0)


def _asked_picture(rng: Rng) -> Written:
    return tasks.spoken_question(rng, scenes.write_picture(rng))


def _sounds(rng: Rng) -> Written:
    scene = scenes.write_sounds(rng)
    return scene, tasks.captions(rng, scene)


def _speech(rng: Rng) -> Written:
    scene = scenes.write_speech(rng)
    return scene, [*tasks.captions(rng, scene), *tasks.transcript(rng, scene, "asr")]


def _talk(rng: Rng) -> Written:
    scene = scenes.write_talk(rng)
    items = [*tasks.captions(rng, scene), *tasks.transcript(rng, scene, "avsr"), *tasks.reading(rng, scene)]
    return scene, [*items, *looking_questions(rng, scene, "video_qa")]


def _action(rng: Rng) -> Written:
    scene = scenes.write_action(rng)
    return scene, [*tasks.captions(rng, scene), *tasks.watching(rng, scene), *dialogues(rng, scene)]


def _source(rng: Rng) -> Written:
    scene = scenes.write_source(rng)
    return scene, [*tasks.captions(rng, scene), *tasks.watching(rng, scene), *tasks.source(rng, scene)]


def _match(rng: Rng) -> Written:
    if chance(rng, 0.5):
        return tasks.spoken_description(rng, scenes.write_picture(rng, signs=0.0))
    scene = scenes.write_match(rng)
    return scene, tasks.match(rng, scene)


# The writers of clips for each task.
RECIPES: dict[str, tuple[Callable[[Rng], Written], ...]] = {
    "asr": (_speech,),
    "ac": (_sounds,),
    "ic": (_picture,),
    "ocr": (_signed_picture,),
    "vqa": (_picture,),
    "video_qa": (_action,),
    "avsr": (_talk,),
    "avsd": (_action,),
    "isqa": (_asked_picture,),
    "avm": (_match,),
    "avssd": (_source,),
    "caption": (_picture, _sounds, _speech, _talk, _action, _action),
}
WORLD_TASKS = tuple(RECIPES)


def generate_clips(seed: int, index: int, tasks: Collection[str] | None = None) -> SyntheticClip:
    """Generates a clip; the same arguments give the same clip in any process.

    Each clip is made for one of the tasks, all of them equally often, and comes with questions for the other tasks too.
    Frames are (T, 128, 128, 3), two per second; an image has one frame and sets ``still``.

    Args:
        seed: seed of a split, such as those of ``SPLITS``; clips of different seeds are independent.
        index: number of the clip within the split.
        tasks: tasks to ask questions for; all of ``WORLD_TASKS`` if not given.

    Raises:
        ValueError: if a task is unknown or ``tasks`` is empty.
    """
    scene, items = write(seed, index, tasks)
    return SyntheticClip(render_clip(scene), scene, items)


def write(seed: int, index: int, tasks: Collection[str] | None = None) -> tuple[Scene, tuple[Item, ...]]:
    """Returns the scene and the questions of `generate_clips`, without its frames and samples.

    Raises:
        ValueError: if a task is unknown or ``tasks`` is empty.
    """
    wanted = WORLD_TASKS if tasks is None else tuple(task for task in WORLD_TASKS if task in tasks)
    if not wanted or set(tasks or ()) - set(WORLD_TASKS):
        raise ValueError(f"tasks must be some of {', '.join(WORLD_TASKS)}; got {tasks}")
    rng = np.random.default_rng((seed, index))
    scene, items = write_for(rng, pick(rng, wanted))
    return scene, tuple(item for item in items if item.task in wanted)


def write_for(rng: Rng, task: str) -> Written:
    """Returns a scene made for a task, with its questions for that task and for others."""
    recipes = RECIPES[task]
    for _ in range(ATTEMPTS):
        scene, items = pick(rng, recipes)(rng)
        if any(item.task == task for item in items):
            return scene, items
    raise AssertionError(f"no scene for {task} in {ATTEMPTS} attempts")


def ask_more(rng: Rng, scene: Scene, items: Sequence[Item], rounds: int) -> list[Item]:
    """Asks further visual questions about a scene, each round about other figures and events.

    Returns:
        The given items, followed by the new ones.
    """
    tasks = {item.task for item in items}
    known = {item.question: item for item in items}
    for _ in range(rounds):
        seen = looking_questions(rng, scene, "vqa") if tasks & {"vqa", "video_qa"} else []
        watched = watching_questions(rng, scene) if "video_qa" in tasks else []
        for item in (*seen, *watched):
            known.setdefault(item.question, item)
    return list(known.values())


def render_clip(scene: Scene, size: int = FRAME_SIZE) -> Clip:
    """Renders the frames, two per second, and the samples of a scene.

    Args:
        scene: the scene to render.
        size: height and width of the frames in pixels.
    """
    audio = render_sound(scene) if scene.audible else None
    if scene.picture == "none":
        return Clip(audio=audio)
    if scene.picture == "image":
        return Clip(render(scene, np.zeros(1), size)[0], audio)
    slots = slot_count(round(scene.seconds * 1000), 1000, Fraction(DEFAULT_FRAMES_PER_SECOND))
    times = np.arange(slots) / DEFAULT_FRAMES_PER_SECOND
    return Clip(render(scene, times, size), audio, times)

"""The generated world: clips, and questions about them whose answers are known."""

import dataclasses
from collections.abc import Callable, Collection, Sequence

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

FRAME_SIZE = 128  # pixels, what favor-mini looks at
ATTEMPTS = 1000
VERSION = 2  # grows whenever the same seed makes other clips
SPLITS = {"train": 1, "validation": 2, "test": 3}  # the seed of each


@dataclasses.dataclass(frozen=True, eq=False)
class SyntheticClip:
    """A clip of the generated world.

    Attributes:
        clip: what the model gets.
        scene: what happens in it.
        items: questions about it, and their answers.
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


# Which writers make clips with which tasks.
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
    """Makes a clip; the same arguments make the same clip in any process, whatever was made before.

    Each clip is made for one of the tasks, all of them equally often, and carries what else can be asked about it.
    Frames are (T, 128, 128, 3), two a second; images have one and ``still`` set.

    Args:
        seed: of a split, such as those of ``SPLITS``; clips of different seeds are independent.
        index: which clip.
        tasks: what may be asked; all of ``WORLD_TASKS`` if not given.

    Raises:
        ValueError: if there is no such task, or none at all.
    """
    scene, items = write(seed, index, tasks)
    return SyntheticClip(render_clip(scene), scene, items)


def write(seed: int, index: int, tasks: Collection[str] | None = None) -> tuple[Scene, tuple[Item, ...]]:
    """Returns the scene and the questions of `generate_clips`, without its frames and samples.

    Raises:
        ValueError: if there is no such task, or none at all.
    """
    wanted = WORLD_TASKS if tasks is None else tuple(task for task in WORLD_TASKS if task in tasks)
    if not wanted or set(tasks or ()) - set(WORLD_TASKS):
        raise ValueError(f"tasks must be some of {', '.join(WORLD_TASKS)}; got {tasks}")
    rng = np.random.default_rng((seed, index))
    scene, items = write_for(rng, pick(rng, wanted))
    return scene, tuple(item for item in items if item.task in wanted)


def write_for(rng: Rng, task: str) -> Written:
    """Returns a scene that is made for a task, and all that can be asked about it, of other tasks too."""
    recipes = RECIPES[task]
    for _ in range(ATTEMPTS):
        scene, items = pick(rng, recipes)(rng)
        if any(item.task == task for item in items):
            return scene, items
    raise AssertionError(f"no scene for {task} in {ATTEMPTS} attempts")


def ask_more(rng: Rng, scene: Scene, items: Sequence[Item], rounds: int) -> list[Item]:
    """Asks again about a scene whose picture is asked about, each time about other figures and events.

    Returns:
        The items, and then those that are new.
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
    """Draws and plays a scene at two frames a second.

    Args:
        scene: which.
        size: height and width of the frames.
    """
    audio = render_sound(scene) if scene.audible else None
    if scene.picture == "none":
        return Clip(audio=audio)
    if scene.picture == "image":
        return Clip(render(scene, np.zeros(1), size)[0], audio)
    times = np.arange(slot_count(round(scene.seconds * 1000), 1000)) / DEFAULT_FRAMES_PER_SECOND
    return Clip(render(scene, times, size), audio, times)

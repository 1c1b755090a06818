"""Teaches both Q-Formers by direct supervision: each of their tokens tells what is true of its place and time.

With ``--told`` the causal Q-Former learns to make the very tokens that the LLM has learnt to read (``telling``). Run it
as ``python -m favor.training.pretraining.perceiving MODEL_FOLDER OUTPUT``.
"""

import dataclasses
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from favor.checkpoints import write_folder
from favor.features import Features
from favor.model import FavorModel
from favor.synthetic import SPLITS, Item, SyntheticClip
from favor.synthetic.scene import Scene
from favor.synthetic.world import ask_more, render_clip, write_for
from favor.training.pretraining.facts import KINDS, LONGEST_SIGN, PLACES, half_seconds_heard, scene_facts
from favor.training.pretraining.loop import Course, Measures, course_parser, learn
from favor.training.pretraining.seeing import CLASSES, patch_labels, told_loss, told_right
from favor.training.pretraining.telling import FactCodes, load_codes
from favor.training.sources import LARGEST_INDEX, batch_generator

HEADS_FILE = Path("heads") / "heads.safetensors"  # in a folder of its own, since they are no weights of the model
SHARES = {"vqa": 4.0, "ocr": 2.0, "asr": 4.0, "ac": 1.5, "video_qa": 2.0, "avsr": 1.0, "avssd": 1.0, "avm": 0.5}
WEIGHTS = (
    {"word": 10.0}
    | {f"letter{place}": 2.0 for place in range(LONGEST_SIGN)}
    | {f"{look}{column}": 2.0 for look in ("shape", "colour") for column in range(3)}
)
CODES = 2.0  # weight of the distance to the LLM's own tokens
SHARPNESS = 0.2  # of telling facts by their codes
STREAM = 2  # the batches of seeing are stream 0, those of telling stream 1
REMEMBERED = 256  # clips that pictures and sounds are taken from
ROUNDS = 2  # of further questions to each clip
ALONE = 0.3  # of a batch that stays as it was made
TOLD = ("shape1", "colour1", "place1", "word", "sound_bell", "letter0", "letter2")  # in the reports


@dataclasses.dataclass(frozen=True)
class Lesson:
    """A clip as the frozen encoders perceive it, and what is true of it.

    Attributes:
        features: what is seen and heard.
        question: that the image Q-Former is asked.
        seen: the scene that is seen, if anything is.
        heard: the scene that is heard, if anything is.
        patches: (shown frames, patches, kinds of ``CLASSES``) what lies on each patch.
        items: all that is asked about it; nothing where picture and sound are of two scenes.
    """

    features: Features
    question: str
    seen: Scene
    heard: Scene
    patches: Tensor
    items: tuple[Item, ...] = ()


class Lessons:
    """Makes clips, and puts pictures and sounds of the last ones together anew, since perceiving them costs most.

    Args:
        model: that perceives.
        new: clips that are made for each batch.
        clips: of a batch.
        alone: the share of a batch that keeps its own sound.
        shares: how often clips are made for each task, against the others.
    """

    def __init__(self, model: FavorModel, new: int, clips: int, alone: float, shares: dict[str, float]) -> None:
        self.model, self.new, self.clips, self.alone, self.tasks = model, new, clips, alone, list(shares)
        self.grid = model.config.visual.image_size // model.config.visual.patch_size
        self.chances = np.array(list(shares.values())) / sum(shares.values())
        self.known: deque[Lesson] = deque(maxlen=REMEMBERED)

    def batch(self, number: int) -> list[Lesson]:
        """Makes a batch; it depends on those before it."""
        generator = batch_generator(SPLITS["train"], STREAM, number)
        self.known.extend(self._make(generator))
        seen = [lesson for lesson in self.known if lesson.seen.picture != "none"]
        heard = [lesson for lesson in self.known if lesson.heard.audible]
        batch = []
        for place in range(self.clips):
            lesson = self.known[generator.integers(len(self.known))]
            if seen and heard and place >= self.clips * self.alone:
                lesson = self._together(seen[generator.integers(len(seen))], heard[generator.integers(len(heard))])
            batch.append(lesson)
        return batch

    def _make(self, generator: np.random.Generator) -> list[Lesson]:
        tasks = generator.choice(self.tasks, size=self.new, p=self.chances)
        made = [self._clip(str(task), int(generator.integers(LARGEST_INDEX))) for task in tasks]
        features = self.model.encode([clip.clip for clip in made])
        return [
            Lesson(feature, _any_question(clip, generator), clip.scene, clip.scene, self._patches(clip), clip.items)
            for feature, clip in zip(features, made, strict=True)
        ]

    def _clip(self, task: str, index: int) -> SyntheticClip:
        rng = np.random.default_rng((SPLITS["train"], index))
        scene, items = write_for(rng, task)
        return SyntheticClip(render_clip(scene), scene, tuple(ask_more(rng, scene, items, ROUNDS)))

    def _patches(self, made: SyntheticClip) -> Tensor:
        times = () if made.clip.frame_times is None else made.clip.frame_times
        patches = [torch.from_numpy(patch_labels(made.scene, float(time), self.grid)) for time in times]
        return torch.stack(patches) if patches else torch.empty(0)

    def _together(self, seen: Lesson, heard: Lesson) -> Lesson:
        """The picture of one clip with the sound of another."""
        visual, slots, speech = seen.features.visual, seen.features.slots, heard.features.speech
        assert slots is not None
        if seen.seen.picture == "image":
            slots = slots.new_zeros(half_seconds_heard(heard.heard, self.model.config.speech))
        return Lesson(Features(visual, slots, speech), seen.question, seen.seen, heard.heard, seen.patches)


@dataclasses.dataclass(frozen=True)
class Perceived:
    """What became of a batch of lessons.

    Attributes:
        tokens: (tokens, width) of each, as the causal Q-Former made them.
        loss: a scalar.
        right: of some kinds of facts how many were told right, and how many there are.
    """

    tokens: list[Tensor]
    loss: Tensor
    right: Measures


class Perception(nn.Module):
    """The loss of a batch of lessons.

    Args:
        model: that looks and listens.
        codes: of the tokens that the LLM reads, if they are to be made.
    """

    def __init__(self, model: FavorModel, codes: FactCodes | None) -> None:
        super().__init__()
        self.model, self.codes = model, codes
        self.per_query = (model.config.visual.image_size // model.config.visual.patch_size) ** 2 // model.config.slots
        patches = nn.Linear(model.config.image_qformer.hidden_size, self.per_query * sum(CLASSES.values()))
        facts = nn.Linear(model.config.causal_qformer.hidden_size, sum(KINDS.values()))
        if codes is not None:  # a fact is told by the likeness of a token to its code
            with torch.no_grad():
                facts.weight.copy_(SHARPNESS * codes.codes.weight)
        self.heads = nn.ModuleDict({"patches": patches, "facts": facts})

    @property
    def free_heads(self) -> list[nn.Parameter]:
        """The parameters of the heads that learn."""
        tied = None if self.codes is None else self.heads["facts"].weight
        return [parameter for parameter in self.heads.parameters() if parameter is not tied]

    def forward(self, lessons: list[Lesson]) -> Perceived:
        """Looks, listens and compares."""
        model = self.model
        seen = model.modalities([lesson.features for lesson in lessons], [lesson.question for lesson in lessons])
        windows = [model.aligner.frames(one) for one in seen]
        tokens = model.aligner.join(model.aligner.query(windows)).flatten(0, 1)  # (all tokens, width)
        told = [scene_facts(lesson.seen, lesson.heard, model.config) for lesson in lessons]
        facts = torch.cat([torch.from_numpy(one).flatten(0, 1) for one in told])
        logits = dict(zip(KINDS, self.heads["facts"](tokens).split(list(KINDS.values()), dim=-1), strict=True))
        weight = sum(WEIGHTS.get(kind, 1.0) for kind in KINDS)
        loss = torch.stack(
            [WEIGHTS.get(kind, 1.0) / weight * told_loss(logits[kind], facts[:, PLACES[kind]]) for kind in KINDS]
        ).sum()
        loss = loss + self._patch_loss(lessons, [one.visual for one in seen])
        if self.codes is not None:
            loss = loss + CODES * F.mse_loss(tokens, self.codes(facts))
        right = {kind: told_right(logits[kind], facts[:, PLACES[kind]]) for kind in TOLD}
        return Perceived(list(tokens.split([one.shape[0] * one.shape[1] for one in told])), loss, right)

    def _patch_loss(self, lessons: list[Lesson], slots: list[Tensor | None]) -> Tensor:
        """What the image Q-Former's queries tell of the patches that they share out."""
        pairs = [(s[: len(lesson.patches)], lesson) for s, lesson in zip(slots, lessons, strict=True) if s is not None]
        if not pairs:
            return torch.zeros(())
        told = self.heads["patches"](torch.cat([s for s, _ in pairs]))  # (frames, queries, patches of each * classes)
        logits = told.unflatten(-1, (self.per_query, -1)).flatten(1, 2).split(list(CLASSES.values()), dim=-1)
        labels = torch.cat([lesson.patches for _, lesson in pairs])
        return torch.stack([told_loss(scores, labels[..., kind]) for kind, scores in enumerate(logits)]).mean()


def _any_question(clip: SyntheticClip, generator: np.random.Generator) -> str:
    return clip.items[generator.integers(len(clip.items))].question


def load_heads(perception: Perception, folder: Path) -> None:
    """Reads the heads that ``perceiving`` wrote beside a model, if it did."""
    if (folder / HEADS_FILE).exists():
        perception.heads.load_state_dict(load_file(folder / HEADS_FILE))


def save_heads(perception: Perception, folder: Path) -> None:
    """Writes the heads beside a model."""
    (folder / HEADS_FILE).parent.mkdir(exist_ok=True)
    save_file(perception.heads.state_dict(), folder / HEADS_FILE)


def teach(perception: Perception, lessons: Lessons, parts: Sequence[nn.Module], course: Course) -> bool:
    """Trains parts of the model, and the heads."""
    perception.model.requires_grad_(False)
    trained = [*(p for part in parts for p in part.parameters()), *perception.free_heads]

    def cost(number: int) -> tuple[Tensor, Measures]:
        perceived = perception(lessons.batch(number))
        return perceived.loss, perceived.right

    return learn(cost, [(trained, 1.0)], course)


def main() -> None:
    """Reads a model folder, teaches its Q-Formers and writes another one."""
    parser = course_parser(__doc__, steps=1500, batch=16, rate=1.5e-3)
    parser.add_argument("--told", type=Path, help="folder that telling wrote; its LLM goes into the output")
    parser.add_argument("--new", type=int, default=6, help="clips made for each batch")
    options = parser.parse_args()
    model = FavorModel.from_pretrained(options.model, device="cpu", dtype="float32")
    codes = None
    if options.told is not None:
        codes = load_codes(options.told, model.config.causal_qformer.hidden_size).requires_grad_(False)
        teller = FavorModel.from_pretrained(options.told, device="cpu", dtype="float32")
        model.llm.load_state_dict(teller.llm.state_dict())
        model.aligner.llm_proj.load_state_dict(teller.aligner.llm_proj.state_dict())
    torch.manual_seed(0)
    aligner = model.aligner
    parts = [model.image_qformer, *(child for name, child in aligner.named_children() if name != "llm_proj")]
    perception, lessons = Perception(model, codes), Lessons(model, options.new, options.batch, ALONE, SHARES)
    if codes is None:
        load_heads(perception, options.model)
    if teach(perception, lessons, parts, Course.of(options)):
        write_folder(model, model.config, model.prompter, options.output)
        save_heads(perception, options.output)


if __name__ == "__main__":
    main()

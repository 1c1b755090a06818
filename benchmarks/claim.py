"""The paper's claim: synchronisation and the causal Q-Former answer questions that need fine detail or causal order.

Seven variants learn from the same clips, of at most ten seconds, in the same number of steps. Encoders, image Q-Former
and the LLM's start are those of one trained model; what aligns them starts at random, and learns together with the LLM.

    python benchmarks/claim.py features MODEL claim                           # what the frozen parts make of all clips
    python benchmarks/claim.py train MODEL claim --variant favor --seed 0     # goes on where it was cut off
    python benchmarks/claim.py report claim                                   # a table and a plot of what is there
"""

import argparse
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from favor.aligner import Modalities
from favor.initialise import initialise
from favor.model import FavorModel
from favor.synthetic import SPLITS, Item
from favor.synthetic.world import render_clip, write_for
from favor.training.losses import diversity_loss
from favor.training.pretraining.loop import Course, learn
from favor.training.pretraining.telling import Asked, Teller
from favor.weights.make_initial import place

TASKS = ("video_qa", "avsd", "avssd")  # that ask about what is shorter than a second, and about order and cause
KINDS = ("static", "fine-grained", "causal")
LONGEST = 10.0  # s, so that one Q-Former can take a whole clip
QUESTION = "What do you see and hear?"  # the image Q-Former is asked the same of all clips
DIVERSITY = 0.1
LLM_FACTOR = 0.3  # of the learning rate: the LLM has learnt already
BATCH, CLIPS_AT_ONCE = 12, 8


@dataclasses.dataclass(frozen=True)
class Variant:
    """One way to align sound and picture.

    Attributes:
        title: for the reader.
        changes: of the causal Q-Former's configuration.
        runs: what the Q-Former is shown of a clip, one after the other.
    """

    title: str
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)
    runs: Callable[[Modalities], list[Modalities]] = lambda seen: [seen]


VARIANTS = {
    "favor": Variant("(a) FAVOR"),
    "not-causal": Variant("(b) without causal attention", {"direction": "none"}),
    "whole": Variant("(c) one Q-Former over the whole clip", {"resolutions": ((20, 64),), "max_positions": 640}),
    "apart": Variant(
        "(d) sound and picture in separate token runs",
        runs=lambda seen: [Modalities(visual=seen.visual), Modalities(speech=seen.speech)],
    ),
    "mute": Variant("(e) picture only", runs=lambda seen: [Modalities(visual=seen.visual)]),
    "released": Variant("(f) the released direction of the mask", {"direction": "released"}),
    "resolutions": Variant("(g) video-SALMONN's two resolutions", {"resolutions": ((10, 30), (1, 3))}),
}


def draw(split: str, clips: int) -> Iterator[tuple[int, str]]:
    """The indices and tasks of the first clips that are short enough and have both sound and picture."""
    index = found = 0
    while found < clips:
        task = TASKS[index % len(TASKS)]
        scene, _ = write(split, index, task)
        if scene.seconds <= LONGEST and scene.audible and scene.picture != "none":
            found += 1
            yield index, task
        index += 1


def write(split: str, index: int, task: str) -> tuple[Any, list[Item]]:
    """The scene, and the questions of the three kinds about it."""
    scene, items = write_for(np.random.default_rng((SPLITS[split], index)), task)
    return scene, [item for item in items if item.kind in KINDS]


def make_features(model: FavorModel, split: str, clips: int, path: Path) -> None:
    """Writes what the frozen parts make of clips, in half precision."""
    found, tensors = list(draw(split, clips)), {}
    for first in range(0, clips, CLIPS_AT_ONCE):
        some = found[first : first + CLIPS_AT_ONCE]
        features = model.encode([render_clip(write(split, index, task)[0]) for index, task in some])
        with torch.inference_mode():
            seen = model.modalities(features, [QUESTION] * len(some))
        for (index, task), one in zip(some, seen, strict=True):
            for name, tensor in (("visual", one.visual), ("speech", one.speech)):
                assert tensor is not None
                tensors[f"{index}/{task}/{name}"] = tensor.half().contiguous().clone()
        print(f"{split}: {min(first + CLIPS_AT_ONCE, clips)} of {clips} clips", end="\r", flush=True)
    print()
    partial = path.with_suffix(".partial")
    save_file(tensors, partial)
    partial.replace(path)


class Clips:
    """Clips as the frozen parts perceive them, and what is asked about them.

    Args:
        path: of ``make_features``.
        split: of the clips.
    """

    def __init__(self, path: Path, split: str) -> None:
        self.split, self.file = split, safe_open(path, framework="pt")
        names = self.file.keys()  # a list: it is no mapping
        self.names = sorted({name.rpartition("/")[0] for name in names})

    def __len__(self) -> int:
        return len(self.names)

    def seen(self, number: int) -> Modalities:
        """What the frozen parts make of a clip."""
        visual, speech = (self.file.get_tensor(f"{self.names[number]}/{name}").float() for name in ("visual", "speech"))
        return Modalities(visual, speech)

    def items(self, number: int) -> list[Item]:
        """What is asked about it."""
        index, task = self.names[number].split("/")
        return write(self.split, int(index), task)[1]


class Aligned(nn.Module):
    """A variant: clips become the tokens that are put before the LLM.

    Args:
        base: the trained model, of which all but the aligner is taken.
        variant: what is different.
        seed: of the aligner's start.
    """

    def __init__(self, base: FavorModel, variant: Variant, seed: int) -> None:
        super().__init__()
        qformer = dataclasses.replace(base.config.causal_qformer, **variant.changes)
        self.model = FavorModel(dataclasses.replace(base.config, causal_qformer=qformer), base.prompter).eval()
        initialise(self.model, seed)
        place(self.model)
        rest = {name: value for name, value in base.state_dict().items() if not name.startswith("aligner.")}
        self.model.load_state_dict(rest, strict=False)
        self.model.requires_grad_(False)
        self.runs, self.teller = variant.runs, Teller(self.model)

    def forward(self, clips: Sequence[Modalities]) -> tuple[list[Tensor], Tensor]:
        """Returns the tokens of each clip (tokens, width), and the diversity loss."""
        aligner = self.model.aligner
        windows = [[aligner.frames(run) for run in self.runs(clip)] for clip in clips]
        outputs = aligner.query([window for runs in windows for window in runs])
        counts = [sum(aligner.config.llm_tokens(len(window)) for window in runs) for runs in windows]
        return list(aligner.join(outputs).flatten(0, 1).split(counts)), diversity_loss(outputs[0])


def train(aligned: Aligned, clips: Clips, seed: int, course: Course) -> None:
    """Trains the aligner and the LLM."""
    prompter = aligned.model.prompter

    def cost(number: int) -> tuple[Tensor, dict[str, tuple[float, float]]]:
        numbers = np.random.default_rng((seed, number)).choice(len(clips), BATCH, replace=False)
        tokens, diversity = aligned([clips.seen(n) for n in numbers])
        loss, right = aligned.teller(tokens, [Asked.of(clips.items(n), prompter) for n in numbers])
        return loss + DIVERSITY * diversity, {"told": (loss.item(), 1.0), "tokens right": (right.item(), 1.0)}

    groups = [(list(aligned.model.aligner.parameters()), 1.0), (list(aligned.model.llm.parameters()), LLM_FACTOR)]
    learn(cost, groups, course)


@torch.inference_mode()
def ask(aligned: Aligned, clips: Clips) -> pd.DataFrame:
    """Asks everything about all clips: a row for each question, with whether the answer would be the very one."""
    rows = []
    for first in range(0, len(clips), BATCH):
        numbers = range(first, min(first + BATCH, len(clips)))
        items = [clips.items(n) for n in numbers]
        tokens, _ = aligned([clips.seen(n) for n in numbers])
        told = aligned.teller.told(tokens, [Asked.of(some, aligned.model.prompter) for some in items])
        rows += [
            {
                "clip": number,
                "kind": item.kind,
                "needs": " and ".join(sorted(item.needs)),
                "answer": item.answer,
                "chance": 1 / len(item.choices) if item.choices else 0.0,
                "right": right,
            }
            for number, some, rights in zip(numbers, items, told, strict=True)
            for item, right in zip(some, rights, strict=True)
        ]
    return pd.DataFrame(rows)


def interval(rows: pd.DataFrame, resamples: int = 2000) -> tuple[float, float, float]:
    """The accuracy and its interval of 95 %, over seeds and clips drawn anew with replacement."""
    by_clip = rows.groupby(["seed", "clip"]).right.agg(["sum", "count"]).unstack("clip", fill_value=0)
    right, count = by_clip["sum"].to_numpy(), by_clip["count"].to_numpy()
    dice = np.random.default_rng(0)
    seeds = dice.integers(right.shape[0], size=(resamples, right.shape[0], 1))
    drawn = dice.integers(right.shape[1], size=(resamples, 1, right.shape[1]))
    shares = right[seeds, drawn].sum((1, 2)) / count[seeds, drawn].sum((1, 2))
    return right.sum() / count.sum(), *np.percentile(shares, [2.5, 97.5])


def report(folder: Path) -> None:
    """Prints a table of all results in a folder, and draws it."""
    results = pd.concat(pd.read_parquet(path) for path in sorted(folder.glob("*.parquet")))
    first = results[(results.variant == results.variant.iloc[0]) & (results.seed == results.seed.iloc[0])]
    groups = first.groupby("kind")
    print("| | " + " | ".join(KINDS) + " |\n|" + "---|" * (1 + len(KINDS)))
    majority = {kind: groups.get_group(kind).answer.value_counts(normalize=True).iloc[0] for kind in KINDS}
    for name, shares in (("chance", groups.chance.mean()), ("the commonest answer always", majority)):
        print(f"| {name} | " + " | ".join(f"{100 * shares[kind]:.1f}" for kind in KINDS) + " |")
    figure, axes = plt.subplots(1, len(KINDS), figsize=(12, 3.5), sharey=True)
    for number, (name, variant) in enumerate(VARIANTS.items()):
        rows = results[results.variant == name]
        if rows.empty:
            continue
        values = [interval(rows[rows.kind == kind]) for kind in KINDS]
        cells = [f"{100 * mean:.1f} ({100 * low:.1f} to {100 * high:.1f})" for mean, low, high in values]
        print(f"| {variant.title}; seeds: {rows.seed.nunique()} | " + " | ".join(cells) + " |")
        for axis, (mean, low, high) in zip(axes, values, strict=True):
            axis.errorbar(100 * mean, -number, xerr=[[100 * (mean - low)], [100 * (high - mean)]], fmt="o", color="C0")
    for axis, kind in zip(axes, KINDS, strict=True):
        axis.set(title=kind, xlabel="% answered right")
        axis.axvline(100 * majority[kind], color="grey", linestyle=":")
        axis.set_yticks([-n for n in range(len(VARIANTS))], [variant.title for variant in VARIANTS.values()])
    figure.tight_layout()
    figure.savefig(folder / "claim.svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("features", "train", "report"):
        command = commands.add_parser(name)
        if name != "report":
            command.add_argument("model", type=Path, help="folder of the trained model")
        command.add_argument("folder", type=Path, help="where features and results lie")
        if name == "features":
            command.add_argument("--clips", type=int, default=3000, help="to learn from")
            command.add_argument("--asked", type=int, default=500, help="held-out clips to be asked about")
        if name == "train":
            command.add_argument("--variant", choices=VARIANTS, default="favor")
            command.add_argument("--seed", type=int, default=0)
            command.add_argument("--steps", type=int, default=800)
            command.add_argument("--rate", type=float, default=1.5e-3)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.command == "report":
        report(options.folder)
        return
    base = FavorModel.from_pretrained(options.model, device="cpu", dtype="float32")
    files = {split: options.folder / f"{split}.safetensors" for split in ("train", "test")}
    if options.command == "features":
        make_features(base, "test", options.asked, files["test"])
        make_features(base, "train", options.clips, files["train"])
        return
    name = f"{options.variant}-{options.seed}"
    aligned = Aligned(base, VARIANTS[options.variant], options.seed)
    course = Course(options.folder / name, options.steps, options.rate)
    train(aligned, Clips(files["train"], "train"), options.seed, course)
    rows = ask(aligned, Clips(files["test"], "test"))
    rows.assign(variant=options.variant, seed=options.seed).to_parquet(options.folder / f"{name}.parquet")
    print(rows.groupby("kind").right.mean().to_string())


if __name__ == "__main__":
    main()

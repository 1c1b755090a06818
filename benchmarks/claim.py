"""The paper's claim: synchronisation and the causal Q-Former answer questions that need fine detail or causal order.

Seven variants learn from the same clips, of at most ten seconds, in the same number of steps. Encoders, image Q-Former
and the LLM's start are those of one trained model; what aligns them starts at random, and learns together with the LLM
from the answers alone.

    python benchmarks/claim.py features MODEL claim                           # what the frozen parts make of all clips
    python benchmarks/claim.py train MODEL claim --variant favor --seed 0     # goes on where it was cut off
    python benchmarks/claim.py all MODEL claim --jobs 7                       # every variant with every seed
    python benchmarks/claim.py report claim                                   # a table and a plot of what is there
"""

import argparse
import dataclasses
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from favor.config import SPEECH_TOKENS_PER_FRAME
from favor.initialise import initialise
from favor.media.clip import Clip
from favor.model import FavorModel
from favor.placement import choose_device
from favor.synchronise import audio_frames
from favor.synthetic import SPLITS
from favor.synthetic.choosing import shuffled
from favor.synthetic.items import Item
from favor.synthetic.world import ask_more, render_clip, write_for
from favor.training.losses import diversity_loss
from favor.training.pretraining.codes import leave_adapters
from favor.training.pretraining.loop import Course, Measures, learn
from favor.training.pretraining.rows import Asked, Reader, lay_out
from favor.weights.make_initial import place

TASKS = ("video_qa", "avsd", "avssd")  # that ask about what is shorter than a second, and about order and cause
KINDS = ("static", "fine-grained", "causal")
LONGEST = 20  # half seconds, so that one Q-Former can take a whole clip
QUESTION = "What do you see and hear?"  # the image Q-Former is asked the same of all clips
ROUNDS, MOST = 3, 4  # of further questions to each clip, and questions of each kind at most
DIVERSITY = 0.1
LLM_FACTOR = 0.3  # of the learning rate: the LLM has learnt already
BATCH, CLIPS_AT_ONCE = 32, 32
TITLES = {
    "favor": "(a) FAVOR",
    "not-causal": "(b) without causal attention",
    "whole": "(c) one Q-Former over the whole clip",
    "apart": "(d) sound and picture in separate token runs",
    "mute": "(e) picture only",
    "released": "(f) the released direction of the mask",
    "resolutions": "(g) video-SALMONN's two resolutions",
}
CHANGES: dict[str, dict[str, Any]] = {  # of the causal Q-Former's configuration
    "not-causal": {"direction": "none"},
    "whole": {"resolutions": ((20, 64),), "max_positions": 640},
    "released": {"direction": "released"},
    "resolutions": {"resolutions": ((10, 30), (1, 3))},
}
RUNS = {"apart": (("visual",), ("speech",)), "mute": (("visual",),)}  # what the Q-Former is shown, one after the other


class World(Dataset[tuple[Clip, list[Item]] | None]):
    """Clips of a split that are short enough and have both sound and picture, and what is asked about them."""

    def __init__(self, split: str) -> None:
        self.split = split

    def __getitem__(self, index: int) -> tuple[Clip, list[Item]] | None:
        """A clip, or None where it is too long."""
        rng = np.random.default_rng((SPLITS[self.split], index))
        scene, items = write_for(rng, TASKS[index % len(TASKS)])
        if scene.seconds * 2 > LONGEST or not scene.audible or scene.picture != "video":
            return None
        items = shuffled(rng, ask_more(rng, scene, items, ROUNDS))
        return render_clip(scene), [item for kind in KINDS for item in [i for i in items if i.kind == kind][:MOST]]


@dataclasses.dataclass(frozen=True)
class Seen:
    """What the frozen parts make of clips.

    Attributes:
        visual: (clips, half seconds, slots, hidden).
        speech: (clips, half seconds, tokens of each, width).
        shown: (clips,) half seconds with a picture.
        heard: (clips,) half seconds with sound.
    """

    visual: Tensor
    speech: Tensor
    shown: Tensor
    heard: Tensor

    def __getitem__(self, numbers: Tensor) -> "Seen":
        """Some of the clips."""
        return Seen(*(getattr(self, field.name)[numbers] for field in dataclasses.fields(self)))


def make_features(model: FavorModel, split: str, clips: int, folder: Path, workers: int) -> None:
    """Writes what the frozen parts make of clips, in half precision, and what is asked about them."""
    loader = DataLoader(
        World(split), CLIPS_AT_ONCE, sampler=range(2 * clips), num_workers=workers, collate_fn=lambda made: made
    )
    parts: list[Seen] = []
    asked: list[list[dict[str, Any]]] = []
    for batch in loader:
        made = [one for one in batch if one is not None][: clips - len(asked)]
        if not made:
            break
        parts.append(perceive(model, [clip for clip, _ in made]))
        asked += [[dataclasses.asdict(item) | {"needs": sorted(item.needs)} for item in items] for _, items in made]
    seen = {
        field.name: torch.cat([getattr(part, field.name) for part in parts]).cpu() for field in dataclasses.fields(Seen)
    }
    save_file(seen, folder / f"{split}.safetensors")
    (folder / f"{split}.json").write_text(json.dumps(asked), encoding="utf-8")
    print(f"{split}: {len(asked)} clips, {sum(map(len, asked))} questions", flush=True)


@torch.inference_mode()
def perceive(model: FavorModel, clips: Sequence[Clip]) -> Seen:
    """What the frozen parts make of a few clips, filled up with zeros to ``LONGEST``."""
    seen = model.modalities(model.encode(clips), [QUESTION] * len(clips))
    pairs = [(one.visual, one.speech.unflatten(0, (-1, SPEECH_TOKENS_PER_FRAME))) for one in seen]
    visual, speech = (
        torch.stack([torch.cat([p, p.new_zeros(LONGEST - len(p), *p.shape[1:])]) for p in part]).half()
        for part in zip(*pairs, strict=True)
    )
    shown, heard = (torch.tensor([len(pair[place]) for pair in pairs]) for place in (0, 1))
    return Seen(visual, speech, shown, heard)


class Clips:
    """Clips as the frozen parts perceive them, and what is asked about them.

    Args:
        folder: of ``make_features``.
        split: of the clips.
        model: whose tokenizers are used.
    """

    def __init__(self, folder: Path, split: str, model: FavorModel) -> None:
        self.seen = Seen(**load_file(folder / f"{split}.safetensors", device=str(model.device)))
        rows = json.loads((folder / f"{split}.json").read_text(encoding="utf-8"))
        self.items = [[Item(**row | {"needs": frozenset(row["needs"])}) for row in some] for some in rows]
        self.asked = [Asked.of(items, model.prompter) for items in self.items]


class Aligned(nn.Module):
    """A variant: clips become the tokens that are put before the LLM.

    Args:
        base: the trained model, of which all but the aligner is taken.
        variant: one of ``TITLES``.
        seed: of the aligner's start.
    """

    def __init__(self, base: FavorModel, variant: str, seed: int) -> None:
        super().__init__()
        qformer = dataclasses.replace(base.config.causal_qformer, **CHANGES.get(variant, {}))
        self.model = FavorModel(dataclasses.replace(base.config, causal_qformer=qformer), base.prompter).eval()
        initialise(self.model, seed)
        place(self.model)
        rest = {name: value for name, value in base.state_dict().items() if not name.startswith("aligner.")}
        self.model.load_state_dict(self.model.state_dict() | rest)
        leave_adapters(self.model)
        self.model.requires_grad_(False)
        self.runs, self.reader = RUNS.get(variant, (("visual", "speech"),)), Reader(self.model)

    def forward(self, seen: Seen) -> tuple[Tensor, list[int], Tensor]:
        """Returns the tokens of all clips (tokens, width), how many each has, and the diversity loss."""
        parts = [self._query(seen, run) for run in self.runs]
        tokens, is_there = (torch.cat(part, dim=1) for part in zip(*((t, p) for t, p, _ in parts), strict=True))
        counts = (is_there.sum(1) * tokens.shape[2]).tolist()
        return tokens[is_there].flatten(0, 1), counts, torch.stack([loss for _, _, loss in parts]).mean()

    def _query(self, seen: Seen, run: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens (clips, blocks, queries, width), which blocks there are (clips, blocks), and the diversity loss."""
        aligner, frames = self.model.aligner, self.model.aligner.config.block_frames
        halves = audio_frames(aligner.speech_proj(seen.speech.float()).flatten(0, 2), aligner.slots)
        halves = halves.unflatten(0, (-1, LONGEST))
        visual = seen.visual.to(halves.dtype)
        streams = [visual if "visual" in run else visual * 0, halves if "speech" in run else halves * 0]
        numbers = torch.arange(LONGEST, device=visual.device)
        lengths = {"visual": seen.shown, "speech": seen.heard}
        is_frame = numbers < torch.stack([lengths[name] for name in run]).amax(0)[:, None]
        streams[1] = streams[1] * (numbers < seen.heard[:, None])[..., None, None]
        blocks, is_frame = (part.unflatten(1, (-1, frames)) for part in (torch.cat(streams, dim=-1), is_frame))
        is_there = is_frame.any(2)
        outputs = aligner.query_blocks(blocks[is_there].flatten(0, 1), is_frame[is_there].flatten())
        made = aligner.join(outputs)
        tokens = made.new_zeros(*is_there.shape, *made.shape[1:])
        tokens[is_there] = made
        return tokens, is_there, diversity_loss(outputs[0].float())


def train(aligned: Aligned, clips: Clips, seed: int, course: Course) -> None:
    """Trains the aligner and the LLM."""
    device, before = aligned.model.device, aligned.model.prompter.before_ids()

    def cost(step: int) -> tuple[Tensor, Measures]:
        numbers = np.random.default_rng((seed, step)).choice(len(clips.asked), BATCH, replace=False)
        with torch.autocast(device.type, torch.bfloat16):
            tokens, counts, diversity = aligned(clips.seen[torch.from_numpy(numbers).to(device)])
            told = aligned.reader(tokens, lay_out(counts, [clips.asked[n] for n in numbers], before).to(device))
        return told.loss + DIVERSITY * diversity, {"right": (told.right.sum(), len(told.right))}

    llm = [parameter for name, parameter in aligned.model.llm.named_parameters() if "lora_" not in name]
    learn(cost, [(list(aligned.model.aligner.parameters()), 1.0), (llm, LLM_FACTOR)], course)


@torch.inference_mode()
def ask(aligned: Aligned, clips: Clips) -> pd.DataFrame:
    """Asks everything about all clips: a row for each question, with whether the answer would be the very one."""
    device, before, rights = aligned.model.device, aligned.model.prompter.before_ids(), []
    for numbers in torch.arange(len(clips.asked)).split(BATCH):
        with torch.autocast(device.type, torch.bfloat16):
            tokens, counts, _ = aligned(clips.seen[numbers.to(device)])
            asked = [clips.asked[n] for n in numbers]
            rights += aligned.reader(tokens, lay_out(counts, asked, before).to(device)).right.tolist()
    items = [(number, item) for number, some in enumerate(clips.items) for item in some]
    return pd.DataFrame(
        {
            "clip": number,
            "kind": item.kind,
            "needs": " and ".join(sorted(item.needs)),
            "answer": item.answer,
            "chance": 1 / len(item.choices) if item.choices else 0.0,
            "right": right,
        }
        for (number, item), right in zip(items, rights, strict=True)
    )


Counts = tuple[np.ndarray, np.ndarray]  # (seeds, clips) questions answered right, and all questions


def count(rows: pd.DataFrame) -> Counts:
    """Questions answered right, and all, of each clip with each seed."""
    by_clip = rows.groupby(["seed", "clip"]).right.agg(["sum", "count"]).unstack("clip", fill_value=0)
    return by_clip["sum"].to_numpy(), by_clip["count"].to_numpy()


def drawn_shares(counts: Counts, resamples: int = 2000) -> np.ndarray:
    """Accuracies where seeds and clips are drawn anew with replacement: (resamples,); the same draws at each call."""
    right, total = counts
    dice = np.random.default_rng(0)
    seeds = dice.integers(right.shape[0], size=(resamples, right.shape[0], 1))
    clips = dice.integers(right.shape[1], size=(resamples, 1, right.shape[1]))
    return right[seeds, clips].sum((1, 2)) / total[seeds, clips].sum((1, 2))


def shown(mean: float, draws: np.ndarray, sign: str = "") -> str:
    """A share and its interval of 95 %, in percent."""
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{100 * mean:{sign}.1f} ({100 * low:{sign}.1f} to {100 * high:{sign}.1f})"


def share(counts: Counts) -> float:
    """The accuracy."""
    return float(counts[0].sum() / counts[1].sum())


def report(folder: Path) -> None:
    """Prints a table of all results in a folder, and draws it."""
    results = pd.concat(pd.read_parquet(path) for path in sorted(folder.glob("*.parquet")))
    first = results[(results.variant == results.variant.iloc[0]) & (results.seed == results.seed.iloc[0])]
    groups = first.groupby("kind")
    last = "fine-grained and causal, against (a)"
    print("| | " + " | ".join((*KINDS, last)) + " |\n|" + "---|" * (2 + len(KINDS)))
    print("| questions | " + " | ".join(str(len(groups.get_group(kind))) for kind in KINDS) + " | |")
    majority = {kind: groups.get_group(kind).answer.value_counts(normalize=True).iloc[0] for kind in KINDS}
    for name, shares in (("chance", groups.chance.mean()), ("the commonest answer always", majority)):
        print(f"| {name} | " + " | ".join(f"{100 * shares[kind]:.1f}" for kind in KINDS) + " | |")
    ours = count(results[(results.variant == "favor") & (results.kind != "static")])
    for name, rows in ((name, results[results.variant == name]) for name in TITLES):
        counts = [count(rows[rows.kind == kind]) for kind in KINDS]
        cells = [shown(share(one), drawn_shares(one)) for one in counts]
        theirs = count(rows[rows.kind != "static"])
        if name != "favor":
            cells.append(shown(share(theirs) - share(ours), drawn_shares(theirs) - drawn_shares(ours), "+"))
        print(f"| {TITLES[name]}; seeds: {rows.seed.nunique()} | " + " | ".join(cells) + " |" * (1 + (name == "favor")))
    draw(results, majority, folder / "claim.svg")


def draw(results: pd.DataFrame, majority: dict[str, float], path: Path) -> None:
    """Draws all accuracies with their intervals."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(KINDS), figsize=(12, 3.5), sharey=True)
    for axis, kind in zip(axes, KINDS, strict=True):
        for number, name in enumerate(TITLES):
            counts = count(results[(results.variant == name) & (results.kind == kind)])
            mean, (low, high) = share(counts), np.percentile(drawn_shares(counts), [2.5, 97.5])
            axis.errorbar(100 * mean, -number, xerr=[[100 * (mean - low)], [100 * (high - mean)]], fmt="o", color="C0")
        axis.set(title=kind, xlabel="% answered right")
        axis.axvline(100 * majority[kind], color="grey", linestyle=":")
        axis.set_yticks([-number for number in range(len(TITLES))], list(TITLES.values()))
    figure.tight_layout()
    figure.savefig(path)


def run_all(options: argparse.Namespace) -> None:
    """Trains every variant with every seed, a few at a time, each in a process of its own."""

    def run(pair: tuple[int, str]) -> int:
        seed, variant = pair
        command = [sys.executable, __file__, "train", str(options.model), str(options.folder), "--variant", variant]
        command += ["--seed", str(seed), "--steps", str(options.steps), "--rate", str(options.rate)]
        with (options.folder / f"{variant}-{seed}.log").open("w") as log:
            return subprocess.run([*command, "--device", options.device], stdout=log, stderr=log).returncode

    with ThreadPoolExecutor(options.jobs) as pool:
        failed = sum(map(bool, pool.map(run, product(range(options.seeds), TITLES))))
    print(f"{failed} of {options.seeds * len(TITLES)} runs failed; their logs lie in {options.folder}", flush=True)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("features", "train", "all", "report"):
        command = commands.add_parser(name)
        if name != "report":
            command.add_argument("model", type=Path, help="folder of the trained model")
            command.add_argument("--device", default="auto")
        command.add_argument("folder", type=Path, help="where features and results lie")
        if name == "features":
            command.add_argument("--clips", type=int, default=6000, help="to learn from")
            command.add_argument("--asked", type=int, default=500, help="held-out clips to be asked about")
            command.add_argument("--workers", type=int, default=1, help="processes that make clips")
        if name == "train":
            command.add_argument("--variant", choices=TITLES, default="favor")
            command.add_argument("--seed", type=int, default=0)
        if name == "all":
            command.add_argument("--seeds", type=int, default=3)
            command.add_argument("--jobs", type=int, default=1, help="runs at a time")
        if name in ("train", "all"):
            command.add_argument("--steps", type=int, default=1000)
            command.add_argument("--rate", type=float, default=1.5e-3)
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.command == "report":
        report(options.folder)
        return
    if options.command == "all":
        run_all(options)
        return
    torch.set_float32_matmul_precision("high")
    torch.backends.cuda.enable_cudnn_sdp(False)  # it plans anew for each length of a row
    if options.command == "features":
        base = FavorModel.from_pretrained(options.model, device=options.device, dtype="float32")
        make_features(base, "test", options.asked, options.folder, options.workers)
        make_features(base, "train", options.clips, options.folder, options.workers)
        return
    base = FavorModel.from_pretrained(options.model, device="cpu", dtype="float32")
    aligned = Aligned(base, options.variant, options.seed).to(choose_device(options.device))
    course = Course(options.folder / f"{options.variant}-{options.seed}", options.steps, options.rate)
    train(aligned, Clips(options.folder, "train", aligned.model), options.seed, course)
    rows = ask(aligned, Clips(options.folder, "test", aligned.model))
    rows.assign(variant=options.variant, seed=options.seed).to_parquet(course.output.with_suffix(".parquet"))
    print(rows.groupby("kind").right.mean().to_string())


if __name__ == "__main__":
    main()

"""The paper's claim: synchronisation and the causal Q-Former answer questions that need fine detail or causal order.

Seven variants are trained on the same clips, of at most ten seconds, for the same number of steps. Encoders and image
Q-Former come from one trained model, as do the initial LLM and projections; the causal Q-Former starts from random
weights. The only supervision is the answers.

Run it from the checkout with PYTHONPATH=. since it uses mini:

    python benchmarks/claim features MODEL claim                           # features of all clips from the frozen parts
    python benchmarks/claim train MODEL claim --variant favor --seed 0     # resumes an interrupted training
    python benchmarks/claim all MODEL claim --jobs 7                       # every variant with every seed
    python benchmarks/claim report claim                                   # a table and a plot of the results
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from clips import Clips, make_features
from outcome import report
from torch import Tensor
from variants import TITLES, Variant

from favor.models.favor.model import FavorModel
from favor.models.placement import choose_device
from mini.loop import Course, Measures, learn

DIVERSITY = 0.1
LLM_FACTOR = 0.05  # on the learning rate: the trained LLM would forget before the aligner provides useful tokens
BATCH = 8


def train(variant: Variant, clips: Clips, seed: int, course: Course) -> None:
    """Trains the aligner, and the LLM at a lower rate."""
    device = variant.model.device

    def cost(step: int) -> tuple[Tensor, Measures]:
        numbers = np.random.default_rng((seed, step)).choice(len(clips.asked), BATCH, replace=False)
        answers, diversity = variant.in_half_precision(
            clips.seen[torch.from_numpy(numbers).to(device)], [clips.asked[n] for n in numbers]
        )
        return answers.loss + DIVERSITY * diversity, {"right": (answers.right.sum(), len(answers.right))}

    llm = [parameter for name, parameter in variant.model.llm.named_parameters() if "lora_" not in name]
    learn(cost, [(list(variant.model.aligner.parameters()), 1.0), (llm, LLM_FACTOR)], course)


@torch.inference_mode()
def ask(variant: Variant, clips: Clips) -> pd.DataFrame:
    """Asks all questions; returns a row for each, with whether the answer would be exactly right."""
    answers = [
        variant.in_half_precision(clips.seen[numbers.to(variant.model.device)], [clips.asked[n] for n in numbers])[0]
        for numbers in torch.arange(len(clips.asked)).split(BATCH)
    ]
    rights = torch.cat([one.right for one in answers]).tolist()
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


def run_all(options: argparse.Namespace) -> None:
    """Trains every variant with every seed, each in a separate process, skipping those already done."""
    names = {f"{variant}-{seed}": (variant, seed) for seed, variant in product(range(options.seeds), TITLES)}
    missing = [name for name in names if not (options.folder / f"{name}.parquet").exists()]
    shared = ["--steps", str(options.steps), "--rate", str(options.rate), "--device", options.device]
    environment = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // options.jobs)), **os.environ}

    def run(name: str) -> int:
        variant, seed = names[name]
        command = [sys.executable, str(Path(__file__).parent), "train", str(options.model), str(options.folder)]
        command += ["--variant", variant, "--seed", str(seed), *shared]
        with (options.folder / f"{name}.log").open("w") as log:
            return subprocess.run(command, stdout=log, stderr=log, env=environment).returncode

    with ThreadPoolExecutor(options.jobs) as pool:
        failed = sum(map(bool, pool.map(run, missing)))
    print(f"{failed} of {len(missing)} runs failed; their logs are in {options.folder}", flush=True)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("features", "train", "all", "report"):
        command = commands.add_parser(name)
        if name != "report":
            command.add_argument("model", type=Path, help="folder of the trained model")
            command.add_argument("--device", default="auto")
        command.add_argument("folder", type=Path, help="folder of features and results")
        if name in ("features", "report"):
            command.add_argument("--clips", type=int, default=6000, help="clips for training")
        if name == "features":
            command.add_argument("--asked", type=int, default=500, help="held-out clips for evaluation")
            command.add_argument("--workers", type=int, default=1, help="processes that generate clips")
        if name == "train":
            command.add_argument("--variant", choices=TITLES, default="favor")
            command.add_argument("--seed", type=int, default=0)
        if name == "all":
            command.add_argument("--seeds", type=int, default=3)
            command.add_argument("--jobs", type=int, default=1, help="concurrent runs")
        if name in ("train", "all"):
            command.add_argument("--steps", type=int, default=1000, help=f"steps of {BATCH} clips each")
            command.add_argument("--rate", type=float, default=8e-4)
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.command == "report":
        report(options.folder, options.clips)
        return
    if options.command == "all":
        run_all(options)
        return
    torch.set_float32_matmul_precision("high")
    torch.backends.cuda.enable_cudnn_sdp(False)  # it builds a new plan for each row length
    if options.command == "features":
        base = FavorModel.from_pretrained(options.model, device=options.device, dtype="float32")
        make_features(base, "test", options.asked, options.folder, options.workers)
        make_features(base, "train", options.clips, options.folder, options.workers)
        return
    base = FavorModel.from_pretrained(options.model, device="cpu", dtype="float32")
    variant = Variant(base, options.variant, options.seed).to(choose_device(options.device))
    course = Course(options.folder / f"{options.variant}-{options.seed}", options.steps, options.rate)
    train(variant, Clips(options.folder, "train", variant.model), options.seed, course)
    rows = ask(variant, Clips(options.folder, "test", variant.model))
    rows.assign(variant=options.variant, seed=options.seed).to_parquet(course.output.with_suffix(".parquet"))
    print(rows.groupby("kind").right.mean().to_string())


if __name__ == "__main__":
    main()

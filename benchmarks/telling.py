"""The LLM's accuracy from perfect facts for each type of question: an upper bound for its answers about clips.

Run it with:  PYTHONPATH=. python benchmarks/telling.py FOLDER [--perceived]  on a folder written by mini.pretrain.
With --perceived it answers from the clips as the model perceives them, with each question, as in normal use.
"""

import argparse
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from favor.models.favor.model import FavorModel
from favor.synthetic import SPLITS
from favor.synthetic.scene import Scene
from favor.synthetic.vocabulary import COLOURS, OWN_SOUNDS, SHAPES, SIZES, SOUNDS, TEXTURES
from favor.synthetic.world import render_clip, write_for
from mini.fact_tokens import FactCodes
from mini.facts import scene_facts
from mini.objective import PretrainingObjective
from mini.packing import Asked, lay_out

TASKS = ("vqa", "video_qa")
NAMES = (*COLOURS, *SHAPES, *OWN_SOUNDS, *SIZES, *TEXTURES, *(noun for noun, _, _ in SOUNDS.values()))
NAMED = re.compile(rf"\b(?:{'|'.join(NAMES)})\b")
WORDS = 5  # first words of a question, by which its type is identified


def perceive(model: FavorModel, scene: Scene, questions: Sequence[str]) -> list[Tensor]:
    """Returns the causal Q-Former's tokens for a scene's clip and each question: (tokens, width) each."""
    features = model.encode([render_clip(scene, model.config.visual.image_size)]) * len(questions)
    windows = [model.aligner.frames(seen) for seen in model.modalities(features, questions)]
    return list(model.aligner.join(model.aligner.query(windows)).flatten(0, 1).chunk(len(questions)))


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--perceived", action="store_true", help="answer from clips rather than from facts")
    options = parser.parse_args()
    model = FavorModel.from_pretrained(options.folder, device="cpu", dtype="float32")
    learning = PretrainingObjective(model, FactCodes(model.config.causal_qformer.hidden_size))
    if not learning.load(options.folder):
        parser.error(f"{options.folder} contains no codes; give a folder written by mini.pretrain")
    right: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for index in range(options.scenes):
        scene, items = write_for(np.random.default_rng((SPLITS["validation"], index)), TASKS[index % len(TASKS)])
        if options.perceived:
            tokens = perceive(model, scene, [item.question for item in items])
            asked = [Asked.of([item], model.prompter) for item in items]
        else:
            tokens = [learning.codes(torch.from_numpy(scene_facts(scene, scene, model.config)).flatten(0, 1))]
            asked = [Asked.of(items, model.prompter)]
        rows = lay_out([len(one) for one in tokens], asked, model.prompter.before_ids())
        for item, one in zip(items, learning.reader(torch.cat(tokens), rows).right.tolist(), strict=True):
            right[item.kind or item.task, " ".join(NAMED.sub("X", item.question).split()[:WORDS])].append(one)
    for (kind, wording), answers in sorted(right.items()):
        print(f"{kind:12s} {wording:40s} {sum(answers):4d} of {len(answers):4d} {np.mean(answers):.2f}")


if __name__ == "__main__":
    main()

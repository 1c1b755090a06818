"""What an LLM answers from perfect facts, by the sort of question: the bound of what it can say of clips.

Run it with:  python benchmarks/telling.py FOLDER  on a folder that favor.training.pretraining.telling wrote.
"""

import argparse
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from favor.model import FavorModel
from favor.synthetic import SPLITS
from favor.synthetic.vocabulary import COLOURS, OWN_SOUNDS, SHAPES, SIZES, SOUNDS, TEXTURES
from favor.synthetic.world import write_for
from favor.training.pretraining.facts import scene_facts
from favor.training.pretraining.telling import Asked, Teller, load_codes

TASKS = ("vqa", "video_qa")
NAMES = (*COLOURS, *SHAPES, *OWN_SOUNDS, *SIZES, *TEXTURES, *(noun for noun, _, _ in SOUNDS.values()))
NAMED = re.compile(rf"\b(?:{'|'.join(NAMES)})\b")
WORDS = 5  # of a question, which tell its sort


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenes", type=int, default=300)
    options = parser.parse_args()
    model = FavorModel.from_pretrained(options.folder, device="cpu", dtype="float32")
    codes, teller = load_codes(options.folder, model.config.causal_qformer.hidden_size), Teller(model)
    right: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for index in range(options.scenes):
        scene, items = write_for(np.random.default_rng((SPLITS["validation"], index)), TASKS[index % len(TASKS)])
        facts = torch.from_numpy(scene_facts(scene, scene, model.config)).flatten(0, 1)
        with torch.inference_mode():
            told = teller.told([codes(facts)], [Asked.of(items, model.prompter)])[0]
        for item, one in zip(items, told, strict=True):
            right[item.kind or item.task, " ".join(NAMED.sub("X", item.question).split()[:WORDS])].append(one)
    for (kind, wording), answers in sorted(right.items()):
        print(f"{kind:12s} {wording:40s} {sum(answers):4d} of {len(answers):4d} {np.mean(answers):.2f}")


if __name__ == "__main__":
    main()

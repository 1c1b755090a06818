"""The cost of training favor-mini on an example of each kind: CPU milliseconds, forward and backward, on one core.

Run it with:  OMP_NUM_THREADS=1 python benchmarks/training.py
"""

import time

from favor.models.favor.model import FavorModel
from favor.training.mixing import draw_batch
from favor.training.objective import Objective
from favor.training.parts import unfreeze
from favor.training.recipe import Mix, Parts, Stage
from favor.training.sources import WorldSource, batch_generator

QUESTIONS = {"text": 4, "vqa": 8, "ic": 1, "asr": 1, "ac": 1, "video_qa": 4, "avssd": 1, "caption": 1}
BATCHES = 3  # after a warm-up batch


def cost(model: FavorModel, kind: str, questions: int) -> tuple[float, float, int]:
    """Returns CPU milliseconds per example for training and for generating its clip, and examples per batch."""
    parts = Parts(image_qformer="full", language="full")
    stage = Stage(kind, 1, parts, Mix(**{kind: 1}), clips=8, questions=questions, dropout="none", matching=0)
    unfreeze(model, stage)
    objective, examples, spent, made = Objective(model), 0, 0.0, 0.0
    for number in range(BATCHES + 1):
        began = time.process_time()
        batch = draw_batch(stage, WorldSource(), batch_generator(0, 0, number))
        drawn = time.process_time()
        losses = objective(batch)
        (losses.answer + stage.diversity * losses.diversity).backward()
        if number:
            examples, spent, made = examples + len(batch), spent + time.process_time() - drawn, made + drawn - began
    return 1000 * spent / examples, 1000 * made / examples, examples // BATCHES


def main() -> None:
    model = FavorModel.from_pretrained("favor-mini", device="cpu")
    parts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    print(f"{sum(parts.values()):,} parameters: {parts}")
    for kind, questions in QUESTIONS.items():
        trained, made, count = cost(model, kind, questions)
        print(f"{kind}: {trained:.0f} ms training, {made:.1f} ms making, {count} examples of 8 clips")


if __name__ == "__main__":
    main()

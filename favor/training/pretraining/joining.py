"""Lets Q-Formers and LLM, which learnt apart, learn on together: what is perceived is told.

Run it as ``python -m favor.training.pretraining.joining MODEL_FOLDER OUTPUT``, on what ``perceiving`` wrote.
"""

import torch
from torch import Tensor

from favor.checkpoints import write_folder
from favor.model import FavorModel
from favor.training.pretraining.loop import Course, Measures, course_parser, learn
from favor.training.pretraining.perceiving import Lessons, Perception, load_heads, save_heads
from favor.training.pretraining.telling import SHARES, Asked, Teller

ALONE = 0.75  # of a batch is asked about; the rest pairs pictures with foreign sounds, and is only perceived
PERCEPTION = 0.2  # weight of what each token should tell


def teach(perception: Perception, lessons: Lessons, course: Course) -> bool:
    """Trains all but the encoders."""
    model = perception.model
    teller = Teller(model)
    model.requires_grad_(False)
    parts = (model.image_qformer, model.aligner, model.llm, perception.heads)

    def cost(number: int) -> tuple[Tensor, Measures]:
        batch = lessons.batch(number)
        perceived = perception(batch)
        pairs = [pair for pair in zip(perceived.tokens, batch, strict=True) if pair[1].items]
        asked = [Asked.of(lesson.items, model.prompter) for _, lesson in pairs]
        loss, right = teller([tokens for tokens, _ in pairs], asked)
        measures = {"told": (loss.item(), 1.0), "tokens right": (right.item(), 1.0)} | perceived.right
        return loss + PERCEPTION * perceived.loss, measures

    return learn(cost, [([p for part in parts for p in part.parameters()], 1.0)], course)


def main() -> None:
    """Reads a model folder, teaches it and writes another one."""
    parser = course_parser(__doc__, steps=1500, batch=12, rate=6e-4)
    parser.add_argument("--new", type=int, default=4, help="clips made for each batch")
    options = parser.parse_args()
    model = FavorModel.from_pretrained(options.model, device="cpu", dtype="float32")
    torch.manual_seed(0)
    lessons = Lessons(model, options.new, options.batch, ALONE, SHARES)
    perception = Perception(model, None)
    load_heads(perception, options.model)
    if teach(perception, lessons, Course.of(options)):
        write_folder(model, model.config, model.prompter, options.output)
        save_heads(perception, options.output)


if __name__ == "__main__":
    main()

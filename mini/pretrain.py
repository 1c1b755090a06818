"""Teaches a favor-mini all that starts from nothing: to see, to listen, to bring both together and to tell.

In each step the LLM answers questions about scenes. At first facts stand where the tokens of a clip will stand, so that
it learns to tell what is true, while ViT and Q-Formers learn to make these very tokens out of pictures and sound; from
``--join`` on what is perceived is told. The speech encoder stays as it is.

Run it as ``python -m mini.pretrain MODEL OUTPUT``, on a GPU if there is one. It goes on from an earlier
output with ``--join 0`` and the number of the ``--first`` batch that was not met.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from favor.models.favor.model import FavorModel
from favor.models.favor.saving import write_folder
from favor.models.placement import choose_device
from favor.synthetic.rendering.voices import VOICES, recording
from mini.batches import Batch, SceneBatches
from mini.fact_tokens import FactCodes, disable_adapters, init_attention, init_codes_from_embeddings
from mini.loop import Course, Group, Measures, learn
from mini.objective import PretrainingObjective

TABLES = ("embed_tokens.weight", "codes.codes.weight", "seen.weight", "shown.weight")  # whose rows are met rarely
TABLES_FACTOR = 5.0  # of their learning rate
PREFETCHED = 3  # batches of each worker
ROUNDING = 64  # of a GPU's frames and pieces of sound


def parse_options() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of what learns; mini.initial_weights makes one")
    parser.add_argument("output", type=Path, help="folder of the model that has learnt")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--clips", type=int, default=96, help="of each step")
    parser.add_argument("--scenes", type=int, default=64, help="of each step, of which only is told what is true")
    parser.add_argument("--join", type=float, default=0.3, help="the share of the steps before perception is told")
    parser.add_argument("--first", type=int, default=0, help="number of the first batch")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="the highest learning rate")
    parser.add_argument("--workers", type=int, default=1, help="processes that make clips")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), help="bfloat16 on a GPU, float32 elsewhere")
    return parser.parse_args()


def make_batches(lessons: SceneBatches, numbers: range, workers: int, device: torch.device) -> Iterator[Batch]:
    """The batches of these numbers, made ahead."""
    for voice in VOICES:
        recording(voice)  # read once, for all workers
    loader = DataLoader(
        lessons,
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        prefetch_factor=PREFETCHED if workers else None,
        pin_memory=device.type == "cuda",
    )
    return (batch.to(device) for batch in loader)


def parameter_groups(learning: PretrainingObjective) -> list[Group]:
    """All that learns: everything but the speech encoder and the adapters."""
    wanted = {
        name: parameter
        for name, parameter in learning.named_parameters()
        if not name.startswith("model.speech.") and "lora_" not in name
    }
    tables = {name for name in wanted if name.endswith(TABLES)}
    rest = [parameter for name, parameter in wanted.items() if name not in tables]
    return [(rest, 1.0), ([wanted[name] for name in wanted if name in tables], TABLES_FACTOR)]


def teach(learning: PretrainingObjective, lessons: SceneBatches, options: argparse.Namespace) -> None:
    """Trains a model."""
    device = learning.model.llm.device
    learning.requires_grad_(False)
    precision = options.precision or ("bfloat16" if device.type == "cuda" else "float32")
    batches: Iterator[Batch] | None = None

    def cost(step: int) -> tuple[Tensor, Measures]:
        nonlocal batches
        numbers = range(options.first + step, options.first + options.steps)
        batches = batches or make_batches(lessons, numbers, options.workers, device)
        batch = next(batches)
        torch.manual_seed(step)  # of the noise, so that a run that goes on ends with the same weights
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            return learning(batch, joined=step >= options.join * options.steps)

    learn(cost, parameter_groups(learning), Course(options.output, options.steps, options.rate))


def main() -> None:
    """Reads a model folder, teaches the model and writes another one, with what it has learnt beside it."""
    options = parse_options()
    device = choose_device(options.device)
    torch.set_float32_matmul_precision("high")
    torch.backends.cuda.enable_cudnn_sdp(False)  # it plans anew for each length of a row
    model = FavorModel.from_pretrained(options.model, device="cpu", dtype="float32")
    torch.manual_seed(0)
    disable_adapters(model)
    learning = PretrainingObjective(model, FactCodes(model.config.causal_qformer.hidden_size))
    if not learning.load(options.model):
        init_codes_from_embeddings(learning.codes, model)
        init_attention(model)
    rounding = ROUNDING if device.type == "cuda" else 1
    lessons = SceneBatches(model.prompter, model.config, options.clips, options.scenes, rounding)
    teach(learning.to(device), lessons, options)
    write_folder(learning.cpu().model, model.config, model.prompter, options.output)
    learning.save(options.output)


if __name__ == "__main__":
    main()

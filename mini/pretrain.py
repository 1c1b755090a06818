"""Pretrains the ViT, the Q-Formers and the LLM of favor-mini, which start from random weights.

In each step the LLM answers questions about scenes. At first it reads encoded facts in place of a clip's tokens, while
the ViT and the Q-Formers learn to produce these tokens from frames and sound; after the ``--join`` fraction of the
steps it reads the tokens that they produce. The speech encoder stays frozen.

Run it as ``python -m mini.pretrain MODEL OUTPUT``, on a GPU if there is one. To continue from an earlier output, pass
``--join 0`` and the number of the first unused batch as ``--first``.
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

TABLES = ("embed_tokens.weight", "codes.codes.weight", "seen.weight", "shown.weight")  # their rows are rarely used
TABLES_FACTOR = 5.0  # factor on their learning rate
PREFETCHED = 3  # batches per worker
ROUNDING = 64  # for the numbers of frames and of pieces of sound on a GPU


def parse_options() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of the model to train; mini.initial_weights makes one")
    parser.add_argument("output", type=Path, help="folder for the trained model")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--clips", type=int, default=96, help="clips per step")
    parser.add_argument("--scenes", type=int, default=64, help="further scenes per step, given as facts only")
    parser.add_argument("--join", type=float, default=0.3, help="fraction of the steps with facts in place of clips")
    parser.add_argument("--first", type=int, default=0, help="number of the first batch")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="peak learning rate")
    parser.add_argument("--workers", type=int, default=1, help="processes that generate clips")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), help="default: bfloat16 on a GPU, else float32")
    return parser.parse_args()


def make_batches(lessons: SceneBatches, numbers: range, workers: int, device: torch.device) -> Iterator[Batch]:
    """Returns an iterator over the batches with these numbers, prefetched by the workers."""
    for voice in VOICES:
        recording(voice)  # read once, shared by all workers
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
    """Returns the trained parameters: all but the speech encoder and the adapters."""
    wanted = {
        name: parameter
        for name, parameter in learning.named_parameters()
        if not name.startswith("model.speech.") and "lora_" not in name
    }
    tables = {name for name in wanted if name.endswith(TABLES)}
    rest = [parameter for name, parameter in wanted.items() if name not in tables]
    return [(rest, 1.0), ([wanted[name] for name in wanted if name in tables], TABLES_FACTOR)]


def teach(learning: PretrainingObjective, lessons: SceneBatches, options: argparse.Namespace) -> None:
    """Trains the objective's model on batches of scenes."""
    device = learning.model.llm.device
    learning.requires_grad_(False)
    precision = options.precision or ("bfloat16" if device.type == "cuda" else "float32")
    batches: Iterator[Batch] | None = None

    def cost(step: int) -> tuple[Tensor, Measures]:
        nonlocal batches
        numbers = range(options.first + step, options.first + options.steps)
        batches = batches or make_batches(lessons, numbers, options.workers, device)
        batch = next(batches)
        torch.manual_seed(step)  # for the noise, so that a resumed run ends with the same weights
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            return learning(batch, joined=step >= options.join * options.steps)

    learn(cost, parameter_groups(learning), Course(options.output, options.steps, options.rate))


def main() -> None:
    """Loads a model folder, trains the model and writes it to another, together with the objective's parameters."""
    options = parse_options()
    device = choose_device(options.device)
    torch.set_float32_matmul_precision("high")
    torch.backends.cuda.enable_cudnn_sdp(False)  # it builds a new plan for each row length
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

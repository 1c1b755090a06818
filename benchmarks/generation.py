"""Throughput of answering eight unequal windows in a batch against one by one, with the same tokens.

Generation is timed: the prefill, which costs as much per row in a batch as alone, and the tokens of the answer, for
which a batch reads the weights once. Both arms take turns several times, and the median of the ratios is printed. It
takes two idle cores. Run it with:  GOMP_SPINCOUNT=30000 python benchmarks/generation.py, the value that the commands
set
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from favor import Clip, FavorModel, GenerationOptions
from favor.importing.random_model import import_random
from favor.importing.release import ImportOptions
from favor.models.favor.generation import generate_tokens
from favor.models.favor.language import pad_left

QUESTIONS = [f"What is the source of the sound{' of the car' * place}?" for place in range(8)]
NEW_TOKENS, ROUNDS = 128, 3
MIDDLE = {"hidden_size": 768, "intermediate_size": 2112, "num_hidden_layers": 12, "num_attention_heads": 12}
RATE = 16_000


def windows() -> list[Clip]:
    """Generates windows as in an archive: most last 30 s; some are shorter or lack sound or picture."""
    generator = np.random.default_rng(0)
    seconds = (30, 28, 30, 12, 30, 7, 30, 19)
    frames = [generator.integers(0, 255, (2 * length, 128, 128, 3)).astype(np.uint8) for length in seconds]
    audio = [(0.1 * generator.standard_normal(length * RATE)).astype(np.float32) for length in seconds]
    return [
        Clip(frames=None if place == 5 else f, audio=None if place == 3 else a)
        for place, (f, a) in enumerate(zip(frames, audio, strict=True))
    ]


@torch.inference_mode()
def run(model: FavorModel, prompts: list[Tensor], batch_size: int, tokens: int) -> tuple[float, list[tuple[int, ...]]]:
    """Returns the seconds that all answers take, and their tokens."""
    options = GenerationOptions(max_new_tokens=tokens, min_new_tokens=tokens)
    batches = [prompts[start : start + batch_size] for start in range(0, len(prompts), batch_size)]
    start = time.perf_counter()
    rows = [row for batch in batches for row in generate_tokens(model.llm, *pad_left(batch), options)]
    return time.perf_counter() - start, [row.token_ids for row in rows]


def compare(model: FavorModel) -> None:
    with torch.inference_mode():
        prompts = model.prompts(model.encode(windows()), QUESTIONS)
    size = sum(parameter.numel() for parameter in model.llm.parameters())
    print(f"{model.name}, a language model of {size / 1e6:.0f} million parameters, {NEW_TOKENS} tokens:")
    run(model, prompts[:2], 2, NEW_TOKENS)  # warm-up
    rounds = [compare_once(model, prompts) for _ in range(ROUNDS)]
    whole, decoding = (statistics.median(ratios) for ratios in zip(*rounds, strict=True))
    print(f"  median {whole:.2f} x in all (at least 3 x), {decoding:.2f} x without the prefill")


def compare_once(model: FavorModel, prompts: list[Tensor]) -> tuple[float, float]:
    """Returns the ratios of the throughputs with and without the prefill."""
    together, ids = run(model, prompts, len(prompts), NEW_TOKENS)
    alone, alone_ids = run(model, prompts, 1, NEW_TOKENS)
    prefill, prefill_alone = run(model, prompts, len(prompts), 1)[0], run(model, prompts, 1, 1)[0]
    same = sum(a == b for a, b in zip(ids, alone_ids, strict=True))
    print(f"  batch 8: {together:.2f} s, prefill {prefill:.2f} s; ", end="")
    print(f"one by one: {alone:.2f} s, prefill {prefill_alone:.2f} s; {same} of 8 the same")
    return alone / together, (alone - prefill_alone) / (together - prefill)


def main() -> None:
    compare(FavorModel.from_pretrained("favor-mini", device="cpu"))
    with tempfile.TemporaryDirectory() as scratch:
        import_random(
            "favor-mini", Path(scratch, "middle"), ImportOptions(config={"name": "middle", "language": MIDDLE})
        )
        compare(FavorModel.from_pretrained(Path(scratch, "middle"), device="cpu"))


if __name__ == "__main__":
    main()

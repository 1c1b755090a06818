"""A table of the memory that each model needs to answer four windows of 30 s, by ``favor.models.favor.memory``.

Run it with:  python benchmarks/memory_table.py
"""

import torch

from favor.models.favor.memory import memory_need
from favor.models.favor.presets import PRESETS

WAYS = [(torch.float32, None), (torch.float16, None), (torch.float16, "int8"), (torch.float16, "int4")]
GIGABYTE = 10**9


def main() -> None:
    print("| model | type | weights | cache | features | activations | total, GB |")
    print("|---|---|---|---|---|---|---|")
    for name, config in PRESETS.items():
        for dtype, quantization in WAYS:
            need = memory_need(config, dtype, quantization)
            parts = (need.weights, need.cache, need.features, need.activations, need.total)
            numbers = " | ".join(f"{part / GIGABYTE:.1f}" for part in parts)
            print(f"| {name} | {quantization or str(dtype).removeprefix('torch.')} | {numbers} |")


if __name__ == "__main__":
    main()

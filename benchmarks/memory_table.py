"""What each model needs to answer four windows of 30 s, as a table; ``favor/memory.py`` holds the arithmetic.

Run it with:  python benchmarks/memory_table.py
"""

from favor.models.favor.memory import memory_need
from favor.models.favor.presets import PRESETS

WAYS = [("float32", None), ("float16", None), ("float16", "int8"), ("float16", "int4")]
GIGABYTE = 10**9


def main() -> None:
    print("| model | type | weights | cache | features | activations | in all, GB |")
    print("|---|---|---|---|---|---|---|")
    for name, config in PRESETS.items():
        for dtype, quantization in WAYS:
            need = memory_need(config, dtype, quantization)
            parts = (need.weights, need.cache, need.features, need.activations, need.total)
            numbers = " | ".join(f"{part / GIGABYTE:.1f}" for part in parts)
            print(f"| {name} | {quantization or dtype} | {numbers} |")


if __name__ == "__main__":
    main()

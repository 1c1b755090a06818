"""Peak memory of loading a random model of a billion parameters, as reported by the kernel.

The peak is that of a fresh process that loads the model, less its peak after all imports and after loading favor-mini
the same way. Run it with:  python benchmarks/loading.py
"""

import multiprocessing
import resource
import tempfile
from pathlib import Path

MEGABYTE = 2**20
LANGUAGE = {"hidden_size": 2048, "intermediate_size": 5504, "num_hidden_layers": 17, "num_attention_heads": 16}
SIZES = {"language": {"vocab_size": 32000, **LANGUAGE}}  # and favor-mini's encoders
WAYS = [("float16", None), ("bfloat16", None), ("float32", None), ("float32", "int8"), ("float32", "int4")]


def make(folder: Path) -> None:
    from favor.importing.random_model import import_random
    from favor.importing.release import ImportOptions

    import_random("favor-mini", folder, ImportOptions(config=SIZES))


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(folder: Path, dtype: str, quantization: str | None) -> tuple[int, int, int]:
    """Returns the number of parameters, their bytes as loaded, and the growth of the peak."""
    from favor import FavorModel
    from favor.models.favor.memory import weight_bytes

    FavorModel.from_pretrained("favor-mini", device="cpu", dtype=dtype, quantization=quantization)
    before = peak_bytes()
    model = FavorModel.from_pretrained(folder, device="cpu", dtype=dtype, quantization=quantization)
    with_bytes = weight_bytes(model.config, model.llm.dtype, quantization)
    return sum(parameter.numel() for parameter in model.parameters()), with_bytes, peak_bytes() - before


def main() -> None:
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "model")
        with spawn.Pool(1) as pool:  # a child's peak starts at its parent's memory, so keep that small
            pool.apply(make, (folder,))
        for dtype, quantization in WAYS:
            with spawn.Pool(1) as pool:
                parameters, size, peak = pool.apply(measure, (folder, dtype, quantization))
            name = f"{dtype} {quantization or ''}".strip()
            print(f"{name}: {size / MEGABYTE:.0f} MB of weights, peak {peak / MEGABYTE:.0f} MB, {peak / size:.3f} x")
    print(f"the model has {parameters:,} parameters as loaded; a peak of 1.1 x is allowed")


if __name__ == "__main__":
    main()

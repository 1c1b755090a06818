"""Peak memory of `favor import` and of loading a model of 1 B parameters, as reported by the kernel.

Random weights are written, converted back to the layout of the released files, and imported from there like those.

Run it with:  OMP_NUM_THREADS=1 python benchmarks/import_memory.py
"""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "tests" / "data" / "golden" / "favor_released"
GIGABYTE = 1e9
SIZES = {
    "visual": {"hidden_size": 704, "intermediate_size": 3072, "num_hidden_layers": 20, "num_attention_heads": 11},
    "image_qformer": {"num_hidden_layers": 4},
    "speech": {"d_model": 768, "encoder_layers": 12, "encoder_attention_heads": 12, "encoder_ffn_dim": 3072},
    "causal_qformer": {"num_hidden_layers": 1},
    "language": {"hidden_size": 1536, "intermediate_size": 4096, "num_hidden_layers": 21, "num_attention_heads": 12},
}
LOAD = (
    "import sys; from favor import FavorModel; FavorModel.from_pretrained(sys.argv[1], device='cpu', dtype='float16')"
)


def peak(*command: object) -> float:
    """Runs a Python command and returns its peak resident memory in bytes."""
    process = subprocess.Popen([sys.executable, *map(str, command)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"{command} ended with {status}"
    return usage.ru_maxrss * 1024


def write_release(folder: Path, release: Path) -> None:
    """Converts a model folder back to the layout of the released files."""
    import torch
    from safetensors.torch import load_file, save_file

    from favor.importing.origins import join_biases, origins, parameter_shapes
    from favor.models.favor.folder import read_config

    config = read_config(folder)
    weights = {name: tensor for path in folder.glob("*.safetensors") for name, tensor in load_file(path).items()}
    sources: dict[str, dict[str, torch.Tensor]] = {}
    for name, origin in origins(config, parameter_shapes(config), "lavis").items():
        joined = origin.combine is join_biases
        parts = weights[name].chunk(3)[::2] if joined else [weights[name]]
        for (source, key), part in zip(origin.keys, parts, strict=True):
            sources.setdefault(source, {})[key] = part.clone()
    for source, kind, sizes in (("whisper", "whisper", config.speech), ("llm", "llama", config.language)):
        (release / source).mkdir(parents=True)
        save_file(sources.pop(source), release / source / "model.safetensors")
        values = {"model_type": kind, **dataclasses.asdict(sizes)}
        (release / source / "config.json").write_text(json.dumps(values))
    shutil.copy(GOLDEN / "llm" / "tokenizer.model", release / "llm")
    torch.save(sources["delta"], release / "delta.pt")
    torch.save(sources["eva"], release / "eva.pth")
    torch.save({"model": sources["instructblip"]}, release / "blip.pth")


def report(what: str, found: float, size: float, limit: float) -> None:
    print(
        f"{what:32} {found / GIGABYTE:5.2f} GB (at most {limit / GIGABYTE:.2f}; {size / GIGABYTE:.2f} written or read)"
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        (root / "sizes.json").write_text(json.dumps(SIZES))
        files = [
            part for name in ("delta.pt", "eva.pth") for part in (f"--{name.split('.')[0]}", root / "release" / name)
        ]
        files += ["--instructblip", root / "release" / "blip.pth", "--bert", GOLDEN / "bert"]
        files += ["--whisper", root / "release" / "whisper", "--llm", root / "release" / "llm"]
        favor = ("-m", "jobs.main", "import")
        random = peak(*favor, "--random", "favor-13b", "--config", root / "sizes.json", "-o", root / "random")
        peak(__file__, root / "random", root / "release")
        kept = peak(*favor, "favor-13b", *files, "--config", root / "sizes.json", "-o", root / "kept")
        merged = peak(
            *favor, "favor-13b", *files, "--config", root / "sizes.json", "--merge-lora", "-o", root / "merged"
        )
        shards = [path.stat().st_size for path in (root / "kept").glob("*.safetensors")]
        limit = 1.3 * max(shards) + GIGABYTE
        for what, found in (("import --random", random), ("import", kept), ("import --merge-lora", merged)):
            report(what, found, sum(shards), limit)
        report("load in float16", peak("-c", LOAD, root / "kept"), sum(shards), 1.1 * sum(shards))
        print(f"{'of which the interpreter':32} {peak('-c', 'import favor.models.favor.model') / GIGABYTE:5.2f} GB")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        write_release(Path(sys.argv[1]), Path(sys.argv[2]))
    else:
        main()

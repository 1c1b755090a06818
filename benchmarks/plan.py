"""Time and accuracy of `favor plan`: probing a thousand files, and its prediction against the actual run.

The prediction is for films of unequal length, made by repeating the samples; the model is a random one of about 140
million parameters. Each round predicts, runs, and runs again with nothing left to do. On a shared machine other load,
which is printed, affects wall seconds; it hardly affects CPU seconds, less those of the run with nothing to do. It
needs the ``ffmpeg`` program. Run it with:  python benchmarks/plan.py [--rounds 3]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from corpus import SAMPLES, copies

from pipeline.execution.environment import set_up

set_up()  # before torch is imported, as in the command

from favor.importing.random_model import import_random  # noqa: E402
from favor.importing.release import ImportOptions  # noqa: E402

LANGUAGE = {"hidden_size": 896, "intermediate_size": 2432, "num_hidden_layers": 14, "num_attention_heads": 14}
REPEATS = (24, 3, 13, 30, 8, 1, 20, 16)  # times a sample of about 5 s is repeated
OPTIONS = ["--max-new-tokens", "16", "--window-seconds", "10"]


def films(directory: Path) -> Path:
    """Writes films of 5 s to 160 s."""
    directory.mkdir()
    clips = sorted(SAMPLES.glob("*.mp4"))
    for number, repeats in enumerate(REPEATS):
        source, target = clips[number % len(clips)], directory / f"{number:02d}.mp4"
        loop = ["ffmpeg", "-v", "error", "-nostdin", "-stream_loop", str(repeats - 1)]
        subprocess.run([*loop, "-i", source, "-c", "copy", target], check=True)
    return directory


def favor(*arguments: str) -> tuple[str, float, float]:
    """Runs a command in a separate process; returns its output, its wall seconds and its CPU seconds."""
    start, before = time.perf_counter(), os.times()
    command = [sys.executable, "-m", "jobs.main", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return done.stdout, time.perf_counter() - start, cpu


def compare(corpus: str, output: Path, how: list[str]) -> tuple[float, float]:
    """Predicts a run and executes it; returns the ratios of wall seconds and of CPU seconds."""
    loads = [os.getloadavg()[0]]
    plan, took, _ = favor("plan", corpus, *how, "--json")
    predicted = json.loads(plan)["prediction"]
    loads.append(os.getloadavg()[0])
    _, _, cpu = favor("caption", corpus, "-o", str(output), *how)
    seconds = json.loads((output / "run_report.json").read_text())["seconds"]
    loads.append(os.getloadavg()[0])
    _, _, idle_cpu = favor("caption", corpus, "-o", str(output), *how)
    costs, windows = predicted["costs"], predicted["shape"]["windows"]
    wall = predicted["forecast"]["seconds"]
    done_cpu = cpu - idle_cpu
    predicted_cpu = windows * (costs["decode_seconds"] + costs["model_cpu_seconds"])
    print(
        f"{windows} windows, held up by {predicted['forecast']['held_up_by']}; planned in {took:.0f} s\n"
        f"wall: predicted {wall:.0f} s, took {seconds:.0f} s: ratio {wall / seconds:.2f}\n"
        f"CPU: predicted {predicted_cpu:.0f} s, took {done_cpu:.0f} s: ratio {predicted_cpu / done_cpu:.2f}\n"
        f"load before the plan, the run and after: {', '.join(f'{load:.1f}' for load in loads)}",
        flush=True,
    )
    return wall / seconds, predicted_cpu / done_cpu


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=1000, help="files to probe; the goal for 1000 is 60 s")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if arguments.files:
            many = str(copies(Path(scratch, "many"), arguments.files))
            _, took, _ = favor("plan", many, "--no-calibrate")
            print(f"{arguments.files} files planned in {took:.1f} s; load {os.getloadavg()[0]:.1f}", flush=True)
        model = Path(scratch, "model")
        import_random("favor-mini", model, ImportOptions(config={"name": "middle", "language": LANGUAGE}))
        how = ["--model", str(model), "--workers", str(arguments.workers), *OPTIONS]
        corpus = str(films(Path(scratch, "films")))
        ratios = [compare(corpus, Path(scratch, f"out{number}"), how) for number in range(arguments.rounds)]
    for name, column in zip(("wall", "CPU"), zip(*ratios, strict=True), strict=True):
        print(f"{name} ratios {', '.join(f'{ratio:.2f}' for ratio in column)} (from 0.75 to 1.25)")


if __name__ == "__main__":
    main()

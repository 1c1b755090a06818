"""What `favor plan` takes and how right it is: probing a thousand files, then a prediction against the run it is about.

The corpus of the prediction is films of unequal length, the samples shown again and again; the model is a random one of
about 230 million parameters. Each round predicts and then runs, so that both see the same machine as far as neighbours
allow; the load is printed. It needs the ``ffmpeg`` program. Run it with:  python benchmarks/plan.py [--rounds 3]
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

from pipeline.environment import set_up

set_up()  # before torch is imported, as the command does it

from favor.importing.random_model import import_random  # noqa: E402
from favor.importing.release import ImportOptions  # noqa: E402

FILES = 1000
LANGUAGE = {"hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 18, "num_attention_heads": 16}
REPEATS = (24, 3, 13, 30, 8, 1, 20, 16)  # of a sample of about 5 s
COPIES = 2
OPTIONS = ["--max-new-tokens", "32"]


def films(directory: Path) -> Path:
    """Writes films of 5 s to 160 s."""
    directory.mkdir()
    clips = sorted(SAMPLES.glob("*.mp4"))
    for number, repeats in enumerate(REPEATS * COPIES):
        source, target = clips[number % len(clips)], directory / f"{number:02d}.mp4"
        loop = ["ffmpeg", "-v", "error", "-nostdin", "-stream_loop", str(repeats - 1)]
        subprocess.run([*loop, "-i", source, "-c", "copy", target], check=True)
    return directory


def favor(*arguments: str) -> tuple[str, float]:
    """Runs a command in a process of its own; returns what it printed, and its seconds."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "jobs.main", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout, time.perf_counter() - start


def compare(corpus: str, output: Path, how: list[str]) -> float:
    """Predicts a run and then runs it; returns the ratio."""
    load = os.getloadavg()[0]
    plan, took = favor("plan", corpus, *how, "--json")
    predicted = json.loads(plan)["prediction"]
    middle = os.getloadavg()[0]
    favor("caption", corpus, "-o", str(output), *how)
    report = json.loads((output / "run_report.json").read_text())
    seconds, ratio = predicted["forecast"]["seconds"], predicted["forecast"]["seconds"] / report["seconds"]
    print(
        f"predicted {seconds:.0f} s (held up by {predicted['forecast']['held_up_by']}) in {took:.0f} s, "
        f"took {report['seconds']:.0f} s: ratio {ratio:.2f}; load {load:.1f}, {middle:.1f}, {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    return ratio


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        corpus = str(copies(Path(scratch, "many"), FILES))
        _, took = favor("plan", corpus, "--no-calibrate")
        print(f"{FILES} files planned in {took:.1f} s (at most 60); load {os.getloadavg()[0]:.1f}", flush=True)
        model = Path(scratch, "model")
        import_random("favor-mini", model, ImportOptions(config={"name": "middle", "language": LANGUAGE}))
        how = ["--model", str(model), "--workers", str(arguments.workers), *OPTIONS]
        corpus = str(films(Path(scratch, "films")))
        ratios = [compare(corpus, Path(scratch, f"out{number}"), how) for number in range(arguments.rounds)]
    print(f"ratios {', '.join(f'{ratio:.2f}' for ratio in ratios)} (from 0.75 to 1.25)")


if __name__ == "__main__":
    main()

"""The results as tables and a plot."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from clips import KINDS, write_questions
from guessing import guess
from variants import TITLES

from favor.synthetic.questions.items import STATIC

BOTH = "audio and video"
RESAMPLES, INTERVAL = 2000, (2.5, 97.5)  # bootstrap samples, and percentiles of the interval
# Quantiles of the t distribution for a 95 % interval with 1, 2, ... 9 degrees of freedom; the last also for more.
T_QUANTILES = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)

Counts = tuple[np.ndarray, np.ndarray]  # (seeds, clips) correctly answered questions, and all questions


def report(folder: Path, clips: int) -> None:
    """Prints tables of all results in a folder, and plots them if matplotlib is installed.

    Args:
        folder: folder of the results.
        clips: number of training clips, whose questions determine the guesses.
    """
    results = pd.concat(pd.read_parquet(path) for path in sorted(folder.glob("*.parquet")))
    results = add_guesses(results, clips)
    for title, rows in (
        ("all questions", results),
        ("questions that need both modalities", results[results.needs == BOTH]),
    ):
        print(f"\nCorrect answers to {title}, in percent:\n\n{table(rows)}")
    if find_spec("matplotlib"):
        draw(results, folder / "claim.svg")
    else:
        print("\nNo plot was written: it needs matplotlib.")


def add_guesses(results: pd.DataFrame, clips: int) -> pd.DataFrame:
    """Adds whether each question is guessed correctly from the questions of the training clips.

    Raises:
        ValueError: if the results are for questions that the generated world no longer asks.
    """
    asked = write_questions("test", int(results["clip"].max()) + 1)
    runs = len(results) // len(asked)
    if results.answer.tolist() != [item.answer for item in asked] * runs:
        raise ValueError("the results are for other questions: the generated world has changed since")
    return results.assign(guessed=guess(write_questions("train", clips), asked) * runs)


def table(results: pd.DataFrame) -> str:
    """Formats a row for each variant, below the scores of guessing."""
    kinds = [kind for kind in KINDS if (results.kind == kind).any()]
    columns = ["", *kinds, "fine-grained and causal, against (a)"]
    questions = results[(results.variant == results.variant.iloc[0]) & (results.seed == results.seed.iloc[0])]
    of_kind = [questions[questions.kind == kind] for kind in kinds]
    lines = [
        columns,
        ["---"] * len(columns),
        ["questions", *(str(len(some)) for some in of_kind), ""],
        ["chance", *(f"{100 * some.chance.mean():.1f}" for some in of_kind), ""],
        ["the best guess without looking", *(f"{100 * some.guessed.mean():.1f}" for some in of_kind), ""],
    ]
    harder = results[results.kind != STATIC].groupby(["variant", "seed"]).right.mean()
    for name, title in TITLES.items():
        rows = results[results.variant == name]
        cells = [shown(count(rows[rows.kind == kind])) for kind in kinds]
        lines.append([title, *cells, "" if name == "favor" else difference((harder[name] - harder["favor"]).dropna())])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def difference(of_seeds: pd.Series) -> str:
    """Formats the mean of the seeds' differences, in points, and its t interval over the seeds."""
    mean, seeds = 100 * of_seeds.mean(), len(of_seeds)
    if seeds == 1:
        return f"{mean:+.1f}"
    half = T_QUANTILES[min(seeds - 1, len(T_QUANTILES)) - 1] * 100 * of_seeds.std() / seeds**0.5
    return f"{mean:+.1f} ({mean - half:+.1f} to {mean + half:+.1f})"


def count(rows: pd.DataFrame) -> Counts:
    """Counts the correctly answered questions and all questions of each clip with each seed."""
    by_clip = rows.groupby(["seed", "clip"]).right.agg(["sum", "count"]).unstack("clip", fill_value=0)
    return by_clip["sum"].to_numpy(), by_clip["count"].to_numpy()


def share(right: np.ndarray, total: np.ndarray) -> float:
    """Returns the accuracy over all seeds and clips."""
    return float(right.sum() / total.sum())


def drawn_shares(counts: Counts) -> np.ndarray:
    """Returns (resamples,) accuracies with seeds and clips resampled with replacement, the same in each call."""
    right, total = counts
    dice = np.random.default_rng(0)
    seeds = dice.integers(right.shape[0], size=(RESAMPLES, right.shape[0], 1))
    clips = dice.integers(right.shape[1], size=(RESAMPLES, 1, right.shape[1]))
    return right[seeds, clips].sum((1, 2)) / total[seeds, clips].sum((1, 2))


def shown(counts: Counts) -> str:
    """Formats the accuracy and its 95 % interval, in percent."""
    low, high = np.percentile(drawn_shares(counts), INTERVAL)
    return f"{100 * share(*counts):.1f} ({100 * low:.1f} to {100 * high:.1f})"


def draw(results: pd.DataFrame, path: Path) -> None:
    """Plots all accuracies with their intervals, those of each seed as small dots, and guesses as lines."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(KINDS), figsize=(12, 3.5), sharey=True)
    places = [-number for number in range(len(TITLES))]
    for axis, kind in zip(axes, KINDS, strict=True):
        rows = results[results.kind == kind]
        for place, name in zip(places, TITLES, strict=True):
            right, total = count(rows[rows.variant == name])
            mean, (low, high) = share(right, total), np.percentile(drawn_shares((right, total)), INTERVAL)
            axis.errorbar(100 * mean, place, xerr=[[100 * (mean - low)], [100 * (high - mean)]], fmt="o", color="C0")
            axis.plot(100 * right.sum(1) / total.sum(1), [place] * len(right), ".", color="C1", zorder=3)
        axis.set(title=kind, xlabel="% answered right", xlim=(0, 100))
        axis.axvline(100 * rows.chance.mean(), color="grey", linestyle=":")
        axis.axvline(100 * rows.guessed.mean(), color="grey", linestyle="--")
        axis.set_yticks(places, list(TITLES.values()))
    figure.tight_layout()
    with plt.rc_context({"svg.hashsalt": path.stem}):  # for reproducible bytes
        figure.savefig(path, metadata={"Date": None})

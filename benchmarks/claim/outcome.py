"""What came out: tables and a plot."""

from pathlib import Path

import numpy as np
import pandas as pd
from clips import KINDS
from variants import TITLES

from favor.synthetic.questions.items import STATIC

BOTH = "audio and video"
RESAMPLES, INTERVAL = 2000, (2.5, 97.5)  # of the bootstrap; percentiles

Counts = tuple[np.ndarray, np.ndarray]  # (seeds, clips) questions answered right, and all questions


def report(folder: Path) -> None:
    """Prints tables of all results in a folder, and draws them."""
    results = pd.concat(pd.read_parquet(path) for path in sorted(folder.glob("*.parquet")))
    for title, rows in (("all", results), ("those that need both sound and picture", results[results.needs == BOTH])):
        print(f"\nRight of {title}, in percent:\n\n{table(rows)}")
    draw(results, folder / "claim.svg")


def table(results: pd.DataFrame) -> str:
    """A row for each variant, below what guessing reaches."""
    kinds = [kind for kind in KINDS if (results.kind == kind).any()]
    columns = ["", *kinds, "fine-grained and causal, against (a)"]
    questions = results[(results.variant == results.variant.iloc[0]) & (results.seed == results.seed.iloc[0])]
    of_kind = [questions[questions.kind == kind] for kind in kinds]
    lines = [
        columns,
        ["---"] * len(columns),
        ["questions", *(str(len(some)) for some in of_kind), ""],
        ["chance", *(f"{100 * some.chance.mean():.1f}" for some in of_kind), ""],
        ["the commonest answer always", *(f"{100 * commonest(some):.1f}" for some in of_kind), ""],
    ]
    ours = count(results[(results.variant == "favor") & (results.kind != STATIC)])
    for name, title in TITLES.items():
        rows = results[results.variant == name]
        counts = [count(rows[rows.kind == kind]) for kind in kinds]
        cells = [shown(share(*one), drawn_shares(one)) for one in counts]
        theirs = count(rows[rows.kind != STATIC])
        difference = share(*theirs) - share(*ours), drawn_shares(theirs) - drawn_shares(ours)
        lines.append([title, *cells, "" if name == "favor" else shown(*difference, sign="+")])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def commonest(questions: pd.DataFrame) -> float:
    """How often the commonest answer is right."""
    return float(questions.answer.value_counts(normalize=True).iloc[0])


def count(rows: pd.DataFrame) -> Counts:
    """Questions answered right, and all, of each clip with each seed."""
    by_clip = rows.groupby(["seed", "clip"]).right.agg(["sum", "count"]).unstack("clip", fill_value=0)
    return by_clip["sum"].to_numpy(), by_clip["count"].to_numpy()


def share(right: np.ndarray, total: np.ndarray) -> float:
    """The accuracy."""
    return float(right.sum() / total.sum())


def drawn_shares(counts: Counts) -> np.ndarray:
    """Accuracies where seeds and clips are drawn anew with replacement: (resamples,); the same draws at each call."""
    right, total = counts
    dice = np.random.default_rng(0)
    seeds = dice.integers(right.shape[0], size=(RESAMPLES, right.shape[0], 1))
    clips = dice.integers(right.shape[1], size=(RESAMPLES, 1, right.shape[1]))
    return right[seeds, clips].sum((1, 2)) / total[seeds, clips].sum((1, 2))


def shown(mean: float, draws: np.ndarray, sign: str = "") -> str:
    """A share and its interval of 95 %, in percent."""
    low, high = np.percentile(draws, INTERVAL)
    return f"{100 * mean:{sign}.1f} ({100 * low:{sign}.1f} to {100 * high:{sign}.1f})"


def draw(results: pd.DataFrame, path: Path) -> None:
    """Draws all accuracies with their intervals, those of each seed as small dots, and chance as a dotted line."""
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
        axis.set_yticks(places, list(TITLES.values()))
    figure.tight_layout()
    with plt.rc_context({"svg.hashsalt": path.stem}):  # the same bytes each time
        figure.savefig(path, metadata={"Date": None})

"""The generated world: speed of generation, lengths of the clips, and scores of guessing.

    python benchmarks/synthetic.py [--clips 200] [--scenes 4000]

The guesses use neither picture nor sound: the most frequent answer to each wording of a question, with names replaced
by "X", and a random choice.
"""

import argparse
import time
from collections import Counter, defaultdict

import numpy as np

from favor.synthetic import SPLITS, WORLD_TASKS, Item, generate_clips
from favor.synthetic.vocabulary import wording
from favor.synthetic.world import write


def measure_speed(clips: int) -> None:
    """Prints the clips generated per CPU second, and their seconds of video."""
    generate_clips(SPLITS["train"], 0, ["asr"])  # so that reading the voices is not timed
    for task in ("video_qa", "asr", "vqa", None):
        start = time.process_time()
        made = [generate_clips(SPLITS["train"], index, task and [task]) for index in range(clips)]
        taken = time.process_time() - start
        seconds = sum(clip.scene.seconds for clip in made)
        print(f"{task or 'all tasks':10} {clips / taken:6.1f} clips, {seconds / taken:6.0f} s of clip per CPU second")


def measure_lengths(scenes: int) -> None:
    """Prints the distribution of the clips' lengths."""
    written = [write(SPLITS["train"], index)[0] for index in range(scenes)]
    seconds = np.array([scene.seconds for scene in written if scene.picture != "image"])
    shares = ", ".join(f"{100 * np.mean(seconds < limit):.0f} % under {limit} s" for limit in (2, 4, 10, 20))
    low, middle, high = np.quantile(seconds, (0, 0.5, 1))
    print(f"videos and sounds: {low:.1f} to {high:.1f} s, median {middle:.1f} s; {shares}")


def measure_guessing(scenes: int) -> None:
    """Prints the scores of guessing for each task and kind of question."""
    groups: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for index in range(scenes):
        for item in write(SPLITS["test"], index)[1]:
            if item.choices:
                groups[item.task, item.kind or "-"].append(item)
    for (task, kind), items in sorted(groups.items(), key=lambda group: WORLD_TASKS.index(group[0][0])):
        majority = 100 * by_majority(items)
        chance = 100 * np.mean([1 / len(item.choices) for item in items])
        print(f"{task:9} {kind:13} {len(items):6} questions: majority {majority:3.0f} %, chance {chance:3.0f} %")


def by_majority(items: list[Item]) -> float:
    """Returns the fraction of correct answers if each wording gets its most frequent one."""
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for item in items:
        answers[wording(item.question)][item.answer] += 1
    return sum(counts.most_common(1)[0][1] for counts in answers.values()) / len(items)


def main() -> None:
    """Measures speed, lengths and guessing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--scenes", type=int, default=4000)
    options = parser.parse_args()
    measure_speed(options.clips)
    measure_lengths(options.scenes)
    measure_guessing(options.scenes)


if __name__ == "__main__":
    main()

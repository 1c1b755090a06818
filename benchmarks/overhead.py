"""What the pipeline costs: its wall time against a plain loop that calls the same functions on the same windows.

Both arms decode the same windows, load the model once and use the same batches; the imports are paid before. The plain
loop writes nothing. Run it with:  python benchmarks/overhead.py
"""

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from corpus import copies

from pipeline.environment import set_up

set_up()  # before torch is imported, as the command does it

from favor import Clip, FavorModel  # noqa: E402
from favor.media.decode import decode_windows  # noqa: E402
from favor.media.files import MediaFile  # noqa: E402
from favor.media.probe import probe  # noqa: E402
from favor.media.sampling import spans  # noqa: E402
from jobs.common import caption_question, make_options  # noqa: E402
from pipeline.options import RunOptions  # noqa: E402
from pipeline.run import run  # noqa: E402

FILES, ROUNDS = 32, 5


def plain_loop(options: RunOptions, corpus: Path) -> None:
    """Captions the corpus without a pipeline."""
    model = FavorModel.from_pretrained(options.identity.model)
    clips = itertools.chain.from_iterable(map(decoded(options), sorted(corpus.iterdir())))
    while batch := list(itertools.islice(clips, options.batch_size)):
        model.answer(model.encode(batch), [options.questions[0].text] * len(batch), options.generation)


def decoded(options: RunOptions) -> Callable[[Path], Iterator[Clip]]:
    """Returns a function that decodes the windows of a file."""

    def decode(path: Path) -> Iterator[Clip]:
        duration_ms = probe(MediaFile(str(path), path.stat().st_size, "")).duration_ms
        return decode_windows(str(path), spans(duration_ms, options.window_ms), options.frame_size)

    return decode


def seconds(action: Callable[[], object]) -> float:
    """Returns how long an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main() -> None:
    ratios = []
    with tempfile.TemporaryDirectory() as scratch:
        corpus = copies(Path(scratch, "corpus"), FILES)
        for number in range(ROUNDS):
            options = make_options([caption_question()], corpus=(str(corpus),), output=f"{scratch}/out{number}")
            loop = seconds(lambda options=options: plain_loop(options, corpus))
            pipeline = seconds(lambda options=options: run(options))
            ratios.append(pipeline / loop)
            print(f"loop {loop:.1f} s, pipeline {pipeline:.1f} s, ratio {ratios[-1]:.3f}")
    print(f"median ratio {statistics.median(ratios):.3f} over {ROUNDS} rounds of {FILES} files (at most 1.15)")


if __name__ == "__main__":
    main()

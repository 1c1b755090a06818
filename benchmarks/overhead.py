"""What the pipeline costs: its wall time against a plain loop that calls the same functions on the same windows.

Both arms decode the same windows, load the model once and use the same batches; the imports are paid before. The plain
loop writes nothing. Run it with:  python benchmarks/overhead.py
"""

import itertools
import statistics
import tempfile
import time
from pathlib import Path

from corpus import copies

from favor import FavorModel
from favor.media.decode import decode_windows
from favor.media.files import MediaFile
from favor.media.probe import probe
from favor.media.sampling import spans
from jobs.common import caption_question, make_options
from pipeline.options import RunOptions
from pipeline.run import run

FILES, ROUNDS = 64, 3


def plain_loop(options: RunOptions, corpus: Path) -> None:
    """Captions the corpus without a pipeline."""
    model = FavorModel.from_pretrained(options.identity.model)
    clips = itertools.chain.from_iterable(map(decoded(options), sorted(corpus.iterdir())))
    while batch := list(itertools.islice(clips, options.batch_size)):
        model.answer(model.encode(batch), [options.questions[0].text] * len(batch), options.generation)


def decoded(options: RunOptions):  # noqa: ANN201
    """Returns a function that decodes the windows of a file."""

    def decode(path: Path):  # noqa: ANN202
        duration_ms = probe(MediaFile(str(path), path.stat().st_size, "")).duration_ms
        return decode_windows(str(path), spans(duration_ms, options.window_ms), options.frame_size)

    return decode


def seconds(action) -> float:  # noqa: ANN001
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

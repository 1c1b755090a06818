"""The overhead of the pipeline: its wall time against a plain loop that calls the same functions on the same windows.

Both arms decode the same windows, load the model once and use the same batches; imports are not timed. The plain loop
writes nothing. Run it with:  python benchmarks/overhead.py
"""

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from corpus import copies

from pipeline.execution.environment import set_up

set_up()  # before torch is imported, as in the command

from favor import Clip, FavorModel, GenerationOptions  # noqa: E402
from favor.media.corpus.files import MediaFile  # noqa: E402
from favor.media.decode import decode_windows  # noqa: E402
from favor.media.probe import probe  # noqa: E402
from favor.media.sampling import spans  # noqa: E402
from jobs.run.questions import caption_question  # noqa: E402
from pipeline.options import CPU_BATCH_SIZE, CorpusOptions, ModelOptions, OutputOptions, RunOptions  # noqa: E402
from pipeline.run import run  # noqa: E402

FILES, ROUNDS = 32, 3


def plain_loop(options: RunOptions, corpus: Path) -> None:
    """Captions the corpus without a pipeline."""
    model = FavorModel.from_pretrained(options.model.card.name)
    clips = itertools.chain.from_iterable(map(decoded(options), sorted(corpus.iterdir())))
    while batch := list(itertools.islice(clips, CPU_BATCH_SIZE)):
        model.answer(model.encode(batch), [options.corpus.questions[0].text] * len(batch), options.model.generation)


def decoded(options: RunOptions) -> Callable[[Path], Iterator[Clip]]:
    """Returns a function that decodes the windows of a file."""

    def decode(path: Path) -> Iterator[Clip]:
        duration_ms = probe(MediaFile(str(path), path.stat().st_size, "")).duration_ms
        spans_ = spans(duration_ms, options.corpus.windowing.window_ms)
        return decode_windows(str(path), spans_, options.model.card.needs)

    return decode


def seconds(action: Callable[[], object]) -> tuple[float, float]:
    """Returns the wall seconds of an action and its CPU seconds, which other load affects less."""
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    ratios = []
    model = ModelOptions.described("favor-mini", generation=GenerationOptions(max_new_tokens=128))
    with tempfile.TemporaryDirectory() as scratch:
        corpus = copies(Path(scratch, "corpus"), FILES)
        for number in range(ROUNDS):
            options = RunOptions(
                CorpusOptions((str(corpus),), (caption_question(),)), model, OutputOptions(f"{scratch}/out{number}")
            )
            loop = seconds(lambda options=options: plain_loop(options, corpus))
            pipeline = seconds(lambda options=options: run(options))
            ratios.append([ours / plain for ours, plain in zip(pipeline, loop, strict=True)])
            print(f"wall {loop[0]:.1f} -> {pipeline[0]:.1f} s, CPU {loop[1]:.1f} -> {pipeline[1]:.1f} s")
    wall, cpu = (statistics.median(column) for column in zip(*ratios, strict=True))
    print(f"median ratio: wall {wall:.3f} (at most 1.15), CPU {cpu:.3f}; {ROUNDS} rounds of {FILES} files")


if __name__ == "__main__":
    main()

"""``favor synthesize``: writes clips of the generated world with questions and their answers."""

from __future__ import annotations

from pathlib import Path

import click

from jobs.command import INTERRUPTED, FavorCommand

SPLIT_NAMES = ("train", "validation", "test")


@click.command("synthesize", cls=FavorCommand, interrupted=INTERRUPTED)
@click.option(
    "-o", "--output", required=True, metavar="DIR", type=click.Path(path_type=Path), help="The folder to write."
)
@click.option("--clips", default=100, show_default=True, type=click.IntRange(1), metavar="N", help="Number of clips.")
@click.option(
    "--split",
    default="test",
    show_default=True,
    type=click.Choice(SPLIT_NAMES),
    help="The split that the clips belong to.",
)
@click.option(
    "--seed", type=click.IntRange(0), metavar="S", help="Generate other clips.  [default: the split's own seed]"
)
def synthesize_command(output: Path, clips: int, split: str, seed: int | None) -> None:
    """Writes clips of a generated world with questions whose answers are known, for all tasks of AVEB.

    The folder holds clips/, manifest.jsonl (the corpus), questions.jsonl (for favor qa) and references.jsonl (the
    answers). The same command continues an interrupted run, and a larger N adds clips. Splits never share a clip.

    \b
    Examples:
      favor synthesize --output world --clips 200 --split test
      favor qa world/manifest.jsonl --questions world/questions.jsonl --output answers
    """
    from tqdm import tqdm

    from favor.synthetic import SPLITS
    from favor.synthetic.folder import synthesize

    with tqdm(total=clips, desc="clips", unit="clip", disable=None) as bar:
        chosen = SPLITS[split] if seed is None else seed
        written, questions = synthesize(output, split, chosen, clips, bar.update)
    click.echo(f"{output}: {clips} clips, {written} of them written now, and {questions} questions")

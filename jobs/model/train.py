"""``favor train``: trains a model according to a recipe."""

from __future__ import annotations

from pathlib import Path

import click

from jobs.command import FavorCommand


@click.command("train", cls=FavorCommand, interrupted="interrupted; the same command goes on at the last checkpoint")
@click.argument("recipe", metavar="RECIPE", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Checkpoints and records; the trained model is DIR/model.",
)
@click.option("--init", metavar="MODEL", help="Start from this model folder instead of the recipe's.")
@click.option("--steps", type=click.IntRange(1), metavar="N", help="Stop after N steps, counted over all stages.")
@click.option("--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu"]), help="Where to train.")
@click.option("--overwrite", is_flag=True, help="Start from scratch instead of continuing at the last checkpoint.")
def train_command(
    recipe: Path, output: Path, init: str | None, steps: int | None, device: str, overwrite: bool
) -> None:
    """Trains a model according to RECIPE, a TOML or JSON file.

    An interrupted run continues at its last checkpoint and ends with exactly the weights of an uninterrupted one. On
    several GPUs, start it with accelerate launch.

    \b
    Examples:
      favor train recipes/favor-mini.toml -o mini
      favor train recipes/favor-mini.toml -o try --steps 100
      favor train recipes/favor-13b.toml -o tuned --init favor-13b
      accelerate launch --num_processes 8 -m jobs.main train recipes/favor-13b.toml -o tuned --init favor-13b
    """
    from favor.training.recipe import Recipe

    chosen = Recipe.read(recipe).starting_from(init)

    from favor.training.train import train  # torch takes seconds to import
    from jobs.bars import TrainingBar

    with TrainingBar() as bar:
        folder = train(chosen, output, steps, device, overwrite, bar)
    click.echo(f"{folder}: use it as --model {folder}")

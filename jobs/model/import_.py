"""``favor import``: makes a model folder of released files, or of random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs.command import FavorCommand

if TYPE_CHECKING:
    from favor.importing.release import ImportOptions

SOURCES = {
    "delta": "The trained parameters.",
    "eva": "The ViT, eva_vit_g.pth.",
    "instructblip": "The file of the image Q-Former, or InstructBLIP's hub folder, which replaces --eva too.",
    "whisper": "Folder of the speech encoder.",
    "llm": "Folder of the LLM and its tokenizer.",
    "bert": "Folder of the vocabulary of the questions.",
    "beats": "The sound-event encoder.",
}


def source_options(command: Any) -> Any:
    """Adds an option for each source to a command."""
    for name, text in reversed(SOURCES.items()):
        command = click.option(f"--{name}", metavar="SOURCE", help=text)(command)
    return command


@click.command("import", cls=FavorCommand, interrupted="interrupted; nothing was written")
@click.argument("preset", required=False)
@source_options
@click.option("--config", "config_file", metavar="FILE", help="JSON file of values that replace the preset's.")
@click.option("--merge-lora", is_flag=True, help="Add the adapters to the LLM's weights.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16"]),
    help="Type of the weights.  [default: as released]",
)
@click.option(
    "--shard-size",
    default=2.0,
    show_default=True,
    metavar="GB",
    type=click.FloatRange(0.001),
    help="Maximum size of a file of weights.",
)
@click.option("--random", "random_preset", metavar="PRESET", help="Make a model of this preset with random weights.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the random weights.")
@click.option("-o", "--output", metavar="DIR", type=click.Path(path_type=Path), help="The model folder to write.")
@click.option("--overwrite", is_flag=True, help="Replace an existing model folder.")
@click.option("--list", "listing", is_flag=True, help="List what each preset is made of, and where it is published.")
def import_command(
    preset: str | None, random_preset: str | None, listing: bool, output: Path | None, **options: Any
) -> None:
    """Makes a model folder from the released files of PRESET, for --model of the other commands.

    A SOURCE is a path, any fsspec URL, or OWNER/REPOSITORY or OWNER/REPOSITORY/FILE on the hub. Pickles are read
    without running the code in them. Every tensor is accounted for; if anything is wrong, nothing is written.

    \b
    Examples:
      favor import --list
      favor import favor-13b --delta pytorch_model_1_101.pt --eva eva_vit_g.pth \\
        --instructblip instruct_blip_vicuna13b_trimmed.pth --whisper openai/whisper-large-v2 \\
        --llm vicuna-13b --bert bert-base-uncased --output favor-13b
      favor import favor-13b --instructblip Salesforce/instructblip-vicuna-13b ...   # without --eva
      favor import video-salmonn-13b ... --beats BEATs_iter3_plus_AS2M_finetuned_on_AS2M_cpt2.pt --merge-lora -o salmonn
      favor import --random favor-13b --output random-13b
      favor import --random favor-13b --config small.json --seed 1 -o small
    """
    if listing:
        _list()
        return
    if (preset is None) == (random_preset is None):
        raise click.UsageError("give either PRESET and its files, or --random PRESET, or --list")
    if output is None:
        raise click.UsageError("Missing option '-o' / '--output'.")
    _import(preset, random_preset, output, options)


def _list() -> None:
    from favor.importing.releases import RELEASES

    click.echo("\n\n".join(str(recipe) for recipe in RELEASES.values()))


def _import(preset: str | None, random_preset: str | None, output: Path, options: dict[str, Any]) -> None:
    """Imports a model after checking the command line, which does not need torch."""
    from favor.importing.releases import check_random, recipe

    given = {name: options[name] for name in SOURCES if options[name] is not None}
    if preset is not None:
        recipe(preset).check(given)
    else:
        check_random(str(random_preset))
    config, tokenizers = _read_config(options["config_file"]), {} if preset else _tokenizer_folders(given)

    from favor.importing.random_model import import_random  # torch takes seconds to import
    from favor.importing.release import import_release
    from jobs.bars import ByteBar

    how = _import_options(config, options)
    with ByteBar() as bar:
        if preset is not None:
            import_release(preset, given, output, how, bar)
        else:
            import_random(str(random_preset), output, how, options["seed"], tokenizers, bar)
    click.echo(f"{output}: use it as --model {output}")


def _tokenizer_folders(given: dict[str, str]) -> dict[str, Path]:
    surplus = sorted(given.keys() - {"llm", "bert"})
    if surplus:
        raise click.UsageError(f"--random needs no --{surplus[0]}")
    return {name: Path(path) for name, path in given.items()}


def _import_options(config: dict[str, Any], options: dict[str, Any]) -> ImportOptions:
    import torch

    from favor.importing.release import ImportOptions

    return ImportOptions(
        config=config,
        merge_lora=options["merge_lora"],
        dtype=getattr(torch, options["dtype"]) if options["dtype"] else None,
        shard_bytes=int(options["shard_size"] * 1e9),
        overwrite=options["overwrite"],
    )


def _read_config(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.ClickException(f"--config {path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise click.ClickException(f'--config {path} must hold a JSON object, such as {{"lora": {{"alpha": 4}}}}')
    return values

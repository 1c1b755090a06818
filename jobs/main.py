"""The command ``favor``; what a subcommand needs is imported only when it runs."""

import importlib

import click

from favor import __version__
from pipeline.execution.environment import set_up

# Each subcommand and the module that holds it.
COMMANDS = {
    "caption": "run.caption",
    "qa": "run.qa",
    "transcribe": "run.transcribe",
    "plan": "run.plan",
    "status": "output.status",
    "diff": "output.diff",
    "import": "model.import_",
    "synthesize": "model.synthesize",
    "train": "model.train",
}


class JobGroup(click.Group):
    """Finds a subcommand NAME as ``NAME_command`` in its module."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Returns the subcommands in the order in which they are told."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Returns a subcommand."""
        if name not in COMMANDS:
            return None
        return getattr(importlib.import_module(f"jobs.{COMMANDS[name]}"), f"{name}_command")


@click.group(cls=JobGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--verbose", is_flag=True, help="Show what the libraries log.")
@click.version_option(__version__)
def main(verbose: bool) -> None:
    """Turns archives of videos into tables of captions, answers and speech transcripts."""
    set_up(verbose)


if __name__ == "__main__":
    main()

"""The command ``favor``, which imports what a subcommand needs only when it runs."""

import importlib

import click

from favor import __version__
from pipeline.execution.environment import set_up

# Subcommands and their modules, in the order of the help text.
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
    """A group that finds subcommand NAME as ``NAME_command`` in its module."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Returns the names of the subcommands in the order of the help text."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Returns a subcommand, or None if there is no such one."""
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

"""The command ``favor``; what a subcommand needs is imported only when it runs."""

import importlib

import click

from favor import __version__
from pipeline.environment import set_up

# Each subcommand and the module that holds it.
COMMANDS = {
    "caption": "caption",
    "qa": "qa",
    "transcribe": "transcribe",
    "plan": "plan",
    "status": "status",
    "diff": "diff",
    "import": "import_",
    "synthesize": "synthesize",
    "train": "train",
}


class JobGroup(click.Group):
    """Finds a subcommand as ``command`` in its module."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Returns the subcommands in the order in which they are told."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Returns a subcommand."""
        return importlib.import_module(f"jobs.{COMMANDS[name]}").command if name in COMMANDS else None


@click.group(cls=JobGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--verbose", is_flag=True, help="Show what the libraries log.")
@click.version_option(__version__)
def main(verbose: bool) -> None:
    """Turns archives of videos into tables of captions, answers and speech transcripts."""
    set_up(verbose)


if __name__ == "__main__":
    main()

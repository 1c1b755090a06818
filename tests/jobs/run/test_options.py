import click
from click.testing import CliRunner

from jobs.run.options import OptionGroup, RunCommand, execution_options

made = []


def build_size(width: int, height: int) -> tuple[int, int]:
    made.append((width, height))
    return width, height


size_options = OptionGroup(
    "size", build_size, click.option("--width", default=1), click.option("--height", default=2, help="Of the picture.")
)


def test_options_of_a_group_become_one_value():
    @click.command()
    @size_options
    @click.option("--name", default="a")
    def command(size, name):
        click.echo(f"{name} {size}")

    assert CliRunner().invoke(command, ["--height", "5", "--name", "b"]).output == "b (1, 5)\n"
    assert "--height INTEGER  Of the picture." in CliRunner().invoke(command, ["--help"]).output


def test_a_value_that_is_not_always_needed_is_made_when_it_is_asked_for():
    @click.command()
    @size_options.lazily()
    @click.option("--needed", is_flag=True)
    def command(size, needed):
        click.echo(str(size()) if needed else "nothing")

    made.clear()
    assert CliRunner().invoke(command, []).output == "nothing\n"
    assert made == []
    assert CliRunner().invoke(command, ["--needed"]).output == "(1, 2)\n"
    assert made == [(1, 2)]


def test_what_is_behind_two_dashes_is_for_beam():
    @click.command(cls=RunCommand)
    @execution_options
    def command(execution):
        click.echo(f"{execution.workers} {execution.batch_size} {execution.beam_options}")

    line = ["--workers", "2", "--batch-size", "auto", "--", "--project=P", "--workers=9"]
    assert CliRunner().invoke(command, line).output == "2 0 ('--project=P', '--workers=9')\n"

import click
import pytest
from click.testing import CliRunner

from favor.errors import FavorError
from jobs.command import ExitCode, FavorCommand


def ends(error):
    """How a command ends in which an error comes up."""

    @click.command(cls=FavorCommand, interrupted="interrupted; nothing is lost")
    def command():
        raise error

    return CliRunner().invoke(command)


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (FavorError("the film is too long"), ExitCode.FAILED, "Error: the film is too long\n"),
        (OSError(28, "No space left on device", "out"), ExitCode.FAILED, "Error: [Errno 28] No space left on device"),
        (KeyboardInterrupt(), ExitCode.FAILED, "Error: interrupted; nothing is lost\n"),
        (click.UsageError("give more"), ExitCode.USAGE, "Error: give more\n"),
    ],
)
def test_what_is_outside_this_code_is_said_in_one_line(error, status, message):
    result = ends(error)
    assert result.exit_code == status
    assert message in result.output
    assert isinstance(result.exception, SystemExit)


def test_a_mistake_in_the_code_is_not_hidden():
    assert isinstance(ends(ValueError("a mistake")).exception, ValueError)

"""What all commands share: how they end, and how they say what a user or a machine has done wrong."""

from __future__ import annotations

import enum
from typing import Any

import click

INTERRUPTED = "interrupted; the same command goes on where it stopped"


class ExitCode(enum.IntEnum):
    """The status with which a command ends.

    Attributes:
        DONE: everything that was asked for is done; windows and files that failed have rows in ``failures``.
        FAILED: something outside this code is wrong, no file could be read, rows were lost, or the user interrupted;
            one line on standard error says what. What a run has done by then is kept.
        USAGE: the words of the command line are wrong; nothing was read or written.
        STOPPED_WATCHING: the user interrupted ``favor status --watch``.
    """

    DONE = 0
    FAILED = 1
    USAGE = 2
    STOPPED_WATCHING = 130


class ComparisonExitCode(enum.IntEnum):
    """The status with which ``favor diff --exit-code`` ends, which is that of the tool diff.

    Attributes:
        SAME: nothing differs.
        DIFFERENT: a row or a failure is not the same in both.
        TROUBLE: the two could not be compared; one line on standard error says why.
    """

    SAME = 0
    DIFFERENT = 1
    TROUBLE = 2


class FavorCommand(click.Command):
    """A command that says in one line whatever a user or a machine can do wrong.

    Args:
        interrupted: what is said when the user interrupts.
    """

    def __init__(self, *arguments: Any, interrupted: str = "interrupted", **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self._interrupted = interrupted

    def invoke(self, context: click.Context) -> Any:
        """Runs the command.

        Raises:
            click.ClickException: for what is outside this code.
        """
        from favor.errors import FavorError
        from favor.io.stores import store_errors

        try:
            return super().invoke(context)
        except store_errors(FavorError) as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            raise click.ClickException(self._interrupted) from None

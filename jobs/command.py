"""What all commands share: exit codes, and the reporting of errors in one line."""

from __future__ import annotations

import enum
from typing import Any

import click

INTERRUPTED = "interrupted; the same command goes on where it stopped"


class ExitCode(enum.IntEnum):
    """The exit status of a command.

    Attributes:
        DONE: everything requested is done; windows and files that failed have rows in ``failures``.
        FAILED: something outside this code is wrong, no file could be read, rows were lost, or the user interrupted;
            one line on standard error says which. What a run has done by then is kept.
        USAGE: the command line is invalid; nothing was read or written.
        STOPPED_WATCHING: the user interrupted ``favor status --watch``.
    """

    DONE = 0
    FAILED = 1
    USAGE = 2
    STOPPED_WATCHING = 130


class ComparisonExitCode(enum.IntEnum):
    """The exit status of ``favor diff --exit-code``, which is that of the tool diff.

    Attributes:
        SAME: nothing differs.
        DIFFERENT: a row or a failure differs.
        TROUBLE: the two outputs could not be compared; one line on standard error says why.
    """

    SAME = 0
    DIFFERENT = 1
    TROUBLE = 2


class FavorCommand(click.Command):
    """A command that reports errors of the user or the environment in one line.

    Args:
        *arguments: passed to `click.Command`.
        interrupted: the message when the user interrupts.
        **attributes: passed to `click.Command`.
    """

    def __init__(self, *arguments: Any, interrupted: str = "interrupted", **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self._interrupted = interrupted

    def invoke(self, context: click.Context) -> Any:
        """Runs the command.

        Raises:
            click.ClickException: for any error that is not a bug, and when the user interrupts.
        """
        from favor.errors import FavorError
        from favor.io.stores import store_errors

        try:
            return super().invoke(context)
        except store_errors(FavorError) as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            raise click.ClickException(self._interrupted) from None

"""``favor status``: shows the progress of a run."""

from __future__ import annotations

import json
import sys
import time

import click

from jobs.command import ExitCode, FavorCommand

WATCH_SECONDS = 5.0


@click.command("status", cls=FavorCommand)
@click.argument("output", metavar="DIR")
@click.option("--watch", is_flag=True, help="Print the status every five seconds until the run is over.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on a line.")
def status_command(output: str, watch: bool, as_json: bool) -> None:
    """Shows the progress of the run that writes to DIR, from any shell or machine that can read DIR.

    DIR is the --output of a run, local or any fsspec URL. The run updates its status there every few seconds.

    \b
    Examples:
      favor status out
      favor status gs://bucket/tables --watch
      favor status out --json | jq .seconds_left
    """
    from pipeline.reporting.status import read_status

    try:
        status = read_status(output)
        while True:
            click.echo(json.dumps(status.to_dict()) if as_json else str(status))
            if not (watch and status.alive):
                return
            time.sleep(WATCH_SECONDS)
            status = read_status(output)
            if not as_json and sys.stdout.isatty():
                click.clear()
    except KeyboardInterrupt:
        raise click.exceptions.Exit(ExitCode.STOPPED_WATCHING) from None

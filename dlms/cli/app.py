"""The `dlms` application: its commands, and how they end."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from dlms.cli.clock import clock
from dlms.cli.decode import decode
from dlms.cli.encode import encode
from dlms.cli.keys import app as keys
from dlms.cli.listen import listen
from dlms.cli.profile import profile
from dlms.cli.read import objects, read, snapshot
from dlms.cli.write import call, write
from dlms.errors import DlmsError
from obis.command import exit_code, run
from obis.errors import ObisError

FAILURES = (DlmsError, ObisError, OSError)
"""What ends a command with one line and exit code 1."""

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
for _command in (read, snapshot, objects, profile, write, call, clock, listen, decode, encode):
    app.command()(_command)
app.add_typer(keys, name="keys")


@app.callback()
def dlms() -> None:
    """Read meters, and understand what they send."""


def execute(arguments: Sequence[str] | None = None) -> int:
    """The exit code of one command; its errors go to stderr."""
    return exit_code(app, "dlms", FAILURES, arguments)


def main() -> None:
    """Entry point."""
    run(app, "dlms", FAILURES)


if __name__ == "__main__":
    main()

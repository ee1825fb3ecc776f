"""How a command ends: exit code 0 done, 1 refused or failed, 2 wrong use; errors in one line on stderr, no traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn, cast

import typer

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""
NOTHING = FAILED

UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])
"""What typer raises for any wrong argument.  New releases bring their own click, so it is not imported from there."""


def run(app: typer.Typer, name: str, failures: tuple[type[Exception], ...] = ()) -> NoReturn:
    """Run a typer application and exit.  Exceptions of the kinds in `failures` become one line and exit code 1."""
    sys.exit(exit_code(app, name, failures))


def exit_code(
    app: typer.Typer, name: str, failures: tuple[type[Exception], ...] = (), arguments: Sequence[str] | None = None
) -> int:
    """Run a typer application with `arguments` (None: those of the process) and tell how it ended."""
    try:
        return app(arguments, standalone_mode=False, prog_name=name) or DONE
    except typer.Exit as exit_:
        return int(exit_.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except UsageError as fault:
        _complain(name, fault.format_message())
        return USAGE
    except BrokenPipeError:
        # whoever read our output has had enough; nothing more may be written when Python cleans up
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except failures as fault:
        _complain(name, str(fault))
        return FAILED


def _complain(name: str, message: str) -> None:
    typer.echo(f"{name}: {' '.join(message.split())}", err=True)

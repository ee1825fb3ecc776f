"""`dlms profile`: a profile or logger of a meter to the terminal or into a file."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlms.cli.options import Access, with_access
from dlms.cli.read import AS_JSON, ENDPOINT, JSON_OFF

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from dlms.client import Client
    from dlms.operations.profiles import Entries
    from dlms.profile import Profile
    from obis import Obis

FORMATS = (".csv", ".json", ".parquet", ".png")


@with_access
def profile(
    access: Access,
    endpoint: ENDPOINT,
    code: Annotated[str, typer.Argument(help="Code of the profile.")],
    start: Annotated[
        str | None, typer.Option("--from", help="First time, such as 2026-11-23 or 2026-11-23T06:15.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last time, included.")] = None,
    entries: Annotated[str | None, typer.Option(help="FIRST:LAST row numbers, as the meter counts them.")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="Code of an object whose columns are wanted; may be repeated.  Default: all."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help=f"File to write: {', '.join(FORMATS)}.")] = None,
    as_json: AS_JSON = JSON_OFF,
) -> None:
    """Read a profile or logger: whole, between two times, or by entries."""
    if output is not None and output.suffix not in FORMATS:
        raise typer.BadParameter(f"{output} ends in none of {', '.join(FORMATS)}")
    span = _moment(start), _moment(end)
    picked = _entries(entries)
    if picked is not None and span != (None, None):
        raise typer.BadParameter("a profile is read by time or by entries, not both")
    if None not in span and span[0].raw > span[1].raw:
        raise typer.BadParameter(f"--from {span[0]} is later than --to {span[1]}")
    columns = _codes(column)
    with access.connect(endpoint) as client, _progress(client):
        found = client.profile(code, *span, entries=picked, columns=columns)
        found.rows()
    if output is not None:
        _write(found, output)
        typer.echo(f"{len(found)} rows in {output}", err=True)
    elif as_json:
        typer.echo(json.dumps(found.to_json(), ensure_ascii=False, indent=2))
    else:
        typer.echo(found.to_csv(), nl=False)


def _moment(text: str | None) -> Any:
    """A time as the user wrote it.  Raises BadParameter."""
    from dlms.cosem_time import CosemTimeError, DateTime

    if text is None:
        return None
    try:
        return DateTime.parse(text if len(text) > 10 else f"{text} 00:00:00")
    except CosemTimeError as fault:
        raise typer.BadParameter(str(fault)) from fault


def _entries(text: str | None) -> Entries | None:
    from dlms.operations.profiles import Entries

    if text is None:
        return None
    first, _, last = text.partition(":")
    if not first.isdigit() or not (last.isdigit() or not last):
        raise typer.BadParameter(f"{text!r} is not FIRST:LAST")
    return Entries(int(first), int(last or 0))


def _codes(texts: list[str] | None) -> list[Obis] | None:
    """The codes of the columns.  Raises BadParameter."""
    from obis import Obis, ObisError

    try:
        return [Obis(text) for text in texts] if texts else None
    except ObisError as fault:
        raise typer.BadParameter(str(fault)) from fault


def _progress(client: Client) -> AbstractContextManager[object]:
    """A line that counts octets while they come, on a terminal only."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, SpinnerColumn, TextColumn

    shown = Progress(
        SpinnerColumn(), TextColumn("reading"), DownloadColumn(), console=Console(stderr=True), transient=True
    )
    task = shown.add_task("reading", total=None)
    client.progress = lambda octets: shown.advance(task, octets)
    return shown


def _write(found: Profile, output: Path) -> None:
    match output.suffix:
        case ".csv":
            found.to_csv(output)
        case ".json":
            output.write_text(json.dumps(found.to_json(), ensure_ascii=False, indent=2))
        case ".parquet":
            table = found.to_arrow()
            import pyarrow.parquet

            pyarrow.parquet.write_table(table, output)
        case ".png":
            found.save_png(output)

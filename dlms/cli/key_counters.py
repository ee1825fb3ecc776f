"""`dlms keys counters`: the store of invocation counters, which must survive every crash and no restore."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from dlms.cli.key_source import AS_JSON

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The store of invocation counters.")

STORE = Annotated[Path, typer.Argument(metavar="STORE", help="The SQLite file of the counters.")]
WITNESS = Annotated[Path | None, typer.Option(help="Where its witness stands, when not beside it.")]
ALARM = 2_000_000_000
"""From this number on a key should be changed: about half of the numbers are used up."""


@app.command()
def create(store: STORE, witness: WITNESS = None, as_json: AS_JSON = False) -> None:
    """Make a new, empty store and its witness."""
    from dlms.security.store import SqliteCounterStore

    with SqliteCounterStore.create(store, witness) as made:
        _print(_rows(made.series(), {}), as_json)


@app.command()
def show(
    store: STORE,
    witness: WITNESS = None,
    keys: Annotated[Path | None, typer.Option("--keys", help="A key file, to name the keys.")] = None,
    as_json: AS_JSON = False,
) -> None:
    """List the counters: next number to send, last number accepted."""
    from dlms.security.store import SqliteCounterStore

    names = {} if keys is None else _names(keys)
    with SqliteCounterStore.open(store, witness) as opened:
        rows = _rows(opened.series(), names)
    _print(rows, as_json)


@app.command()
def adopt(
    store: STORE,
    skip: Annotated[int, typer.Option(min=1, help="More than was sent since the copy was made.")],
    witness: WITNESS = None,
    as_json: AS_JSON = False,
) -> None:
    """Make a moved or restored store usable here, its counters of sent messages moved forward."""
    from dlms.security.store import SqliteCounterStore

    with SqliteCounterStore.adopt(store, witness, skip=skip) as adopted:
        _print(_rows(adopted.series(), {}), as_json)


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    for row in rows:
        if not as_json:
            label = "next" if row["direction"] == "sent" else "last"
            typer.echo(f"{row['key']:40} {row['direction']:9} {row['system_title']} {label} {row['value']}")
        if row["value"] >= ALARM:
            typer.echo(f"dlms: warning: {row['key']}: counter at {row['value']}, change the key", err=True)


def _rows(series: Any, names: dict[bytes, str]) -> list[dict[str, Any]]:
    return [
        {
            "key": names.get(name.fingerprint, name.fingerprint.hex()),
            "direction": str(name.direction),
            "system_title": name.system_title.hex(),
            "value": value,
        }
        for name, value in sorted(series.items())
    ]


def _names(path: Path) -> dict[bytes, str]:
    """Keys of a key file by the fingerprints that their counters have."""
    from dlms.security.keyfile import KeyFile, secrets_of
    from dlms.security.providers import COUNTER_PURPOSE

    return {
        secret.fingerprint(COUNTER_PURPOSE): f"{device} {name}"
        for device, entry in KeyFile.load(path).devices.items()
        for name, secret in secrets_of(entry).items()
    }

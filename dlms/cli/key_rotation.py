"""`dlms keys rotate`: the keys of a meter are changed in steps, each in the file before the next can be taken."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from dlms.cli.key_source import AS_JSON, DEVICE, FILE, SOURCES, pairs, secret_from

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Change keys in two phases: begin, transfer, proven, activate; after a crash see status.",
)

NAMES = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="encryption, broadcast, authentication, master; left out: all possible."),
]


@app.command()
def begin(
    file: FILE,
    device: DEVICE,
    names: Annotated[
        list[str], typer.Argument(metavar="NAME[=SOURCE]...", help=f"The keys to change; a SOURCE is {SOURCES}.")
    ],
    as_json: AS_JSON = False,
) -> None:
    """Make the new keys and keep them beside those in use."""
    from dlms.security.keyfile import KeyFile
    from dlms.security.keys import Secret
    from dlms.security.policy import KEY_IDS
    from dlms.security.rotation import Rotation

    suite = KeyFile.load(file)[device].suite
    new: dict[str, Secret | bytes | None] = {}
    for name, source in pairs([one if "=" in one else f"{one}=random" for one in names], KEY_IDS).items():
        new[name] = None if source == "random" else secret_from(name, source, suite)
    rotation = Rotation(file, device)
    rotation.begin(new)
    _print_status(rotation, as_json)


@app.command()
def transfer(
    file: FILE,
    device: DEVICE,
    names: NAMES = None,
    under_next: Annotated[
        bool, typer.Option("--under-next", help="Under the new master key: when an answer was lost.")
    ] = False,
    as_json: AS_JSON = False,
) -> None:
    """Give the new keys wrapped under the master key, for key_transfer; they count as sent from now on."""
    from dlms.security.policy import KEY_IDS
    from dlms.security.rotation import Rotation

    changes = Rotation(file, device).transfer(names or None, under_next=under_next)
    called = {number: name for name, number in KEY_IDS.items()}
    rows = [{"key_id": one.key_id, "name": called[one.key_id], "wrapped": one.wrapped.hex()} for one in changes]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        typer.echo(f"{row['key_id']} {row['name']:14} {row['wrapped']}")


@app.command()
def proven(file: FILE, device: DEVICE, names: NAMES = None, as_json: AS_JSON = False) -> None:
    """The meter has been seen to use the new keys."""
    _step("proven", file, device, names, as_json)


@app.command()
def unchanged(file: FILE, device: DEVICE, names: NAMES = None, as_json: AS_JSON = False) -> None:
    """The meter has been seen to use the keys in force, after everything that was sent."""
    _step("unchanged", file, device, names, as_json)


@app.command()
def activate(file: FILE, device: DEVICE, names: NAMES = None, as_json: AS_JSON = False) -> None:
    """Put the proven keys in force and forget the old ones."""
    _step("activate", file, device, names, as_json)


@app.command()
def cancel(file: FILE, device: DEVICE, names: NAMES = None, as_json: AS_JSON = False) -> None:
    """Forget new keys that the meter cannot have."""
    _step("cancel", file, device, names, as_json)


@app.command()
def status(file: FILE, device: DEVICE, as_json: AS_JSON = False) -> None:
    """Tell which keys are being changed, and which the meter may accept, the likeliest first."""
    from dlms.security.rotation import Rotation

    _print_status(Rotation(file, device), as_json)


def _step(step: str, file: FILE, device: str, names: list[str] | None, as_json: bool) -> None:
    from dlms.security.rotation import Rotation

    rotation = Rotation(file, device)
    getattr(rotation, step)(names or None)
    _print_status(rotation, as_json)


def _print_status(rotation: Any, as_json: bool) -> None:
    phases, candidates = rotation.phases(), rotation.candidates()
    accepted = [sorted(one.next) for one in candidates]
    if as_json:
        typer.echo(json.dumps({"phases": phases, "candidates": [{"next": names} for names in accepted]}))
        return
    for name, phase in phases.items():
        typer.echo(f"{name:14} {phase}")
    if not phases:
        typer.echo("no key is being changed")
    elif len(accepted) > 1:
        ways = " or ".join(f"next {', '.join(names)}" if names else "those in force" for names in accepted)
        typer.echo(f"the meter may accept: {ways}")

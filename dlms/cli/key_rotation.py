"""`dlms keys rotate`: the keys of a meter are changed in steps, each in the file before the next can be taken.

`live` takes them all over the line; the others are for those who bring the messages to the meter by other means.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from dlms.cli.key_source import AS_JSON, DEFAULT_SETUP, DEVICE, FILE, SETUP, SOURCES, pairs, secret_from
from dlms.cli.options import Access, with_access
from dlms.cli.read import ENDPOINT

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Change keys in two phases: live over the line, or begin, transfer, proven, activate; after a crash see status.",
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


@app.command()
@with_access
def live(
    access: Access,
    endpoint: ENDPOINT,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME[=SOURCE]]...",
            help=f"encryption, broadcast, authentication, master, secret; a SOURCE is {SOURCES}; left out: what was begun.",
        ),
    ] = None,
    agree: Annotated[bool, typer.Option("--agree", help="Agree on the keys instead of sending them.")] = False,
    setup: SETUP = DEFAULT_SETUP,
    pause: Annotated[float, typer.Option(min=0, help="Seconds between two tries with different keys.")] = 1.0,
    as_json: AS_JSON = False,
) -> None:
    """Change keys of a meter over the line: store, send, prove, put in force.

    After a crash the same again: the command finds out which keys the meter has, and goes on from there.
    """
    import time

    from dlms.ic import SecuritySetupV1
    from dlms.live_rotation import LiveRotation, opening_with
    from dlms.security.rotation import CHANGED, Rotation

    held = access.protected()
    dial = opening_with(
        held.security,
        lambda security, secret: access.connect_with(
            endpoint, held._replace(security=security, secret=held.secret if secret is None else secret.reveal())
        ),
    )
    wanted = pairs([one if "=" in one else f"{one}=random" for one in names or []], CHANGED)
    if agree and set(wanted.values()) - {"random"}:
        raise typer.BadParameter("a key that is agreed on has no source")
    rotation = Rotation(held.file, held.name)
    begun = rotation.phases()
    change = LiveRotation(rotation, dial, SecuritySetupV1(setup), pause=lambda: time.sleep(pause))
    suite = held.security.provider.suite
    if not wanted:
        change.finish()
    elif agree:
        for name in wanted:
            change.agree(name)
    else:
        change.change(
            {name: None if one == "random" else secret_from(name, one, suite) for name, one in wanted.items()}
        )
    done = list(dict.fromkeys([*begun, *wanted]))
    if as_json:
        typer.echo(json.dumps({"in_force": done}))
        return
    for name in done:
        typer.echo(f"{name:14} in force")
    if not done:
        typer.echo("no key was being changed")


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

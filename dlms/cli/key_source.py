"""Where the commands for keys take a secret from, and how they show what must not be seen."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from dlms.security.keyfile import DeviceKeys
    from dlms.security.keys import Secret
    from dlms.security.suite import SecuritySuite

FILE = Annotated[Path, typer.Argument(metavar="FILE", help="The key file, of mode 0600.")]
DEVICE = Annotated[str, typer.Argument(help="Name of an entry of the key file.")]
AS_JSON = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]
REVEAL = Annotated[bool, typer.Option("--reveal", help="Show the keys themselves, in clear.")]
DEFAULT_SETUP = "0.0.43.0.0.255"
SETUP = Annotated[str, typer.Option(metavar="CODE", help="The Security setup object.")]
SOURCES = "random, prompt, env:VARIABLE, file:PATH (hex digits, mode 0600) or hex:DIGITS (others can see it)"
PASSWORD = "secret"
"""The one secret that is text, and not octets in hex."""


def pairs(given: list[str], names: Collection[str]) -> dict[str, str]:
    """`NAME=SOURCE` of several options.  Raises BadParameter, which shows no part of them: it could be a key."""
    found = {}
    for one in given:
        name, equals, source = one.partition("=")
        if not equals or name not in names:
            raise typer.BadParameter(f"not NAME=SOURCE with a name of {', '.join(names)}")
        if name in found:
            raise typer.BadParameter(f"{name!r} is given twice")
        found[name] = source
    return found


def secret_from(name: str, source: str, suite: SecuritySuite) -> Secret:
    """The secret that a source gives, for the field `name`.  Raises BadParameter, which never shows it."""
    from dlms.security.keys import KeyMaterialError, Secret

    kind, _, place = source.partition(":")
    if source == "random":
        return _random(name, suite)
    if source == "prompt":
        text = _prompted(name)
    elif kind == "env" and place:
        if place not in os.environ:
            raise typer.BadParameter(f"{name}: the environment variable {place} is not set")
        text = os.environ[place]
    elif kind == "file" and place:
        text = _text_of(Path(place))
    elif kind == "hex":
        typer.echo(f"dlms: warning: the {name} on the command line can be seen by others", err=True)
        text = place
    else:
        raise typer.BadParameter(f"{name}: its source is one of {SOURCES}")
    try:
        return Secret(text.encode("latin-1")) if name == PASSWORD else Secret.from_hex(text.strip())
    except (KeyMaterialError, ValueError):
        raise typer.BadParameter(f"{name}: what {kind} gives cannot be taken; keys are hex digits") from None


def _random(name: str, suite: SecuritySuite) -> Secret:
    import secrets

    from dlms.security import points
    from dlms.security.keyfile import PRIVATE_KEYS
    from dlms.security.keys import Secret

    if name == PASSWORD:
        raise typer.BadParameter(f"{name}: a password is agreed with the meter, and not random")
    if name in PRIVATE_KEYS.values():
        return points.private_secret(points.generate(suite), suite)
    return Secret(secrets.token_bytes(suite.key_length))


def _prompted(name: str) -> str:
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{name}: there is nobody to ask; use env: or file:")
    return str(typer.prompt(name.capitalize(), hide_input=True, confirmation_prompt=True, err=True))


def _text_of(path: Path) -> str:
    from dlms.security.store import read_private

    return read_private(path).decode("latin-1").rstrip("\r\n")


def system_title(text: str) -> bytes:
    """8 octets in hex.  Raises BadParameter."""
    try:
        title = bytes.fromhex(text)
    except ValueError:
        title = b""
    if len(title) != 8:
        raise typer.BadParameter(f"{text!r} is not a system title: 16 hex digits are one")
    return title


def described(device: DeviceKeys, *, reveal: bool = False) -> dict[str, Any]:
    """An entry for people and programs: secrets as fingerprints, with `reveal` in clear too."""
    from dlms.security.keyfile import secrets_of

    found: dict[str, Any] = {"suite": device.suite.id}
    found["system_title"] = None if device.system_title is None else device.system_title.hex()
    found["identity"] = device.identity
    found["secrets"] = {name: _shown(name, key, reveal) for name, key in secrets_of(device).items()}
    found["next"] = {name: str(one.phase) for name, one in device.next.items()}
    found["certificates"] = sorted(device.certificates)
    found["public_keys"] = {purpose: point.hex() for purpose, point in device.public_keys.items()}
    return found


def _shown(name: str, key: Secret, reveal: bool) -> dict[str, str]:
    """A password has no fingerprint, as it could be guessed from one."""
    shown = {} if name.removeprefix("next ") == PASSWORD else {"fingerprint": key.fingerprint().hex()}
    return shown | ({"value": key.reveal().hex()} if reveal else {})


def warn_of_revealing() -> None:
    """What is said before keys are shown."""
    typer.echo("dlms: warning: keys are shown in clear; whoever sees them can read and command the meter", err=True)

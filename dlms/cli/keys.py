"""`dlms keys`: key files, and what is in them; the commands for rotation, certificates and counters stand beside it."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlms.cli import key_certificates, key_counters, key_meter, key_rotation
from dlms.cli.key_source import (
    AS_JSON,
    DEVICE,
    FILE,
    REVEAL,
    SOURCES,
    described,
    pairs,
    secret_from,
    system_title,
    warn_of_revealing,
)

if TYPE_CHECKING:
    from dlms.security.keyfile import DeviceKeys

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Key files: keys, certificates, counters.")
app.add_typer(key_rotation.app, name="rotate")
app.add_typer(key_certificates.app, name="certificate")
app.add_typer(key_meter.app, name="meter")
app.add_typer(key_counters.app, name="counters")

KEYS = Annotated[
    list[str] | None,
    typer.Option("--key", metavar="NAME=SOURCE", help=f"A secret, as often as needed. A SOURCE is {SOURCES}."),
]
TITLE = Annotated[str | None, typer.Option("--title", help="System title, 16 hex digits.")]
IDENTITY = Annotated[str | None, typer.Option(help="The entry that says who we are towards this device.")]
PUBLIC = Annotated[
    list[str] | None,
    typer.Option("--public-key", metavar="PURPOSE=HEX", help="x || y of its key, trusted without a certificate."),
]


@app.command()
def create(
    file: FILE,
    device: DEVICE,
    suite: Annotated[int, typer.Option(min=0, max=2, help="Security suite.")] = 0,
    title: TITLE = None,
    identity: IDENTITY = None,
    keys: KEYS = None,
    public_keys: PUBLIC = None,
    as_json: AS_JSON = False,
) -> None:
    """Make an entry for a device, or for ourselves, and the key file where there is none.

    The NAMEs are encryption (GUEK), broadcast (GBEK), authentication (GAK), master (KEK), dedicated; signing_key,
    agreement_key, tls_key; and secret, the password of the authentication.
    """
    from dlms.errors import LocalProtocolError
    from dlms.security import suite as suites
    from dlms.security.keyfile import DeviceKeys, KeyFile
    from dlms.security.keys import KeySet

    entry = DeviceKeys(KeySet(), suites.SUITES[suite])
    entry = _changed(entry, title, identity, keys, public_keys)
    if not file.exists():
        KeyFile().save(file)
    with KeyFile.edit(file) as held:
        if device in held.devices:
            raise LocalProtocolError(f"{file} has an entry {device!r} already; set changes it")
        held.devices[device] = entry
    _print({device: described(entry)}, as_json)


@app.command(name="set")
def set_(
    file: FILE,
    device: DEVICE,
    title: TITLE = None,
    identity: IDENTITY = None,
    keys: KEYS = None,
    public_keys: PUBLIC = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also keys that are there; the old ones are gone.")
    ] = False,
    as_json: AS_JSON = False,
) -> None:
    """Add to an entry.  The keys that a meter has are changed by `rotate`, and not here."""
    from dlms.errors import LocalProtocolError
    from dlms.security.keyfile import SECRETS, KeyFile, secrets_of

    with KeyFile.edit(file) as held:
        before = held[device]
        known = sorted(secrets_of(before).keys() & pairs(keys or [], SECRETS).keys())
        if known and not replace:
            raise LocalProtocolError(f"{device!r} has a {known[0]} already: rotate it, or say --replace")
        _check_not_changing(device, before, known)
        held.devices[device] = after = _changed(before, title, identity, keys, public_keys)
    _print({device: described(after)}, as_json)


@app.command()
def show(
    file: FILE,
    device: Annotated[str | None, typer.Argument(help="One entry; left out: all.")] = None,
    reveal: REVEAL = False,
    as_json: AS_JSON = False,
) -> None:
    """List the entries of a key file: suites, system titles, fingerprints of the keys."""
    from dlms.security.keyfile import KeyFile

    held = KeyFile.load(file)
    chosen = held.devices if device is None else {device: held[device]}
    if reveal:
        warn_of_revealing()
    _print({name: described(entry, reveal=reveal) for name, entry in chosen.items()}, as_json)


@app.command()
def remove(
    file: FILE,
    device: DEVICE,
    force: Annotated[bool, typer.Option("--force", help="Also when keys are being changed.")] = False,
    as_json: AS_JSON = False,
) -> None:
    """Forget an entry and its keys."""
    from dlms.errors import LocalProtocolError
    from dlms.security.keyfile import KeyFile

    with KeyFile.edit(file) as held:
        entry = held[device]
        if entry.next and not force:
            raise LocalProtocolError(f"keys of {device!r} are being changed: what the meter accepts would be lost")
        del held.devices[device]
    typer.echo(json.dumps({"removed": device}, ensure_ascii=False) if as_json else f"removed {device}")


@app.command()
def wrap(
    file: FILE,
    device: DEVICE,
    key: Annotated[str, typer.Argument(metavar="NAME|SOURCE", help=f"A key of the entry, or one from {SOURCES}.")],
    as_json: AS_JSON = False,
) -> None:
    """Wrap a key under the device's master key; prints hex."""
    from dlms.security import wrap as wrapping
    from dlms.security.keyfile import KeyFile
    from dlms.security.keys import KEY_NAMES

    entry = KeyFile.load(file)[device]
    of = entry.suite
    secret = entry.keys.get(key, of) if key in KEY_NAMES else secret_from("key", key, of)
    wrapped = wrapping.wrap(entry.keys.get("master", of), secret, of).hex()
    fingerprint = secret.fingerprint().hex()
    typer.echo(json.dumps({"wrapped": wrapped, "fingerprint": fingerprint}) if as_json else wrapped)


@app.command()
def unwrap(
    file: FILE,
    device: DEVICE,
    wrapped: Annotated[str, typer.Argument(help="Hex digits.")],
    store: Annotated[str | None, typer.Option("--store", metavar="NAME", help="Keep it as this key.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Also where the entry has such a key.")] = False,
    reveal: REVEAL = False,
    as_json: AS_JSON = False,
) -> None:
    """Unwrap a key that came wrapped under the device's master key; shows its fingerprint."""
    from dlms.errors import LocalProtocolError
    from dlms.security import wrap as wrapping
    from dlms.security.keyfile import KeyFile
    from dlms.security.keys import KEY_NAMES

    if store is not None and store not in KEY_NAMES:
        raise typer.BadParameter(f"{store!r} is none of {', '.join(KEY_NAMES)}", param_hint="--store")
    octets = _octets(wrapped)
    with KeyFile.edit(file) as held:
        entry = held[device]
        key = wrapping.unwrap(entry.keys.get("master", entry.suite), octets, entry.suite)
        if store is not None:
            if getattr(entry.keys, store) is not None and not replace:
                raise LocalProtocolError(f"{device!r} has a {store} key already: rotate it, or say --replace")
            _check_not_changing(device, entry, [store])
            held.devices[device] = entry.with_secret(store, key)
    shown = {"fingerprint": key.fingerprint().hex()}
    if reveal:
        warn_of_revealing()
        shown["value"] = key.reveal().hex()
    typer.echo(json.dumps(shown) if as_json else " ".join(shown.values()))


def _check_not_changing(device: str, entry: DeviceKeys, names: list[str]) -> None:
    """Refuses to put a key in the place of one that the meter may still accept."""
    from dlms.errors import LocalProtocolError

    for name in names:
        if name in entry.next:
            raise LocalProtocolError(f"{name} of {device!r} is being changed: what the meter accepts would be lost")


def _octets(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise typer.BadParameter("a wrapped key is written in hex") from None


def _changed(
    entry: DeviceKeys,
    title: str | None,
    identity: str | None,
    keys: list[str] | None,
    public_keys: list[str] | None,
) -> DeviceKeys:
    """The entry with what the options say."""
    from dlms.security import points
    from dlms.security.keyfile import PRIVATE_KEYS, SECRETS

    if title is not None:
        entry = dataclasses.replace(entry, system_title=system_title(title))
    if identity is not None:
        entry = dataclasses.replace(entry, identity=identity)
    for name, source in pairs(keys or [], SECRETS).items():
        entry = entry.with_secret(name, secret_from(name, source, entry.suite))
    for name, text in pairs(public_keys or [], PRIVATE_KEYS).items():
        point = points.public_octets(points.public_key(_point(text), entry.suite), entry.suite)
        entry = dataclasses.replace(entry, public_keys={**entry.public_keys, name: point})
    return entry


def _point(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise typer.BadParameter("a public key is written in hex: x || y", param_hint="--public-key") from None


def _print(entries: dict[str, dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(entries, ensure_ascii=False, indent=2))
        return
    for name, entry in entries.items():
        identity = "" if entry["identity"] is None else f", as {entry['identity']}"
        typer.echo(f"{name}: suite {entry['suite']}, system title {entry['system_title'] or 'not known'}{identity}")
        for secret, shown in entry["secrets"].items():
            phase = entry["next"].get(secret.removeprefix("next "), "") if secret.startswith("next ") else ""
            typer.echo(f"  {secret:26} {' '.join(shown.values()) or 'set'} {phase}".rstrip())
        for purpose, point in entry["public_keys"].items():
            typer.echo(f"  {'public ' + purpose:26} {point}")
        for purpose in entry["certificates"]:
            typer.echo(f"  certificate {purpose}")

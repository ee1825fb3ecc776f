"""`dlms keys certificate`: requests, certificates and trust in a key file, and an authority for test benches."""

from __future__ import annotations

import datetime
import enum
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlms.cli.key_source import AS_JSON, DEVICE, FILE, system_title
from obis.command import FAILED

if TYPE_CHECKING:
    from dlms.security.certificates import Purpose
    from dlms.security.enrolment import Held
    from dlms.security.keyfile import KeyFile

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Certificates, requests and trust anchors.")


class Use(enum.StrEnum):
    """The purposes of a certificate."""

    SIGNATURE = "signature"
    KEY_AGREEMENT = "key-agreement"
    TLS = "tls"

    @property
    def purpose(self) -> Purpose:
        """The same for `dlms.security`."""
        from dlms.security.certificates import Purpose

        return Purpose[self.name]


class Role(enum.StrEnum):
    """What a certificate is to the key file."""

    DEVICE = "device"
    AUTHORITY = "authority"
    ANCHOR = "anchor"


USE = Annotated[Use, typer.Argument(help="What the key is for.")]
OUTPUT = Annotated[
    Path | None, typer.Option("--output", "-o", help="A new file, PEM or .der; left out: PEM on stdout.")
]
AUTHORITY = Annotated[Path, typer.Argument(metavar="AUTHORITY", help="The authority's file, of mode 0600.")]
DAYS = Annotated[int, typer.Option(min=1, max=36_500, help="Days of validity from now.")]
AT = Annotated[
    str | None, typer.Option("--at", help="The time to verify at, such as 2026-11-23T06:15:00Z; left out: now.")
]
OF_DEVICE = Annotated[str | None, typer.Option("--device", help="Of this entry.")]
OF_TITLE = Annotated[str | None, typer.Option("--title", help="Of this system title, 16 hex digits.")]
OF_SERIAL = Annotated[str | None, typer.Option("--serial", help="With this serial number, in hex.")]
OF_PURPOSE = Annotated[Use | None, typer.Option("--purpose", help="For this purpose.")]
OF_ROLE = Annotated[Role | None, typer.Option("--role", help="Of this kind.")]


@app.command()
def request(
    file: FILE,
    device: DEVICE,
    use: USE,
    hardware_type: Annotated[str | None, typer.Option(help="Object identifier of the device type, with dots.")] = None,
    output: OUTPUT = None,
) -> None:
    """Make a key pair, which waits in the entry, and a certificate signing request for it."""
    from dlms.security import enrolment
    from dlms.security.keyfile import KeyFile

    with KeyFile.edit(file) as held:
        held.devices[device], der = enrolment.request(held[device], use.purpose, hardware_type)
    _write(der, "CERTIFICATE REQUEST", output)


@app.command()
def authority(
    file: AUTHORITY,
    name: Annotated[str, typer.Option(help="Its name, after TEST BENCH ONLY.")] = "authority",
    suite: Annotated[int, typer.Option(min=1, max=2, help="1 for P-256, 2 for P-384.")] = 1,
    days: DAYS = 3650,
    output: OUTPUT = None,
) -> None:
    """Make an authority for a test bench: a private key and a certificate that nobody else should trust."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from dlms.security.bench_authority import BenchAuthority
    from dlms.security.suite import SUITES

    made = BenchAuthority.create(name, SUITES[suite], _now(None), days)
    made.save(file)
    _write(made.certificate.public_bytes(Encoding.DER), "CERTIFICATE", output)


@app.command()
def issue(
    file: AUTHORITY,
    signing_request: Annotated[Path, typer.Argument(metavar="REQUEST", help="PEM or DER.")],
    use: USE,
    days: DAYS = 3650,
    output: OUTPUT = None,
) -> None:
    """Certify a signing request by the authority of a test bench."""
    from dlms.security.bench_authority import BenchAuthority

    now = _now(None)
    _write(BenchAuthority.load(file, now).issue(_der(signing_request), use.purpose, now, days), "CERTIFICATE", output)


@app.command(name="import")
def import_(
    file: FILE,
    certificate: Annotated[Path, typer.Argument(metavar="CERTIFICATE", help="PEM or DER.")],
    role: Annotated[Role, typer.Option("--as", help="An anchor is trusted on your word.")] = Role.DEVICE,
    device: Annotated[
        str | None, typer.Option("--device", help="The entry; left out: the one with the certificate's system title.")
    ] = None,
    at: AT = None,
) -> None:
    """Verify a certificate and keep it; a key that waited for it comes into force."""
    from dlms.security import enrolment
    from dlms.security.keyfile import KeyFile

    der, now = _der(certificate), _now(at)
    with KeyFile.edit(file) as held:
        if role is Role.DEVICE:
            name = enrolment.enrol(held, der, now, device)
        else:
            name = role.value
            (enrolment.add_anchor if role is Role.ANCHOR else enrolment.add_authority)(held, der, now)
    typer.echo(f"imported for {name}" if role is Role.DEVICE else f"imported as {name}")


@app.command()
def export(
    file: FILE,
    device: OF_DEVICE = None,
    title: OF_TITLE = None,
    serial: OF_SERIAL = None,
    purpose: OF_PURPOSE = None,
    role: OF_ROLE = None,
    private_key: Annotated[
        Path | None, typer.Option("--private-key", help="Also its private key, PEM in clear, into this new file.")
    ] = None,
    output: OUTPUT = None,
) -> None:
    """Write one certificate."""
    from dlms.security.keyfile import KeyFile

    held = KeyFile.load(file)
    which = _one(held, device, title, serial, purpose, role)
    if private_key is not None:
        _write_private(held, which, private_key)
    _write(which.der, "CERTIFICATE", output)


@app.command()
def remove(
    file: FILE,
    device: OF_DEVICE = None,
    title: OF_TITLE = None,
    serial: OF_SERIAL = None,
    purpose: OF_PURPOSE = None,
    role: OF_ROLE = None,
) -> None:
    """Forget one certificate; its private key stays."""
    from dlms.security import enrolment
    from dlms.security.keyfile import KeyFile

    with KeyFile.edit(file) as held:
        enrolment.remove(held, _one(held, device, title, serial, purpose, role))


@app.command(name="list")
def list_(
    file: FILE,
    device: OF_DEVICE = None,
    title: OF_TITLE = None,
    serial: OF_SERIAL = None,
    purpose: OF_PURPOSE = None,
    role: OF_ROLE = None,
    as_json: AS_JSON = False,
) -> None:
    """List certificates, not verified: what for, serial number, issuer, last day."""
    from dlms.security.keyfile import KeyFile

    held = KeyFile.load(file)
    rows = [_row(held, one) for one in _matching(held, device, title, serial, purpose, role)]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for row in rows:
        typer.echo(f"{_label(row):36} {row['serial']}  until {row['until'][:10]}  by {row['issuer']}")


@app.command()
def verify(
    file: FILE,
    certificate: Annotated[
        list[Path] | None, typer.Argument(metavar="[CERTIFICATE]...", help="PEM or DER; left out: those in the file.")
    ] = None,
    at: AT = None,
    as_json: AS_JSON = False,
) -> None:
    """Verify certificates by every rule of the profile, and name the rule that is broken."""
    from dlms.security.keyfile import KeyFile

    held, now = KeyFile.load(file), _now(at)
    rows = _verified_files(held, certificate, now) if certificate else _verified(held, now)
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        for row in rows:
            typer.echo(f"{row['certificate']:36} {row['broken'] or 'ok'}")
    broken = sum(row["broken"] is not None for row in rows)
    if broken:
        typer.echo(f"dlms: {broken} of {len(rows)} certificates break a rule", err=True)
        raise typer.Exit(FAILED)


def _verified(held: KeyFile, now: datetime.datetime) -> list[dict[str, Any]]:
    """One row for each certificate of the file, and the rule that it breaks."""
    from dlms.errors import SecurityError
    from dlms.security import enrolment
    from dlms.security.certificates import check_authority

    peers = None
    rows = []
    for one in enrolment.held(held):
        if one.role == enrolment.ANCHOR:
            try:
                check_authority(one.certificate, one.certificate, now)
                broken = None
            except SecurityError as fault:
                broken = str(fault)
            rows.append({"certificate": _label(_row(held, one)), "broken": broken})
    if all(row["broken"] is None for row in rows):
        peers = held.peers(now)
    for one in enrolment.held(held):
        if one.role != enrolment.ANCHOR:
            broken = "an anchor is broken" if peers is None else _fault_of(one, peers.refused)
            rows.append({"certificate": _label(_row(held, one)), "broken": broken})
    return rows


def _fault_of(one: Held, refused: tuple[Any, ...]) -> str | None:
    for each in refused:
        if each.der == one.der and each.name == (one.name or one.role):
            return str(each.fault)
    return None


def _verified_files(held: KeyFile, paths: list[Path], now: datetime.datetime) -> list[dict[str, Any]]:
    from dlms.errors import SecurityError
    from dlms.security.certificates import read
    from dlms.security.peers import store_of

    store, rows = store_of(held, now)[0], []
    for path in paths:
        try:
            store.verify(read(_der(path)), now)
            broken = None
        except SecurityError as fault:
            broken = str(fault)
        rows.append({"certificate": str(path), "broken": broken})
    return rows


def _matching(
    held: KeyFile, device: str | None, title: str | None, serial: str | None, purpose: Use | None, role: Role | None
) -> list[Held]:
    """The certificates that fit every condition given.  Raises BadParameter."""
    from dlms.security import enrolment

    number = None if serial is None else _serial(serial)
    octets = None if title is None else system_title(title)
    return [
        one
        for one in enrolment.held(held)
        if device in (None, one.name or None)
        and (octets is None or (one.name != "" and held[one.name].system_title == octets))
        and number in (None, one.certificate.serial_number)
        and (purpose is None or one.purpose == purpose.purpose.name.lower())
        and role in (None, one.role)
    ]


def _one(
    held: KeyFile, device: str | None, title: str | None, serial: str | None, purpose: Use | None, role: Role | None
) -> Held:
    """The one certificate that fits.  Raises LocalProtocolError."""
    from dlms.errors import LocalProtocolError

    found = _matching(held, device, title, serial, purpose, role)
    if len(found) != 1:
        raise LocalProtocolError(
            f"{len(found)} certificates fit: --device, --title, --serial, --purpose, --role choose"
        )
    return found[0]


def _row(held: KeyFile, one: Held) -> dict[str, Any]:
    title = held[one.name].system_title if one.name else None
    return {
        "role": one.role,
        "device": one.name or None,
        "system_title": None if title is None else title.hex(),
        "purpose": one.purpose or None,
        "serial": f"{one.certificate.serial_number:x}",
        "subject": one.certificate.subject.rfc4514_string(),
        "issuer": one.certificate.issuer.rfc4514_string(),
        "until": one.certificate.not_valid_after_utc.isoformat(),
    }


def _label(row: dict[str, Any]) -> str:
    return f"{row['device']} {row['purpose']}" if row["device"] else f"{row['role']} {row['subject']}"


def _serial(text: str) -> int:
    try:
        return int(text.removeprefix("0x"), 16)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a serial number in hex", param_hint="--serial") from None


def _now(text: str | None) -> datetime.datetime:
    if text is None:
        return datetime.datetime.now(datetime.UTC)
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time such as 2026-11-23T06:15:00Z", param_hint="--at") from None
    return moment if moment.tzinfo else moment.astimezone()


def _der(path: Path) -> bytes:
    """The octets of a certificate or request in PEM or DER.  Raises CertificateError, OSError."""
    import base64
    import re

    from dlms.security.certificates import MAX_CERTIFICATE
    from dlms.security.subject import CertificateError

    with path.open("rb") as file:
        content = file.read(4 * MAX_CERTIFICATE)
    found = re.search(rb"-----BEGIN CERTIFICATE(?: REQUEST)?-----(.*?)-----END CERTIFICATE", content, re.S)
    if found is None:
        return content
    try:
        return base64.b64decode(b"".join(found[1].split()), validate=True)
    except ValueError:
        raise CertificateError(f"{path}: the PEM is not base64") from None


def _write(der: bytes, label: str, output: Path | None) -> None:
    """A document that anybody may read, into a new file or on stdout."""
    import base64

    text = base64.b64encode(der).decode()
    lines = [
        f"-----BEGIN {label}-----",
        *(text[at : at + 64] for at in range(0, len(text), 64)),
        f"-----END {label}-----",
    ]
    pem = "\n".join(lines) + "\n"
    if output is None:
        typer.echo(pem, nl=False)
    else:
        with output.open("xb") as file:
            file.write(der if output.suffix == ".der" else pem.encode())


def _write_private(held: KeyFile, which: Held, path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from dlms.security import points
    from dlms.security.keys import KeyMaterialError
    from dlms.security.store import write_private

    secret = held[which.name].private_key(which.purpose) if which.name else None
    if secret is None:
        raise KeyMaterialError("the private key of this certificate is not in the key file")
    typer.echo("dlms: warning: a private key is written in clear", err=True)
    key = points.private_key(secret, held[which.name].suite)
    write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

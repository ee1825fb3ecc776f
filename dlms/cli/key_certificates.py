"""`dlms keys certificate`: requests, certificates and trust in a key file, and an authority for test benches."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlms.cli.key_source import AS_JSON, DEVICE, FILE, system_title
from dlms.cli.options import with_options
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


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """Which certificates of a key file: those that fit every condition that is given."""

    device: Annotated[str | None, typer.Option(help="Of this entry.")] = None
    title: Annotated[str | None, typer.Option(help="Of this system title, 16 hex digits.")] = None
    serial: Annotated[str | None, typer.Option(help="With this serial number, in hex.")] = None
    purpose: Annotated[Use | None, typer.Option(help="For this purpose.")] = None
    role: Annotated[Role | None, typer.Option(help="Of this kind.")] = None

    def among(self, file: KeyFile) -> list[Held]:
        """Those that fit.  Raises BadParameter for a title or a number that is none."""
        from dlms.security import enrolment

        number = None if self.serial is None else serial_number(self.serial)
        title = None if self.title is None else system_title(self.title)
        return [
            one
            for one in enrolment.held(file)
            if (self.device is None or one.name == self.device)
            and (title is None or (one.name != "" and file[one.name].system_title == title))
            and number in (None, one.certificate.serial_number)
            and (self.purpose is None or one.purpose == self.purpose.purpose.name.lower())
            and self.role in (None, one.role)
        ]

    def one(self, file: KeyFile) -> Held:
        """The only one that fits.  Raises LocalProtocolError when there are more or none."""
        from dlms.errors import LocalProtocolError

        found = self.among(file)
        if len(found) != 1:
            options = ", ".join(f"--{field.name}" for field in dataclasses.fields(self))
            raise LocalProtocolError(f"{len(found)} certificates fit: {options} choose")
        return found[0]


@app.command()
def request(
    file: FILE,
    device: DEVICE,
    use: USE,
    hardware_type: Annotated[str | None, typer.Option(help="Object identifier of the device type, with dots.")] = None,
    output: OUTPUT = None,
    as_json: AS_JSON = False,
) -> None:
    """Make a key pair, which waits in the entry, and a certificate signing request for it."""
    from dlms.security import enrolment
    from dlms.security.keyfile import KeyFile

    with KeyFile.edit(file) as held:
        held.devices[device], der = enrolment.request(held[device], use.purpose, hardware_type)
    write_document(der, "CERTIFICATE REQUEST", output, as_json)


@app.command()
def authority(
    file: AUTHORITY,
    name: Annotated[str, typer.Option(help="Its name, after TEST BENCH ONLY.")] = "authority",
    suite: Annotated[int, typer.Option(min=1, max=2, help="1 for P-256, 2 for P-384.")] = 1,
    days: DAYS = 3650,
    output: OUTPUT = None,
    as_json: AS_JSON = False,
) -> None:
    """Make an authority for a test bench: a private key and a certificate that nobody else should trust."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from dlms.security.bench_authority import BenchAuthority
    from dlms.security.suite import SUITES

    made = BenchAuthority.create(name, SUITES[suite], _now(None), days)
    made.save(file)
    write_document(made.certificate.public_bytes(Encoding.DER), "CERTIFICATE", output, as_json)


@app.command()
def issue(
    file: AUTHORITY,
    signing_request: Annotated[Path, typer.Argument(metavar="REQUEST", help="PEM or DER.")],
    use: USE,
    days: DAYS = 3650,
    output: OUTPUT = None,
    as_json: AS_JSON = False,
) -> None:
    """Certify a signing request by the authority of a test bench."""
    from dlms.security.bench_authority import BenchAuthority

    now = _now(None)
    write_document(
        BenchAuthority.load(file, now).issue(der_of(signing_request), use.purpose, now, days),
        "CERTIFICATE",
        output,
        as_json,
    )


@app.command(name="import")
def import_(
    file: FILE,
    certificate: Annotated[Path, typer.Argument(metavar="CERTIFICATE", help="PEM or DER.")],
    role: Annotated[Role, typer.Option("--as", help="An anchor is trusted on your word.")] = Role.DEVICE,
    device: Annotated[
        str | None, typer.Option("--device", help="The entry; left out: the one with the certificate's system title.")
    ] = None,
    at: AT = None,
    as_json: AS_JSON = False,
) -> None:
    """Verify a certificate and keep it; a key that waited for it comes into force."""
    from dlms.security import enrolment
    from dlms.security.keyfile import KeyFile

    der, now = der_of(certificate), _now(at)
    with KeyFile.edit(file) as held:
        if role is Role.DEVICE:
            name = enrolment.enrol(held, der, now, device)
        else:
            name = role.value
            (enrolment.add_anchor if role is Role.ANCHOR else enrolment.add_authority)(held, der, now)
    text = f"imported for {name}" if role is Role.DEVICE else f"imported as {name}"
    say(as_json, text, role=role.value, device=name if role is Role.DEVICE else None)


@app.command()
@with_options(Choice)
def export(
    choice: Choice,
    file: FILE,
    private_key: Annotated[
        Path | None, typer.Option("--private-key", help="Also its private key, PEM in clear, into this new file.")
    ] = None,
    output: OUTPUT = None,
    as_json: AS_JSON = False,
) -> None:
    """Write one certificate."""
    from dlms.security.keyfile import KeyFile

    held = KeyFile.load(file)
    which = choice.one(held)
    if private_key is not None:
        _write_private(held, which, private_key)
    write_document(which.der, "CERTIFICATE", output, as_json)


@app.command()
@with_options(Choice)
def remove(choice: Choice, file: FILE, as_json: AS_JSON = False) -> None:
    """Forget one certificate; its private key stays."""
    from dlms.security import enrolment
    from dlms.security.keyfile import KeyFile

    with KeyFile.edit(file) as held:
        which = choice.one(held)
        row = _row(held, which)
        enrolment.remove(held, which)
    say(as_json, f"removed {_label(row)}", **row)


@app.command(name="list")
@with_options(Choice)
def list_(choice: Choice, file: FILE, as_json: AS_JSON = False) -> None:
    """List certificates, not verified: what for, serial number, issuer, last day."""
    from dlms.security.keyfile import KeyFile

    held = KeyFile.load(file)
    rows = [_row(held, one) for one in choice.among(held)]
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
            store.verify(read(der_of(path)), now)
            broken = None
        except SecurityError as fault:
            broken = str(fault)
        rows.append({"certificate": str(path), "broken": broken})
    return rows


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


def serial_number(text: str) -> int:
    """A serial number in hex.  Raises BadParameter."""
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


def der_of(path: Path) -> bytes:
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


def say(as_json: bool, text: str, **fields: str | None) -> None:
    """What was done, for people or for programs."""
    typer.echo(json.dumps(fields, ensure_ascii=False) if as_json else text)


def write_document(der: bytes, label: str, output: Path | None, as_json: bool) -> None:
    """A document that anybody may read, into a new file or on stdout."""
    import base64

    text = base64.b64encode(der).decode()
    lines = [
        f"-----BEGIN {label}-----",
        *(text[at : at + 64] for at in range(0, len(text), 64)),
        f"-----END {label}-----",
    ]
    pem = "\n".join(lines) + "\n"
    if output is not None:
        with output.open("xb") as file:
            file.write(der if output.suffix == ".der" else pem.encode())
    if as_json:
        typer.echo(json.dumps({"der": text, "file": None if output is None else str(output)}))
    elif output is None:
        typer.echo(pem, nl=False)


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

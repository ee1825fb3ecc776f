"""`dlms keys meter`: the key pairs and certificates that are in a meter, over the line."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlms.cli.key_certificates import AUTHORITY, DAYS, OUTPUT, USE, Use, der_of, say, serial_number, write_document
from dlms.cli.key_source import AS_JSON, DEFAULT_SETUP, SETUP, system_title
from dlms.cli.options import Access, with_access, with_options
from dlms.cli.read import ENDPOINT

if TYPE_CHECKING:
    from dlms.meter_keys import MeterKeys
    from dlms.security.identification import BySerial, CertificateInfo

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Key pairs and certificates in a meter.")

ENTITIES = ("meter", "client", "authority", "other")


@dataclasses.dataclass(frozen=True, slots=True)
class Chosen:
    """Which certificate of a meter: the one that fits every condition that is given."""

    title: Annotated[str | None, typer.Option(help="Of this system title, 16 hex digits.")] = None
    serial: Annotated[str | None, typer.Option(help="With this serial number, in hex.")] = None
    purpose: Annotated[Use | None, typer.Option(help="For this purpose.")] = None

    def one(self, keys: MeterKeys) -> BySerial:
        """The only one that fits.  Raises LocalProtocolError when there are more or none."""
        from dlms.errors import LocalProtocolError

        title = None if self.title is None else system_title(self.title)
        number = None if self.serial is None else serial_number(self.serial)
        kind = None if self.purpose is None else self.purpose.purpose.value
        found = [info for info in keys.certificates() if _fits(info, title, number, kind)]
        if len(found) != 1:
            raise LocalProtocolError(f"{len(found)} certificates fit: --title, --serial, --purpose choose")
        return found[0].identification


@app.command(name="list")
@with_access
def list_(access: Access, endpoint: ENDPOINT, setup: SETUP = DEFAULT_SETUP, as_json: AS_JSON = False) -> None:
    """List the certificates that the meter holds."""
    with _keys(access, endpoint, setup) as keys:
        rows = [_row(info) for info in keys.certificates()]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for row in rows:
        typer.echo(f"{row['entity']:10} {row['purpose']:14} {row['serial']}  {row['subject']}  by {row['issuer']}")


@app.command()
@with_access
def generate(
    access: Access, endpoint: ENDPOINT, use: USE, setup: SETUP = DEFAULT_SETUP, as_json: AS_JSON = False
) -> None:
    """Let the meter make a key pair, which waits for its certificate."""
    with _keys(access, endpoint, setup) as keys:
        keys.generate(use.purpose)
    say(as_json, f"{use}: a key pair waits for its certificate", purpose=use.value)


@app.command()
@with_access
def request(
    access: Access,
    endpoint: ENDPOINT,
    use: USE,
    output: OUTPUT = None,
    setup: SETUP = DEFAULT_SETUP,
    as_json: AS_JSON = False,
) -> None:
    """Fetch the signing request of the key pair that waits, or of the one in force; its signature is verified."""
    with _keys(access, endpoint, setup) as keys:
        der = keys.request(use.purpose).der
    write_document(der, "CERTIFICATE REQUEST", output, as_json)


@app.command(name="import")
@with_access
def import_(
    access: Access,
    endpoint: ENDPOINT,
    certificate: Annotated[Path, typer.Argument(metavar="CERTIFICATE", help="PEM or DER.")],
    setup: SETUP = DEFAULT_SETUP,
    as_json: AS_JSON = False,
) -> None:
    """Give the meter a certificate: its own, ours, or that of an authority below its anchors."""
    der = der_of(certificate)
    with _keys(access, endpoint, setup) as keys:
        keys.import_certificate(der)
    say(as_json, "imported", certificate=str(certificate))


@app.command()
@with_access
@with_options(Chosen)
def export(
    chosen: Chosen,
    access: Access,
    endpoint: ENDPOINT,
    output: OUTPUT = None,
    setup: SETUP = DEFAULT_SETUP,
    as_json: AS_JSON = False,
) -> None:
    """Fetch one certificate."""
    with _keys(access, endpoint, setup) as keys:
        der = keys.export(chosen.one(keys))
    write_document(der, "CERTIFICATE", output, as_json)


@app.command()
@with_access
@with_options(Chosen)
def remove(
    chosen: Chosen, access: Access, endpoint: ENDPOINT, setup: SETUP = DEFAULT_SETUP, as_json: AS_JSON = False
) -> None:
    """Let the meter forget one certificate."""
    with _keys(access, endpoint, setup) as keys:
        which = chosen.one(keys)
        keys.remove(which)
    say(as_json, f"removed {which.serial:x}", serial=f"{which.serial:x}")


@app.command()
@with_access
def enrol(
    access: Access,
    endpoint: ENDPOINT,
    authority: AUTHORITY,
    use: USE,
    days: DAYS = 3650,
    setup: SETUP = DEFAULT_SETUP,
    as_json: AS_JSON = False,
) -> None:
    """A new key pair of the meter, certified by the authority of a test bench, put in force and read back.

    The certificate goes into the key file too, in place of the one that is there.
    """
    from dlms.security import enrolment
    from dlms.security.bench_authority import BenchAuthority
    from dlms.security.keyfile import KeyFile

    now, held = datetime.datetime.now(datetime.UTC), access.protected()
    bench = BenchAuthority.load(authority, now)
    with _keys(access, endpoint, setup, held) as keys:
        der = keys.enrol(use.purpose, lambda asked: bench.issue(asked, use.purpose, now, days))
    with KeyFile.edit(held.file) as file:
        enrolment.enrol(file, der, now, held.name)
    say(as_json, f"{held.name}: {use} enrolled", device=held.name, purpose=use.value)


@contextlib.contextmanager
def _keys(access: Access, endpoint: str, setup: str, held: Any = None) -> Iterator[MeterKeys]:
    from dlms.ic import SecuritySetupV1
    from dlms.meter_keys import MeterKeys

    with access.connect(endpoint) if held is None else access.connect_with(endpoint, held) as client:
        yield MeterKeys(client, SecuritySetupV1(setup))


def _fits(info: CertificateInfo, title: bytes | None, number: int | None, kind: int | None) -> bool:
    from dlms.security.identification import common_name

    named = title is None or title in info.subject_alt_name or common_name(info.subject).upper() == title.hex().upper()
    return named and number in (None, info.serial) and kind in (None, info.certificate_type)


def _row(info: CertificateInfo) -> dict[str, Any]:
    from dlms.security.certificates import Purpose
    from dlms.security.identification import common_name

    kinds = {one.value: one.name.lower() for one in Purpose}
    return {
        "entity": ENTITIES[info.entity] if info.entity < len(ENTITIES) else str(info.entity),
        "purpose": kinds.get(info.certificate_type, "other"),
        "serial": f"{info.serial:x}",
        "subject": common_name(info.subject),
        "issuer": common_name(info.issuer),
    }

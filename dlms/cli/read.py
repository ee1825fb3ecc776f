"""`dlms read`, `dlms snapshot`, `dlms objects`: values of a meter on the terminal or as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlms.cli.options import Access, with_access
from obis.command import FAILED

if TYPE_CHECKING:
    from dlms.client import Client
    from dlms.interface import AttributeRef

ENDPOINT = Annotated[str, typer.Argument(help="tcp://host:4059, hdlc://host:port or serial:///dev/ttyUSB0?baud=9600")]
AS_JSON = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]
JSON_OFF = False


@with_access
def read(
    access: Access,
    endpoint: ENDPOINT,
    codes: Annotated[list[str], typer.Argument(help="[CLASS/]CODE[:ATTRIBUTE]; the attribute is 2 when left out.")],
    as_json: AS_JSON = JSON_OFF,
) -> None:
    """Read attributes: registers with their unit, clocks as times."""
    from dlms.cli import find_class
    from dlms.errors import AccessError

    wanted = [find_class.parse(code) for code in codes]
    found, failed = [], False
    with access.connect(endpoint) as client:
        for text, (class_id, code, attribute) in zip(codes, wanted, strict=True):
            try:
                ref, value = find_class.read(client, class_id, code, attribute)
                found.append(_shown(client, ref, value))
            except AccessError as refusal:
                failed = True
                found.append({"obis": str(code), "attribute": attribute, "error": str(refusal)})
                typer.echo(f"dlms: {text}: {refusal}", err=True)
    _print(found, as_json)
    if failed:
        raise typer.Exit(FAILED)


def _shown(client: Client, ref: AttributeRef[Any], value: Any) -> dict[str, Any]:
    """One value: typed for programs, as text for people; registers with scaler and unit."""
    from dlms.data import to_json
    from dlms.errors import AccessError
    from dlms.ic import ExtendedRegister, Register
    from obis import describe

    shown = {"obis": str(ref.instance), "class_id": ref.class_id, "attribute": ref.index}
    shown |= {"name": ref.attribute.name if ref.attribute else str(ref.index)}
    shown |= {"description": str(describe(ref.instance)), "value": to_json(value), "text": as_text(ref, value)}
    if ref.index == 2 and ref.class_id in (Register.class_id, ExtendedRegister.class_id) and isinstance(value, int):
        register = Register(ref.instance) if ref.class_id == Register.class_id else ExtendedRegister(ref.instance)
        try:
            reading = client.read(register, raw=value)
        except AccessError:
            return shown
        shown |= {"scaler": reading.scaler, "unit": int(reading.unit), "text": reading.kilo()}
    return shown


def as_text(ref: AttributeRef[Any], value: Any) -> str:
    """A value for people: date-times readable, octets as hex, the rest as it is."""
    from dlms.cosem_time import DateTime
    from dlms.types import DateTimeOctets, OctetString

    if isinstance(value, bytes):
        declared = ref.attribute.type if ref.attribute else OctetString
        return str(DateTime(value)) if declared is DateTimeOctets and len(value) == 12 else value.hex(" ")
    if isinstance(value, list | tuple):
        inside = ", ".join(as_text(ref, one) for one in value)
        return f"[{inside}]" if isinstance(value, list) else f"{{{inside}}}"
    return str(value)


def _print(found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for shown in found:
        if "error" not in shown:
            name = "" if shown["attribute"] == 2 else f" {shown['name']}"
            typer.echo(f"{shown['obis']:22} {shown['text']:>22}  {shown['description']}{name}")


@with_access
def snapshot(
    access: Access,
    endpoint: ENDPOINT,
    code: Annotated[str, typer.Argument(help="[CLASS/]CODE of one object.")],
    as_json: AS_JSON = JSON_OFF,
) -> None:
    """Read all attributes of one object (but the buffer of a profile)."""
    from dlms.cli import find_class
    from dlms.data import to_json
    from dlms.errors import AccessError

    class_id, obis, _ = find_class.parse(code)
    with access.connect(endpoint) as client:
        of = find_class.interface(client, class_id, obis)
        values = client.snapshot(of)
    names = {attribute.name: of.attribute_ref(index) for index, attribute in of.attributes.items()}
    if as_json:
        shown = {n: {"error": str(v)} if isinstance(v, AccessError) else to_json(v) for n, v in values.items()}
        typer.echo(json.dumps({"obis": str(obis), "class_id": of.class_id, "attributes": shown}, indent=2))
        return
    for name, value in values.items():
        typer.echo(f"{name:32} {f'({value})' if isinstance(value, AccessError) else as_text(names[name], value)}")


@with_access
def objects(access: Access, endpoint: ENDPOINT, as_json: AS_JSON = JSON_OFF) -> None:
    """List the objects of the association: name, class, rights, meaning."""
    from obis import describe

    with access.connect(endpoint) as client:
        listed = client.objects()
    if as_json:
        rows = [
            {
                "obis": str(one.instance),
                "class_id": one.class_id,
                "version": one.version,
                "class": one.class_name,
                "attributes": {str(index): mode for index, mode in one.attribute_access.items()},
                "methods": {str(index): mode for index, mode in one.method_access.items()},
                "rights": {str(index): str(one.access(index)) for index in one.attribute_access},
                "description": str(describe(one.instance)),
            }
            for one in listed
        ]
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for one in listed:
        rights = " ".join(f"{index}{one.access(index)}" for index, mode in one.attribute_access.items() if mode)
        typer.echo(f"{one.instance!s:20} {one.class_name:18} {rights:32} {describe(one.instance)}")

"""`dlms write`, `dlms call`: what changes a meter, with a look afterwards whether it has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlms.cli.clock import TOLERANCE_S
from dlms.cli.options import Access, with_access
from dlms.cli.read import ENDPOINT, as_text
from obis.command import FAILED

if TYPE_CHECKING:
    from dlms.interface import AttributeRef


@with_access
def write(
    access: Access,
    endpoint: ENDPOINT,
    code: Annotated[str, typer.Argument(help="[CLASS/]CODE[:ATTRIBUTE]; the attribute is 2 when left out.")],
    value: Annotated[str, typer.Argument(help='A number, text, hex octets, true or false, or JSON {"type", "value"}.')],
) -> None:
    """Write one attribute and read it back where it can be read."""
    from dlms.cli import find_class
    from dlms.cli.values import parse_value
    from dlms.enums import AccessResult
    from dlms.errors import AccessError
    from dlms.interface import attribute_ref

    class_id, obis, attribute = find_class.parse(code)
    with access.connect(endpoint) as client:
        try:
            ref, held = find_class.read(client, class_id, obis, attribute)
        except AccessError as refusal:
            if refusal.result != AccessResult.READ_WRITE_DENIED or class_id is None:
                raise
            ref, held = attribute_ref(class_id, obis, attribute), None
        wanted = parse_value(value, ref, held)
        client.set(ref, wanted)
        if held is None:
            typer.echo(f"{ref}: written, cannot be read back")
            return
        found = client.get(ref)
    if not _same(ref, found, wanted):
        typer.echo(f"dlms: {ref}: {as_text(ref, found)} was read back, {as_text(ref, wanted)} was written", err=True)
        raise typer.Exit(FAILED)
    typer.echo(f"{ref}: {as_text(ref, held)} -> {as_text(ref, found)}")


def _same(ref: AttributeRef[Any], found: Any, wanted: Any) -> bool:
    """Whether what was read back is what was written; a clock may have gone on."""
    from dlms.cosem_time import CosemTimeError, DateTime
    from dlms.types import DateTimeOctets

    if ref.attribute is None or ref.attribute.type is not DateTimeOctets:
        return bool(found == wanted)
    try:
        off = DateTime(found).naive() - DateTime(wanted).naive()
    except CosemTimeError:
        return bool(found == wanted)
    return abs(off.total_seconds()) <= TOLERANCE_S


@with_access
def call(
    access: Access,
    endpoint: ENDPOINT,
    code: Annotated[str, typer.Argument(help="[CLASS/]CODE of the object.")],
    method: Annotated[str, typer.Argument(help="Number or name of the method.")],
    parameter: Annotated[str | None, typer.Argument(help="As for write; left out: integer 0.")] = None,
) -> None:
    """Call one method."""
    from dlms.cli import find_class
    from dlms.cli.values import parse_parameter
    from dlms.codec import ABSENT

    class_id, obis, _ = find_class.parse(code)
    with access.connect(endpoint) as client:
        of = find_class.interface(client, class_id, obis)
        names = {declared.name: index for index, declared in of.methods.items()}
        index = int(method) if method.isdigit() else names.get(method.replace("-", "_"))
        if index is None:
            raise typer.BadParameter(f"{type(of).__name__} has no method {method!r}: {', '.join(names) or 'none'}")
        ref = of.method_ref(index)
        returned = client.call(ref, ABSENT if parameter is None else parse_parameter(parameter, ref))
    typer.echo(f"{ref}: done" + ("" if returned is None else f", returned {returned!r}"))

"""Every APDU as XML with the names of the ASN.1 module COSEMpdu, and back: driven by the declarations of the records.

    <x:xDLMS-APDU xmlns:x="http://www.dlms.com/COSEMpdu">
      <x:get-request>
        <x:get-request-normal>
          <x:invoke-id-and-priority>193</x:invoke-id-and-priority> ...

Octets are hex, integers decimal, enumerations their names.  A field that is absent has no element.  Ours, since the
schema has no place for them: the attribute `hex` for text, identifiers and booleans that have no regular form, `tagged`
for a date-time sent as Data, `unused` for the unused bits of a bit-string, those of `xml_marks` for an encoding that is
not the shortest, gateway APDUs and <x:untagged-push>.
"""

from __future__ import annotations

import dataclasses
import struct
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from dlms import codec as c
from dlms.acse import ACSE, BerRecord, Tagged
from dlms.apdu.access import AccessAction
from dlms.apdu.action import ActionResponseNormal
from dlms.apdu.attribute import CosemAttributeDescriptor
from dlms.apdu.errors import ConfirmedServiceError, ExceptionResponse
from dlms.apdu.gateway import GatewayRequest, GatewayResponse
from dlms.apdu.notification import NotificationBody, UntaggedPush
from dlms.apdu.protected import GeneralSigning, ServiceCiphered
from dlms.apdu.short_name import DataAccessError
from dlms.codec import ABSENT, Codec, Record, encode
from dlms.decode import asn1_names as names
from dlms.decode.annotate import Node, walk
from dlms.decode.asn1_names import Labels
from dlms.decode.faithful import leaves, oddities, restored
from dlms.decode.records import MAX_NESTING, BareData, carried_record, record_of
from dlms.decode.xml_data import DATA_TAGS, data_in, data_of, put_data
from dlms.decode.xml_forms import SIMPLE, SPECIAL, Form, integer_of, put_integer
from dlms.decode.xml_marks import are_in, forms, mark
from dlms.decode.xml_spelling import ACSE_ROOT, XDLMS_ROOT, respell
from dlms.decode.xml_text import (
    PREFIX,
    Shown,
    XmlError,
    add,
    children,
    integer,
    leaf,
    number,
    octets,
    only_child,
    parse,
    put_comment,
    render,
)
from dlms.enums import ServiceError
from dlms.errors import DecodeError, LocalProtocolError


def to_xml(apdu: Record | bytes, inside: Iterable[bytes] = (), *, indent: bool = True) -> str:
    """The XML document of an APDU; passwords and keys in it are shown.

    Octets come back from `from_xml` as they were.  `inside` are octets of APDUs that were deciphered or joined: they are
    told in comments.  Without `indent` it is one line.

    Raises DecodeError for octets that are no APDU, LocalProtocolError for a record that has no encoding.
    """
    root = _root_of(apdu)
    for octets_inside in inside:
        shown = None if carried_record(octets_inside) is None else _root_of(octets_inside)
        put_comment(root, shown, octets_inside, indent)
    return render(root, indent)


def data_to_xml(octets: bytes, *, indent: bool = True) -> str:
    """The XML document of a bare Data value, whose root is the element of its type; `from_xml` gives the octets back.

    Raises DecodeError for octets that are none.
    """
    tree = walk(BareData, octets)
    root = _data_element(tree)
    mark(root, oddities(BareData, octets, encode(tree.value)), octets)
    return render(root, indent)


def _data_element(tree: Node) -> Shown:
    """The element of a bare Data value, without attributes for its encoding."""
    around = Shown("around")
    put_data(around, tree.named("value"))
    return cast(Shown, around[0])


def _data_octets(element: ET.Element) -> bytes:
    """The octets of the bare Data value in an element."""
    value = BareData(data_of(element))
    plain = encode(value)
    try:
        return _restored(element, BareData, plain, lambda: _data_element(walk(BareData, plain)))
    except XmlError as fault:
        raise fault.inside(element.tag) from fault.__cause__


def _restored(element: ET.Element, of: type[Record], plain: bytes, written: Callable[[], Shown]) -> bytes:
    """The encoding that the attributes of a document tell; `written` is how the canonical one is.  Raises XmlError."""
    if not are_in(element):
        return plain
    paths = {leaf.offset: path for path, leaf in leaves(walk(of, plain)) if leaf.length}
    try:
        return restored(of, plain, forms(element, written(), paths))
    except (LocalProtocolError, DecodeError) as fault:
        raise fault if isinstance(fault, XmlError) else XmlError(str(fault)) from fault


def _root_of(apdu: Record | bytes) -> ET.Element:
    record = record_of(apdu)
    root = ET.Element(PREFIX + (ACSE_ROOT if isinstance(record, BerRecord) else XDLMS_ROOT))
    _put_apdu(root, record, apdu if isinstance(apdu, bytes) else encode(record), 0)
    return root


def from_xml(text: str) -> bytes:
    """The octets of an APDU, or of bare Data, in an XML document, also of one that other tools wrote (`xml_spelling`).

    Raises XmlError, which is an EncodeError, with the path of elements to what is wrong: no XML, a document type
    declaration, a document beyond the bounds of `dlms.decode.xml_text`, names that are unknown, repeated or missing,
    values that do not fit their type, attributes of ours that say another message than the elements.
    """
    root = parse(text)
    respell(root)
    if root.tag in DATA_TAGS:
        return _data_octets(root)
    if root.tag not in (XDLMS_ROOT, ACSE_ROOT):
        return _octets_of(root)
    try:
        inner = only_child(root)
        if (inner.tag in names.BY_NAME and issubclass(names.BY_NAME[inner.tag], BerRecord)) != (root.tag == ACSE_ROOT):
            raise XmlError(f"<{inner.tag[:60]}> belongs in the other root element")
        return _octets_of(inner)
    except XmlError as fault:
        raise fault.inside(root.tag) from fault.__cause__


# --- APDUs and records -----------------------------------------------------------------------------------------------


def _put_apdu(parent: ET.Element, record: Record, wire: bytes, nesting: int) -> None:
    """Add the APDU of these octets, with the attributes for what its elements do not say."""
    shown = _written(parent, record, wire, nesting)
    mark(shown, oddities(type(record), wire, encode(record)), wire)
    shown.marked = True


def _written(parent: ET.Element, record: Record, wire: bytes, nesting: int) -> Shown:
    """Add the APDU, without attributes for its encoding."""
    of, tree = type(record), walk(type(record), wire)
    if isinstance(record, ServiceCiphered):
        shown = add(parent, names.ciphered_name(record.tag), record.content.hex().upper())
        shown.nodes.append(tree.named("content"))
        return shown
    family = names.family_name(of)
    around = None if family is None else add(parent, family)
    inner = add(parent if around is None else around, names.element_name(of))
    _put_record(inner, tree, nesting)
    return inner if around is None else around


def _octets_of(element: ET.Element) -> bytes:
    """The octets of the APDU in an element."""
    record = _apdu_of(element)
    try:
        plain = encode(record)
        return _restored(element, type(record), plain, lambda: _written(ET.Element("root"), record, plain, 0))
    except XmlError as fault:
        raise fault.inside(element.tag) from fault.__cause__
    except (LocalProtocolError, DecodeError) as fault:
        raise XmlError(str(fault), (element.tag,)) from fault


def _apdu_of(element: ET.Element) -> Record:
    try:
        if element.tag in names.CIPHERED:
            return ServiceCiphered(names.CIPHERED[element.tag], octets(leaf(element)))
        if element.tag not in names.FAMILIES:
            return _record_of(_named_apdu(element.tag, None), element)
        inner = only_child(element)
        of = _named_apdu(inner.tag, element.tag)
        try:
            return _record_of(of, inner)
        except XmlError as fault:
            raise fault.inside(inner.tag) from fault.__cause__
    except XmlError as fault:
        raise fault.inside(element.tag) from fault.__cause__


def _named_apdu(name: str, family: str | None) -> type[Record]:
    of = names.BY_NAME.get(name)
    if of is None or names.family_name(of) != family:
        raise XmlError(f"<{name[:60]}> is no APDU here")
    return of


def _put_record(element: Shown, node: Node, nesting: int = 0) -> None:
    record = node.value
    of = type(record)
    element.nodes.append(node)
    if isinstance(record, ConfirmedServiceError) and _put_service_error(element, record):
        return
    if of in names.TRANSPARENT:
        ((field, codec),) = of.layout
        _put(element, node.named(field), codec, names.labels(of, field))
        return
    fields = {child.name: child for child in node.children}
    body, start = names.BODIES.get(of, ("", -1))
    for place, (field, codec) in enumerate(of.layout):
        if place == start:
            element = add(element, body)
        if field not in fields or _left_out(codec, fields[field].value):
            continue
        if of in _GATEWAYS and field == "apdu" and _put_bare(element, fields[field].value, nesting):
            continue
        child = add(element, names.field_name(of, field))
        child.default = isinstance(codec, c.DefaultTrue) and fields[field].value
        if (of, field) in _CARRIED:
            child.nodes += _all_nodes(codec, fields[field])
            _put_carried(child, fields[field].value, nesting)
        else:
            _put(child, fields[field], codec, names.labels(of, field), SPECIAL.get((of, field)))


def _put(element: Shown, node: Node, codec: Codec, labels: Labels, form: Form | None = None) -> None:
    """Fill the element of a node."""
    form = form or _FORMS[type(codec)]
    if not isinstance(codec, c.DataValue):  # it has an element of its own
        element.nodes += _all_nodes(codec, node)
    form.put(element, node.value if form.simple else node, codec, labels)


def _all_nodes(codec: Codec, node: Node) -> list[Node]:
    """The node, and those inside a field of ACSE: one for each wrapper."""
    found = [node]
    while isinstance(codec, Tagged) and found[-1].children[-1].children:
        found.append(found[-1].children[-1])
    return found


def _left_out(codec: Codec, value: Any) -> bool:
    """Whether a field has no element: it is absent, or has its default."""
    match codec:
        case c.OptionalOrAbsent():
            return value is ABSENT
        case c.Optional() | Tagged() | c.Fixed():
            return value is None
    return False


def _form(of: type[Record], field: str, codec: Codec) -> Form:
    return SPECIAL.get((of, field)) or _FORMS[type(codec)]


def _record_of(of: type[Record], element: ET.Element) -> Record:
    """The record inside an element.  Raises XmlError with the path below this element."""
    if of is ConfirmedServiceError and (named := _service_error_of(element)) is not None:
        return named
    if of in names.TRANSPARENT:
        ((field, codec),) = of.layout
        return _made(of, {field: _checked(_form(of, field, codec), element, codec, names.labels(of, field))})
    found = _by_name(of, element)
    _fill_in(of, found)
    values = {}
    for field, codec in of.layout:
        child = found.pop(names.field_name(of, field), None)
        values[field] = _missing(of, field, codec) if child is None else _field_of(of, field, codec, child)
    if found:
        raise XmlError(f"<{next(iter(found))[:60]}> is unknown here")
    return _made(of, values)


def _made(of: type[Record], values: dict[str, Any]) -> Record:
    made = of(**values)
    if isinstance(made, ExceptionResponse):
        counted = made.service_error == ServiceError.INVOCATION_COUNTER_ERROR
        if counted == (made.invocation_counter is None):
            raise XmlError("an invocation-counter comes with invocation-counter-error, and only with it")
    return made


def _by_name(of: type[Record], element: ET.Element) -> dict[str, ET.Element]:
    """The elements of the fields by name, those of a body inside included."""
    found = {child.tag: child for child in children(element)}
    if len(found) != len(element):
        raise XmlError("an element is repeated")
    body = names.BODIES.get(of, ("", -1))[0]
    if body and body in found:
        inner = found.pop(body)
        inside = {child.tag: child for child in children(inner)}
        if len(inside) != len(inner) or inside.keys() & found.keys():
            raise XmlError("an element is repeated").inside(body)
        found |= inside
    return found


def _fill_in(of: type[Record], found: dict[str, ET.Element]) -> None:
    """The elements that other tools leave out around an APDU or a result, and a method that they call an attribute."""
    carrying = [field for field, _ in of.layout if (of, field) in _CARRIED]
    if carrying and (name := names.field_name(of, carrying[0])) not in found:
        inside = [tag for tag in found if tag in names.FAMILIES or tag in names.CIPHERED or tag in names.BY_NAME]
        _wrap(found, name, inside[:1])
    if of is ActionResponseNormal and "single-response" not in found:
        _wrap(found, "single-response", [tag for tag in ("result", "return-parameters") if tag in found])
    if of is AccessAction and (method := found.pop("cosem-attribute-descriptor", None)) is not None:
        for child in method:
            child.tag = child.tag.replace("attribute-id", "method-id")
        found["cosem-method-descriptor"] = method


def _wrap(found: dict[str, ET.Element], name: str, tags: list[str]) -> None:
    """Put elements, if there are any, into one that has this name."""
    if tags:
        around = ET.Element(name)
        around.extend([found.pop(tag) for tag in tags])
        found[name] = around


def _missing(of: type[Record], field: str, codec: Codec) -> Any:
    """What the absence of an element stands for.  Raises XmlError where it must be there."""
    match codec:
        case c.OptionalOrAbsent():
            return ABSENT
        case c.Optional() | Tagged():
            return None
        case c.DefaultTrue():
            return True
    default = next(one.default for one in dataclasses.fields(cast(Any, of)) if one.name == field)
    if default is dataclasses.MISSING:
        raise XmlError(f"<{names.field_name(of, field)}> is missing")
    return default


def _field_of(of: type[Record], field: str, codec: Codec, element: ET.Element) -> Any:
    try:
        if (of, field) in _CARRIED:
            return _carried_of(element)
        return _checked(_form(of, field, codec), element, codec, names.labels(of, field))
    except XmlError as fault:
        raise fault.inside(element.tag) from fault.__cause__


def _checked(form: Form, element: ET.Element, codec: Codec, labels: Labels) -> Any:
    """The value of an element, one that its codec can encode."""
    try:
        value = form.of(element, codec, labels)
        if form.simple:
            codec.encode(value, bytearray())
    except XmlError:
        raise
    except (LocalProtocolError, struct.error, ValueError, OverflowError) as fault:
        raise XmlError(str(fault)) from fault
    return value


# --- what has a form of its own --------------------------------------------------------------------------------------

_GATEWAYS = (GatewayRequest, GatewayResponse)
_CARRIED = frozenset(
    {(of, "user_information") for of in ACSE.values()}
    | {(of, "apdu") for of in _GATEWAYS}
    | {(GeneralSigning, "content")}
)
"""Fields that hold an APDU."""


def _put_carried(element: ET.Element, value: bytes, nesting: int) -> None:
    """The APDU inside another where it comes back as it is; its octets otherwise, and when it is ciphered."""
    inner = carried_record(value) if nesting < MAX_NESTING else None
    if inner is None or isinstance(inner, ServiceCiphered):
        element.text = value.hex().upper()
    else:
        _put_apdu(element, inner, value, nesting + 1)


def _put_bare(element: ET.Element, value: bytes, nesting: int) -> bool:
    """The APDU of a gateway without an element around it; False where it is none, or too deep."""
    inner = carried_record(value) if nesting < MAX_NESTING else None
    if inner is not None:
        _put_apdu(element, inner, value, nesting + 1)
    return inner is not None


def _carried_of(element: ET.Element) -> bytes:
    return _octets_of(only_child(element)) if len(element) else octets(leaf(element))


def _put_service_error(element: ET.Element, error: ConfirmedServiceError) -> bool:
    """CHOICE in a CHOICE, by names; False where one of them has no name."""
    service, kind = names.SERVICES.get(error.service), names.ERROR_CLASSES.get(error.error_type)
    if service is None or kind is None:
        return False
    codes = names.SERVICE_ERRORS.get(error.error_type, {})
    put_integer(add(add(element, service), kind), error.value, None, codes)
    return True


def _service_error_of(element: ET.Element) -> ConfirmedServiceError | None:
    """The inverse of `_put_service_error`; None where the elements are those of plain fields."""
    found = children(element)
    outer = found[-1] if found else element
    simple = [child.tag for child in found] == ["service", "service-error"]
    if len(found) != 1 and not simple:
        return None
    try:
        inner = only_child(outer)
        service = number(found[0]) if simple else _tag_of(names.SERVICES, outer.tag)
        kind = _tag_of(names.ERROR_CLASSES, inner.tag)
    except StopIteration:
        raise XmlError(f"<{outer.tag[:60]}> and what is in it name no service error") from None
    codes = names.SERVICE_ERRORS.get(kind, {})
    _, codec = ConfirmedServiceError.layout[2]
    try:
        return ConfirmedServiceError(service, kind, _checked(_inner(codec), inner, codec, codes))
    except XmlError as fault:
        raise fault.inside(inner.tag).inside(outer.tag) from fault.__cause__


def _tag_of(named: Labels, name: str) -> int:
    return next(tag for tag, one in named.items() if one == name)


# --- values by codec -------------------------------------------------------------------------------------------------


def _inner(codec: Codec) -> Form:
    return _FORMS[type(codec)]


def _put_inner(element: Shown, node: Node, codec: Any, labels: Labels) -> None:
    _put(element, node.named("value"), codec.inner, labels)


def _inner_of(element: ET.Element, codec: Any, labels: Labels) -> Any:
    return _checked(_inner(codec.inner), element, codec.inner, labels)


def _put_items(element: Shown, node: Node, codec: Any, labels: Labels) -> None:
    name = names.item_name(codec.inner)
    for item in node.children[1:]:
        _put(element if name == names.BARE else add(element, name), item, codec.inner, labels)


def _items_of(element: ET.Element, codec: Any, labels: Labels) -> list[Any]:
    form, items = _inner(codec.inner), []
    for place, child in enumerate(children(element)):
        try:
            items.append(_checked(form, _item(codec.inner, child), codec.inner, labels))
        except XmlError as fault:
            raise fault.inside(f"{child.tag}[{place}]") from fault.__cause__
    return items


def _item(codec: Codec, child: ET.Element) -> ET.Element:
    """The element around an item, also where a document leaves it out and has the item's content.  Raises XmlError."""
    name, contents = names.item_name(codec), names.item_contents(codec)
    if child.tag in contents:
        around = ET.Element(name)
        around.append(child)
        return around
    if child.tag not in ((name,) if name else ("Get-Data-Result", "CHOICE")):
        raise XmlError(f"<{name or ' or '.join(contents)}> wanted")
    return child


def _put_result(element: Shown, node: Node, codec: Any, labels: Labels) -> None:
    if isinstance(node.value, c.Refusal):
        put_integer(add(element, "data-access-result"), node.value.result, codec, names.ACCESS_RESULTS)
    else:
        _put(add(element, codec.inner_name.replace("_", "-")), node.named(codec.inner_name), codec.inner, {})


def _result_of(element: ET.Element, codec: Any, labels: Labels) -> Any:
    child = only_child(element)
    try:
        if child.tag in names.REFUSALS:
            refusal = c.Refusal(integer_of(child, codec, names.ACCESS_RESULTS))
            codec.encode(refusal, bytearray())
            return refusal
        if child.tag != codec.inner_name.replace("_", "-"):
            raise XmlError("no alternative of the result")
        return _checked(_inner(codec.inner), child, codec.inner, {})
    except XmlError as fault:
        raise fault.inside(child.tag) from fault.__cause__


def _put_alternative(element: Shown, node: Node, codec: Any, labels: Labels) -> None:
    child = add(element, names.element_name(type(node.value)))
    if len(node.children) > 1:
        _put_record(child, node.children[1])


def _alternative_of(element: ET.Element, codec: Any, labels: Labels) -> Record:
    child = only_child(element)
    refused = child.tag in names.REFUSALS
    for _, of in codec.by_tag:
        if names.element_name(of) == child.tag or (refused and of is DataAccessError):
            try:
                return _record_of(of, child)
            except XmlError as fault:
                raise fault.inside(child.tag) from fault.__cause__
    raise XmlError(f"<{child.tag[:60]}> is no alternative here")


def _put_body(element: Shown, node: Node, codec: Any, labels: Labels) -> None:
    if not isinstance(node.value, UntaggedPush):
        put_data(add(element, "data-value"), node)
        return
    push = add(element, "untagged-push")
    push.nodes.append(node)
    add(push, "enum", str(node.value.enum))
    for entry in node.children[2:]:
        around = add(push, "entry")
        _put_record(add(around, "cosem-attribute-descriptor"), entry.named("attribute"))
        put_data(add(around, "value"), entry.named("value"))


def _body_of(element: ET.Element, codec: Any, labels: Labels) -> Any:
    child = only_child(element)
    try:
        if child.tag == "data-value":
            return data_in(child)
        if child.tag != "untagged-push":
            raise XmlError("data-value or untagged-push wanted")
        found = children(child)
        if not found or found[0].tag != "enum" or any(one.tag != "entry" for one in found[1:]):
            raise XmlError("an enum, then entries wanted")
        push = UntaggedPush(integer(leaf(found[0])), tuple(_entry_of(one) for one in found[1:]))
        codec.encode(push, bytearray())
    except XmlError as fault:
        raise fault.inside(child.tag) from fault.__cause__
    return push


def _entry_of(element: ET.Element) -> tuple[CosemAttributeDescriptor, Any]:
    found = children(element)
    if [child.tag for child in found] != ["cosem-attribute-descriptor", "value"]:
        raise XmlError("cosem-attribute-descriptor and value wanted").inside("entry")
    return cast(CosemAttributeDescriptor, _record_of(CosemAttributeDescriptor, found[0])), data_in(found[1])


_FORMS: Mapping[type[Codec], Form] = {
    **SIMPLE,
    c.DataValue: Form(lambda element, node, *_: put_data(element, node), lambda element, *_: data_in(element), False),
    NotificationBody: Form(_put_body, _body_of, False),
    **dict.fromkeys((c.Optional, c.OptionalOrAbsent), Form(_put_inner, _inner_of, False)),
    c.SequenceOf: Form(_put_items, _items_of, False),
    c.ResultOf: Form(_put_result, _result_of, False),
    c.Nested: Form(
        lambda element, node, *_: _put_record(element, node),
        lambda element, codec, _: _record_of(codec.of, element),
        False,
    ),
    c.Alternatives: Form(_put_alternative, _alternative_of, False),
}
"""Every kind of codec."""

"""How the values that are not made of others stand in an XML element: numbers, octets, and the special fields of ACSE."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from dlms import codec as c
from dlms.acse import (
    ACSE,
    AUTHENTICATION_REQUIREMENT,
    CONTEXT_OID,
    MECHANISM_OID,
    Diagnostic,
    Tagged,
    TaggedDiagnostic,
    TaggedInteger,
)
from dlms.apdu.short_name import ParameterizedAccess, VariableName
from dlms.codec import Codec, Record
from dlms.decode import asn1_names as names
from dlms.decode.asn1_names import Labels
from dlms.decode.xml_spelling import value_named
from dlms.decode.xml_text import (
    VALUE,
    Shown,
    XmlError,
    add,
    boolean,
    children,
    integer,
    leaf,
    number,
    octets,
    only_child,
)
from dlms.enums import Conformance


class Form(NamedTuple):
    """How the values of one codec stand in an element; `simple` says that they are not made of others.

    `put` takes element, value (the node of the annotated tree where it is not simple), codec and the names of its numbers;
    `of` takes element, codec and the names.
    """

    put: Callable[[Shown, Any, Any, Labels], None]
    of: Callable[[ET.Element, Any, Labels], Any]
    simple: bool = True


def put_integer(element: ET.Element, value: Any, codec: Any, labels: Labels) -> None:
    """A decimal number, or its name."""
    element.text = labels.get(int(value)) or str(int(value))


def integer_of(element: ET.Element, codec: Any, labels: Labels) -> int:
    """The inverse of `put_integer`; a number is also taken where there are names.  Raises XmlError."""
    named = value_named(leaf(element), labels)
    if named is None:
        named = number(
            element, 8 * struct.calcsize(codec.fmt) if isinstance(codec, c.Fixed) and codec.fmt.islower() else 0
        )
    return named


def put_octets(element: ET.Element, value: Any, codec: Any, labels: Labels) -> None:
    """Octets in hex."""
    element.text = value.hex().upper()


def octets_of(element: ET.Element, codec: Any, labels: Labels) -> bytes:
    """The inverse of `put_octets`.  Raises XmlError."""
    return octets(leaf(element))


def _put_boolean(element: ET.Element, value: Any, codec: Any, labels: Labels) -> None:
    element.text = str(int(bool(value)))
    if value > 1:
        element.set("hex", f"{int(value):02X}")


def _boolean_of(element: ET.Element, codec: Any, labels: Labels) -> bool | int:
    value, coded = boolean(leaf(element, "hex")), element.get("hex")
    if coded is None:
        return value
    octet = octets(coded)
    if len(octet) != 1 or octet[0] < 2 or not value:
        raise XmlError("the attribute hex is not that of another octet that is true")
    return octet[0]


def _put_time(element: ET.Element, value: Any, codec: Any, labels: Labels) -> None:
    element.text = value.hex().upper()
    if isinstance(value, c.TaggedTime):
        element.set("tagged", "true")


def _time_of(element: ET.Element, codec: Any, labels: Labels) -> bytes:
    time = octets(leaf(element, "tagged"))
    return c.TaggedTime(time) if boolean(element.get("tagged", "false")) else time


def _put_conformance(element: ET.Element, value: Any, codec: Any, labels: Labels) -> None:
    bits = sorted(names.CONFORMANCE.items(), reverse=True)
    element.text = " ".join(name for bit, name in bits if bit & int(value))


def _conformance_of(element: ET.Element, codec: Any, labels: Labels) -> Conformance:
    if len(element):
        words = [child.get("Name", child.tag) for child in children(element)]  # the simple dialect
    else:
        words = leaf(element).split()
    bits = [(word, value_named(word, names.CONFORMANCE)) for word in words]
    unknown = [word for word, bit in bits if bit is None]
    if unknown:
        raise XmlError(f"{unknown[0]!r:.60} is no bit of the conformance block")
    return Conformance(sum({bit for _, bit in bits if bit is not None}))


def _identifier_under(base: bytes, arcs: Labels) -> Form:
    """An object identifier: the last arc where it is one of DLMS, else its octets in the attribute `hex`."""

    def put(element: ET.Element, value: Any, codec: Any, labels: Labels) -> None:
        if value[:-1] == base:
            element.text = str(value[-1])
        else:
            element.set("hex", value.hex().upper())

    def of(element: ET.Element, codec: Any, labels: Labels) -> bytes:
        text, coded = leaf(element, "hex"), element.get("hex")
        if coded is not None:
            return octets(coded)
        arc = value_named(text, arcs)
        return base + bytes((integer(text) if arc is None else arc,))

    return Form(put, of)


def _put_requirements(element: ET.Element, value: Any, codec: Any, labels: Labels) -> None:
    if value == AUTHENTICATION_REQUIREMENT:
        element.text = "1"
    else:
        element.set("hex", value.hex().upper())


def _requirements_of(element: ET.Element, codec: Any, labels: Labels) -> bytes:
    text, coded = leaf(element, "hex").strip(), element.get("hex")
    if coded is None and text != "1":
        raise XmlError("the bit string 1 (authentication), or the attribute hex wanted")
    return AUTHENTICATION_REQUIREMENT if coded is None else octets(coded)


def _put_authentication(element: ET.Element, value: Any, codec: Any, labels: Labels) -> None:
    put_octets(add(element, "charstring"), value, codec, labels)


def _authentication_of(element: ET.Element, codec: Any, labels: Labels) -> bytes:
    if VALUE in element.attrib:
        return octets(leaf(element))
    child = only_child(element)
    if child.tag != "charstring":
        raise XmlError("charstring wanted")
    return octets(leaf(child))


_SOURCES = {1: "acse-service-user", 2: "acse-service-provider"}


def _put_diagnostic(element: ET.Element, value: Any, codec: Any, labels: Labels) -> None:
    add(element, _SOURCES[value.source], str(value.code))


def _diagnostic_of(element: ET.Element, codec: Any, labels: Labels) -> Diagnostic:
    child = only_child(element)
    source = next((source for source, name in _SOURCES.items() if name == child.tag), None)
    if source is None:
        raise XmlError(f"{' or '.join(_SOURCES.values())} wanted")
    return Diagnostic(source, number(child))


SIMPLE: Mapping[type[Codec], Form] = {
    **dict.fromkeys((c.Fixed, c.InvokeOctet, TaggedInteger), Form(put_integer, integer_of)),
    **dict.fromkeys((c.FixedOctets, c.LogicalName, c.Octets, c.Rest, Tagged), Form(put_octets, octets_of)),
    **dict.fromkeys((c.Boolean, c.DefaultTrue), Form(_put_boolean, _boolean_of)),
    c.OptionalTime: Form(_put_time, _time_of),
    c.ConformanceBits: Form(_put_conformance, _conformance_of),
    TaggedDiagnostic: Form(_put_diagnostic, _diagnostic_of),
}
"""The codecs whose values are not made of others."""

_CONTEXTS: Labels = {1: "LN", 2: "SN", 3: "LN_WITH_CIPHERING", 4: "SN_WITH_CIPHERING"}
_MECHANISMS: Labels = dict(
    enumerate(("None", "Low", "High", "HighMD5", "HighSHA1", "HighGMAC", "HighSHA256", "HighECDSA"))
)
"""What the simple dialect calls the last arcs."""

_ACSE_FORMS: Mapping[str, Form] = {
    "application_context_name": _identifier_under(CONTEXT_OID, _CONTEXTS),
    "mechanism_name": _identifier_under(MECHANISM_OID, _MECHANISMS),
    **dict.fromkeys(
        ("sender_acse_requirements", "responder_acse_requirements"), Form(_put_requirements, _requirements_of)
    ),
    **dict.fromkeys(
        ("calling_authentication_value", "responding_authentication_value"),
        Form(_put_authentication, _authentication_of),
    ),
}


def _short_name_of(element: ET.Element, codec: Any, labels: Labels) -> int:
    """A short name, also as the signed number that ObjectName is in the ASN.1 module."""
    name = number(element)
    return name + 0x1_0000 if -0x8000 <= name < 0 else name


SPECIAL: Mapping[tuple[type[Record], str], Form] = {
    **{(of, field): _ACSE_FORMS[field] for of in ACSE.values() for field, _ in of.layout if field in _ACSE_FORMS},
    **dict.fromkeys(
        ((VariableName, "variable_name"), (ParameterizedAccess, "variable_name")), Form(put_integer, _short_name_of)
    ),
}
"""Fields whose codec says less than the standard."""

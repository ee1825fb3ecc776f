"""Data values as XML elements with the names of the ASN.1 module: <x:structure>, <x:double-long-unsigned>."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from typing import Any

from dlms import data as cosem_data
from dlms.axdr import EncodeError
from dlms.compact_array import ARRAY, STRUCTURE, ArrayType, CompactArray, Description, ScalarType, StructureType
from dlms.data import TYPE_NAMES, BitString, Float32, Float64, Utf8String, tag_of
from dlms.data_json import TAG_OF_NAME
from dlms.decode.annotate import Node
from dlms.decode.xml_text import XmlError, add, boolean, children, integer, leaf, number, octets, only_child, put_text
from dlms.limits import MAX_DEPTH
from dlms.values import INTEGERS, SCALARS, TypedInt

DATA_TAGS = {name: tag for tag, name in TYPE_NAMES.items()}
"""The tag of every type of Data by the name of its element."""


def put_data(parent: ET.Element, node: Node) -> None:
    """Add the value of one node as a child."""
    tag = tag_of(node.value)
    element = add(parent, TYPE_NAMES[tag])
    element.nodes.append(node)
    if tag not in (ARRAY, STRUCTURE):
        _PUT[tag](element, node.value)
        return
    for item in node.children[2:]:
        put_data(element, item)


def data_of(element: ET.Element, depth: int = 0) -> Any:
    """The value of one element, such as <x:array>.  Raises XmlError with the path below this element."""
    tag = DATA_TAGS.get(element.tag)
    try:
        if tag is None:
            raise XmlError("no type of Data")
        if tag not in (ARRAY, STRUCTURE):
            return _scalar_of(tag, element)
        if depth >= MAX_DEPTH:
            raise XmlError(f"nested more than {MAX_DEPTH} deep")
        items = [data_of(child, depth + 1) for child in children(element)]
    except XmlError as fault:
        raise fault.inside(element.tag) from fault.__cause__
    return tuple(items) if tag == STRUCTURE else items


def data_in(element: ET.Element) -> Any:
    """The one value inside an element such as <x:value>.  Raises XmlError."""
    return data_of(only_child(element))


def _scalar_of(tag: int, element: ET.Element) -> Any:
    try:
        value = _OF[tag](element)
        cosem_data.encode_to(value, bytearray())
    except XmlError:
        raise
    except (EncodeError, ValueError, OverflowError, struct.error) as fault:
        raise XmlError(f"no {TYPE_NAMES[tag]}: {fault}") from fault
    return value


def _put_nothing(element: ET.Element, value: Any) -> None:
    """Null-data and dont-care: the element says it all."""


def _put_hex(value_octets: Callable[[Any], bytes]) -> Callable[[ET.Element, Any], None]:
    def put(element: ET.Element, value: Any) -> None:
        element.text = value_octets(value).hex().upper()

    return put


def _put_boolean(element: ET.Element, value: Any) -> None:
    element.text = str(int(bool(value)))


def _put_integer(element: ET.Element, value: Any) -> None:
    element.text = str(int(value))


def _put_bits(element: ET.Element, value: BitString) -> None:
    element.text = str(value)
    unused = value.padded[value.length :]
    if "1" in unused:
        element.set("unused", unused)


def _put_visible(element: ET.Element, value: str) -> None:
    put_text(element, str(value), value.encode("latin-1"))


def _put_utf8(element: ET.Element, value: Utf8String) -> None:
    put_text(element, str(value), value.to_octets())


def _put_compact_array(element: ET.Element, value: CompactArray) -> None:
    _put_description(add(element, "contents-description"), value.description)
    add(element, "array-contents", value.contents.hex().upper())


def _put_description(parent: ET.Element, description: Description) -> None:
    match description:
        case ScalarType(tag):
            add(parent, TYPE_NAMES[tag])
        case ArrayType(count, inner):
            element = add(parent, TYPE_NAMES[ARRAY])
            add(element, "number-of-elements", str(count))
            _put_description(add(element, "type-description"), inner)
        case StructureType(elements):
            element = add(parent, TYPE_NAMES[STRUCTURE])
            for one in elements:
                _put_description(element, one)


def _none_of(element: ET.Element) -> Any:
    if leaf(element).strip():
        raise XmlError("text where there is no value")
    return SCALARS[DATA_TAGS[element.tag]]()


def _octets_of(make: Callable[[bytes], Any]) -> Callable[[ET.Element], Any]:
    return lambda element: make(octets(leaf(element)))


def _integer_of(kind: type[TypedInt]) -> Callable[[ET.Element], Any]:
    bits = kind.high.bit_length() + 1 if kind.low < 0 else 0
    return lambda element: kind(number(element, bits))


def _bits_of(element: ET.Element) -> BitString:
    bits, unused = BitString(leaf(element, "unused").strip()), element.get("unused", "")
    padded = BitString(str(bits) + unused)
    if unused and len(padded) != 8 * len(bits.octets):
        raise XmlError(f"{len(unused)} unused bits behind {len(bits)} do not fill the last octet")
    return BitString(padded.octets, len(bits)) if unused else bits


def _text_of(make: Callable[[str], str], from_octets: Callable[[bytes], str]) -> Callable[[ET.Element], str]:
    def convert(element: ET.Element) -> str:
        text, coded = leaf(element, "hex"), element.get("hex")
        if coded is None:
            return make(text)
        if text.strip():
            raise XmlError("text beside the attribute hex")
        return from_octets(octets(coded))

    return convert


def _compact_array_of(element: ET.Element) -> CompactArray:
    found = {child.tag: child for child in children(element)}
    if len(element) != 2 or found.keys() != {"contents-description", "array-contents"}:
        raise XmlError("contents-description and array-contents wanted")
    description = _description_of(only_child(found["contents-description"]), MAX_DEPTH)
    return CompactArray(description, octets(leaf(found["array-contents"])))


def _description_of(element: ET.Element, depth: int) -> Description:
    if depth == 0:
        raise XmlError(f"described more than {MAX_DEPTH} levels deep")
    tag = DATA_TAGS.get(element.tag)
    if tag == STRUCTURE:
        return StructureType(tuple(_description_of(child, depth - 1) for child in children(element)))
    if tag == ARRAY:
        found = children(element)
        if [child.tag for child in found] != ["number-of-elements", "type-description"]:
            raise XmlError("number-of-elements and type-description wanted in <array>")
        return ArrayType(integer(leaf(found[0])), _description_of(only_child(found[1]), depth - 1))
    if element.tag not in TAG_OF_NAME or len(element) or leaf(element).strip():
        raise XmlError(f"<{element.tag}> describes no element of a compact-array")
    return ScalarType(TAG_OF_NAME[element.tag])


_PUT: Mapping[int, Callable[[ET.Element, Any], None]] = {
    0: _put_nothing,
    3: _put_boolean,
    4: _put_bits,
    9: _put_hex(bytes),
    10: _put_visible,
    12: _put_utf8,
    19: _put_compact_array,
    23: _put_hex(Float32.to_octets),
    24: _put_hex(Float64.to_octets),
    **dict.fromkeys((25, 26, 27), _put_hex(lambda time: time.raw)),
    255: _put_nothing,
    **dict.fromkeys((kind.tag for kind in INTEGERS), _put_integer),
}
"""What fills the element of a scalar or a compact-array, by tag."""


_OF: Mapping[int, Callable[[ET.Element], Any]] = {
    0: _none_of,
    3: lambda element: boolean(leaf(element)),
    4: _bits_of,
    9: _octets_of(bytes),
    10: _text_of(str, lambda raw: raw.decode("latin-1")),
    12: _text_of(Utf8String, Utf8String.from_octets),
    19: _compact_array_of,
    23: _octets_of(Float32.from_octets),
    24: _octets_of(Float64.from_octets),
    **{tag: _octets_of(SCALARS[tag]) for tag in (25, 26, 27)},
    255: _none_of,
    **{kind.tag: _integer_of(kind) for kind in INTEGERS},
}
"""The value out of the element of a scalar or a compact-array, by tag."""

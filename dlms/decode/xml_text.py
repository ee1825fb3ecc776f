"""XML text and elements: read without entities and within bounds, written so that XML 1.0 carries every value."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

from dlms.axdr import EncodeError
from dlms.decode.annotate import Node
from dlms.limits import MAX_APDU, MAX_TRANSFER

NAMESPACE = "http://www.dlms.com/COSEMpdu"
"""The namespace of the XML schema of COSEMpdu."""
PREFIX = "x:"
MAX_CHARACTERS = MAX_TRANSFER
"""The longest text that is read."""
MAX_ELEMENTS = 4 * MAX_APDU
"""Elements of one document: the smallest value in an APDU takes one octet, and an element or two."""
MAX_LEVELS = 160
"""Levels of elements: a compact-array as deep as Data may be, inside APDUs within APDUs."""

_DECLARATION = re.compile(r"<!(DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", re.IGNORECASE)
_PREFIXED = re.compile(rf"(<{PREFIX}[^\s/>]+)")
_UNCARRIED = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no place for, and the carriage return, which a parser turns into a line feed."""


CODED, LENGTHS = "coded", "length-octets"
"""Attributes of ours that any element may have; see `xml_marks`."""
VALUE, COUNT = "Value", "Qty"
"""Attributes of the simple dialect: the text of an element, where a number is in hex, and how many elements are inside."""


class Shown(ET.Element):
    """An element that is written, with the nodes of the annotated tree that it shows.

    `marked` says that its attributes for the encoding are there (those of an APDU inside another), `default` that it
    says what its absence says.
    """

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self.nodes: list[Node] = []
        self.marked = self.default = False


class XmlError(EncodeError):
    """XML that is no APDU: `place` is the path of elements to what is wrong."""

    def __init__(self, what: str, place: tuple[str, ...] = ()) -> None:
        self.what, self.place = what, place
        super().__init__(f"{'/'.join(place)}: {what}" if place else what)

    def inside(self, name: str) -> XmlError:
        """The same error as seen from the element around."""
        return XmlError(self.what, (name, *self.place))


class _Builder(ET.TreeBuilder):
    """Elements by their local names, within the bounds."""

    def __init__(self) -> None:
        super().__init__()
        self.level = self.elements = 0

    def start(self, tag: Any, attrs: Any) -> ET.Element:
        self.level += 1
        self.elements += 1
        if self.level > MAX_LEVELS or self.elements > MAX_ELEMENTS:
            raise XmlError(f"more than {MAX_LEVELS} levels or {MAX_ELEMENTS} elements")
        return super().start(_local(tag), attrs)

    def end(self, tag: Any) -> ET.Element:
        self.level -= 1
        return super().end(_local(tag))

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise XmlError("a document type declaration is refused")


def _local(tag: str) -> str:
    space, closed, name = tag[1:].partition("}") if tag.startswith("{") else ("", "", tag)
    if closed and space != NAMESPACE:
        raise XmlError(f"{name!r:.60} is of the namespace {space!r:.80}, {NAMESPACE!r} wanted")
    return name


def parse(text: str) -> ET.Element:
    """The root element, names without their namespace.  Raises XmlError.

    Refused unread: more than `MAX_CHARACTERS`, and any document type declaration, so that there are no entities.
    """
    if len(text) > MAX_CHARACTERS:
        raise XmlError(f"{len(text)} characters, at most {MAX_CHARACTERS}")
    if _DECLARATION.search(text):
        raise XmlError("a document type or entity declaration is refused")
    parser = ET.XMLParser(target=_Builder())
    if "xmlns" not in text:  # some tools leave out what their prefix stands for
        text = _PREFIXED.sub(rf'\1 xmlns:{PREFIX[:-1]}="{NAMESPACE}"', text, count=1)
    try:
        parser.feed(text)
        root: ET.Element = parser.close()
    except ET.ParseError as fault:
        raise XmlError(f"no XML: {fault}") from fault
    except UnicodeEncodeError as fault:
        raise XmlError(f"no XML: a lone surrogate at character {fault.start}") from fault
    return root


def render(root: ET.Element, indent: bool = True) -> str:
    """The document, indented or in one line.

    In ASCII, with character references, so that any terminal and any encoding carries it.
    """
    root.set(f"xmlns:{PREFIX[:-1]}", NAMESPACE)
    if indent:
        ET.indent(root)
    text = ET.tostring(root, encoding="us-ascii").decode("ascii")
    return f'<?xml version="1.0" encoding="utf-8"?>{f"{chr(10)}{text}" if indent else text.replace(chr(10), "&#10;")}\n'


def put_comment(root: ET.Element, inside: ET.Element | None, octets_inside: bytes, indent: bool) -> None:
    """Tell in a comment of an APDU that was inside; of its octets where they are none."""
    if inside is None:
        text = octets_inside.hex().upper()
    else:
        if indent:
            ET.indent(inside, level=1)
        text = "".join(ET.tostring(child, encoding="us-ascii").decode("ascii") for child in inside)
    text = text.strip().replace("--", "-&#45;")  # a comment holds no --
    root.append(ET.Comment(f" inside: {text} "))


def add(parent: ET.Element, name: str, text: str | None = None) -> Shown:
    """A new child."""
    child = Shown(PREFIX + name)
    child.text = text
    parent.append(child)
    return child


def put_text(element: ET.Element, text: str, octets: bytes) -> None:
    """Text where XML can carry it, otherwise its octets in the attribute `hex`."""
    if _UNCARRIED.search(text):
        element.set("hex", octets.hex().upper())
    else:
        element.text = text


def leaf(element: ET.Element, *attributes: str) -> str:
    """The text of an element without children.  Raises XmlError for children, and attributes beside those named."""
    if len(element):
        raise XmlError(f"<{element[0].tag}> inside, text wanted")
    check_attributes(element, VALUE, *attributes)
    if VALUE not in element.attrib:
        return element.text or ""
    if element.text and not element.text.isspace():
        raise XmlError(f"text beside the attribute {VALUE}")
    return element.attrib[VALUE]


def children(element: ET.Element, *attributes: str) -> list[ET.Element]:
    """The children of an element without text.  Raises XmlError for text, and attributes beside those named."""
    check_attributes(element, COUNT, *attributes)
    count = element.get(COUNT)
    if count is not None and len(element) not in (_digits(count, 10), _digits(count, 16)):
        raise XmlError(f"{len(element)} elements inside, {COUNT} says {count!r:.20}")
    if any(text and not text.isspace() for text in (element.text, *(child.tail for child in element))):
        raise XmlError("text beside the elements inside")
    return list(element)


def only_child(element: ET.Element) -> ET.Element:
    """The one child.  Raises XmlError when there is none or another."""
    found = children(element)
    if len(found) != 1:
        raise XmlError(f"{len(found)} elements inside, one wanted")
    return found[0]


def check_attributes(element: ET.Element, *names: str) -> None:
    """Raises XmlError for an attribute that is not named."""
    unknown = [name for name in element.attrib if name not in (CODED, LENGTHS, *names)]
    if unknown:
        raise XmlError(f"attribute {unknown[0]!r:.60} is unknown")


def octets(text: str) -> bytes:
    """Octets in hex, with or without white space.  Raises XmlError, which does not show them."""
    try:
        return bytes.fromhex(text)
    except ValueError as fault:
        raise XmlError("not octets in hex") from fault


def integer(text: str) -> int:
    """A decimal number of at most twenty digits.  Raises XmlError."""
    digits = text.strip()
    if not re.fullmatch("[+-]?[0-9]{1,20}", digits):
        raise XmlError(f"{digits!r:.40} is no decimal number")
    return int(digits)


def number(element: ET.Element, bits: int = 0) -> int:
    """The number in an element: decimal text, or hex in the attribute Value, of `bits` with a sign.  Raises XmlError."""
    text = leaf(element)
    if VALUE not in element.attrib:
        return integer(text)
    found = _digits(text.strip(), 16)
    if found is None:
        raise XmlError(f"{text!r:.40} is no number in hex")
    return found - (1 << bits) if bits and found >> (bits - 1) == 1 else found


def _digits(text: str, base: int) -> int | None:
    digits = "[0-9A-Fa-f]" if base == 16 else "[0-9]"
    return int(text, base) if re.fullmatch(f"{digits}{{1,20}}", text) else None


def boolean(text: str) -> bool:
    """true, false, 1 or 0.  Raises XmlError."""
    word = text.strip().lower()
    if word not in ("true", "false", "1", "0", "01", "00"):
        raise XmlError(f"{word!r:.40} is neither true nor false")
    return word in ("true", "1", "01")

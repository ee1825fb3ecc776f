"""Attributes for what an APDU's encoding has and its elements do not say, so that it comes back octet for octet.

`length-octets` is how many octets a length or count takes (two numbers where a field of ACSE has two), `coded` the octets
of a value that are not those that an encoder chooses.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator, Mapping

from dlms.decode.annotate import Node
from dlms.decode.faithful import SIZES, WHOLE, Form, Odd
from dlms.decode.xml_text import CODED, LENGTHS, Shown, XmlError, integer, octets

_PARTS = frozenset((*SIZES, "content", "description"))
"""The leaves inside a value that have no element of their own; its octets are the text."""


def mark(shown: Shown, odd: Mapping[str, Odd], wire: bytes) -> None:
    """Give the elements of one APDU the attributes for its odd leaves, and take those out that say nothing."""
    left = {one.offset: one.form for one in odd.values()}
    if WHOLE in odd or not _mark(shown, left) or left:
        shown.set(CODED, wire.hex().upper())


def forms(given: ET.Element, shown: Shown, paths: Mapping[int, str]) -> dict[str, Form]:
    """The forms that the attributes of a document tell, by path.

    `shown` is how the canonical encoding would be written, `paths` the paths of its leaves by offset.  Raises XmlError.
    """
    coded = given.get(CODED)
    if coded is not None and not any(True for _ in _values(shown)):
        return {WHOLE: octets(coded)}
    found: dict[int, Form] = {}
    _collect(given, shown, found)
    return {paths[offset]: form for offset, form in found.items()}


def are_in(element: ET.Element) -> bool:
    """Whether an element or one inside has an attribute of ours for the encoding."""
    return any(name in one.attrib for one in element.iter() for name in (CODED, LENGTHS))


def _mark(shown: Shown, left: dict[int, Form]) -> bool:
    """False where an element has more to say than its attributes can."""
    sizes = list(_sizes(shown))
    if any(leaf.offset in left for leaf in sizes):
        widths = (left.pop(leaf.offset, leaf.length) for leaf in sizes)
        shown.set(LENGTHS, " ".join(map(str, widths)))
    for leaf in _values(shown):
        form = left.pop(leaf.offset, None)
        if isinstance(form, bytes):
            if CODED in shown.attrib:
                return False
            shown.set(CODED, form.hex().upper())
    for child in list(shown):
        if not isinstance(child, Shown) or child.marked:
            continue
        if not _mark(child, left):
            return False
        if child.default and CODED not in child.attrib:
            shown.remove(child)
    return True


def _leaves(shown: Shown) -> Iterator[Node]:
    for node in shown.nodes:
        if not node.children:
            yield node
        yield from (child for child in node.children if not child.children and child.name in _PARTS)


def _sizes(shown: Shown) -> Iterator[Node]:
    return (leaf for leaf in _leaves(shown) if leaf.name in SIZES)


def _values(shown: Shown) -> Iterator[Node]:
    return (leaf for leaf in _leaves(shown) if leaf.name not in SIZES)


def _collect(given: ET.Element, shown: Shown, found: dict[int, Form]) -> None:
    widths, coded = given.get(LENGTHS), given.get(CODED)
    if widths is not None:
        sizes = list(_sizes(shown))
        if len(widths.split()) != len(sizes) or not sizes:
            raise XmlError(f"the attribute {LENGTHS} has {len(widths.split())} numbers, {len(sizes)} wanted")
        found |= {leaf.offset: integer(width) for leaf, width in zip(sizes, widths.split(), strict=True)}
    if coded is not None:
        values = list(_values(shown))
        if len(values) != 1:
            raise XmlError(f"the attribute {CODED} has no place here")
        found[values[0].offset] = octets(coded)
    named: defaultdict[str, list[ET.Element]] = defaultdict(list)
    for child in shown:
        named[child.tag.rpartition(":")[2]].append(child)
    for child in given:
        ours = named[child.tag].pop(0) if named[child.tag] else None
        if isinstance(ours, Shown) and not ours.marked:
            _below(child, ours, found)
        elif ours is None and are_in(child):
            raise XmlError(f"an attribute {CODED} or {LENGTHS} has no place here").inside(child.tag)


def _below(given: ET.Element, shown: Shown, found: dict[int, Form]) -> None:
    try:
        _collect(given, shown, found)
    except XmlError as fault:
        raise fault.inside(given.tag) from fault.__cause__

"""Where every field of an APDU stands: a tree of names, offsets and values, walked along the codecs' own declarations."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dlms import codec as c
from dlms import data as cosem_data
from dlms.acse import BerRecord, Tagged, TaggedDiagnostic, TaggedInteger
from dlms.apdu.attribute import CosemAttributeDescriptor
from dlms.apdu.errors import ExceptionResponse
from dlms.apdu.notification import NotificationBody, UntaggedPush
from dlms.axdr import decode_length
from dlms.codec import ABSENT, Codec, Record, decode
from dlms.compact_array import ARRAY, COMPACT_ARRAY, STRUCTURE, decode_description
from dlms.enums import ServiceError

BOOLEAN, BIT_STRING = 3, 4
SIZED = frozenset((BIT_STRING, 9, 10, 12, COMPACT_ARRAY))
"""Tags of Data scalars with a length or a count of bits."""


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """`length` octets at `offset`, what they are called and what they say.

    The children cover the octets of their parent without gap or overlap.  Beside the fields of the declaration there are
    nodes for what only the encoding needs: "tag", "length" (of what follows it in its parent), "count" (of elements, or
    of bits), "presence" and "choice", whose values are ints; "octets" and "content" are what a length or a tag is for.
    """

    name: str
    offset: int
    length: int
    value: Any
    children: tuple[Node, ...] = ()

    @property
    def end(self) -> int:
        """The offset behind the last octet."""
        return self.offset + self.length

    def leaves(self) -> Iterator[Node]:
        """The nodes without children, from left to right."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()

    def named(self, name: str) -> Node:
        """The child of this name.  Raises KeyError."""
        for child in self.children:
            if child.name == name:
                return child
        raise KeyError(name)


def walk(record_class: type[Record], data: bytes) -> Node:
    """The tree of a whole encoding; the root's value is the record.

    Raises DecodeError as `dlms.codec.decode` does with strict=False: the codec reads the octets first, so that the
    walk meets only what it accepts.
    """
    value, prefix = decode(record_class, data, strict=False), record_class.prefix
    head = [_leaf("tag", 0, len(prefix), int.from_bytes(prefix, "big"))] if prefix else []
    fields = _record(record_class, "", data, len(prefix))
    return _around(record_class.wire_name(), value, 0, [*head, *fields.children])


def _around(name: str, value: Any, start: int, children: list[Node]) -> Node:
    return Node(name, start, children[-1].end - start if children else 0, value, tuple(children))


def _leaf(name: str, start: int, end: int, value: Any) -> Node:
    return Node(name, start, end - start, value)


def _field(codec: Codec, name: str, buf: bytes, pos: int) -> Node:
    return _WALKERS[type(codec)](codec, name, buf, pos)


def _record(of: type[Record], name: str, buf: bytes, pos: int) -> Node:
    if issubclass(of, BerRecord):
        return _ber_record(of, name, buf, pos)
    children: list[Node] = []
    for field, codec in of.layout:
        if (
            of is ExceptionResponse
            and len(children) == 2
            and children[1].value != ServiceError.INVOCATION_COUNTER_ERROR
        ):
            break  # the counter follows that error only
        start = children[-1].end if children else pos
        children.append(_field(codec, field, buf, start))
    return _around(name, of(**{child.name: child.value for child in children}), pos, children)


def _ber_record(of: type[BerRecord], name: str, buf: bytes, pos: int) -> Node:
    """The length, then the fields that are there."""
    size, start = decode_length(buf, pos)
    children = [_leaf("length", pos, start, size)]
    for field, codec in of.layout:
        at = children[-1].end
        if at < start + size and isinstance(codec, Tagged) and buf[at] == codec.tag:
            children.append(_tagged(codec, field, buf, at))
    value = of(**{child.name: child.value for child in children[1:]})
    return _around(name, value, pos, children)


def _plain(codec: Codec, name: str, buf: bytes, pos: int) -> Node:
    value, end = codec.decode(buf, pos)
    return _leaf(name, pos, end, value)


def _octets(codec: Codec, name: str, buf: bytes, pos: int) -> Node:
    size, start = decode_length(buf, pos)
    octets = _leaf("octets", start, start + size, buf[start : start + size])
    return _around(name, octets.value, pos, [_leaf("length", pos, start, size), octets])


def _tagged(codec: Tagged, name: str, buf: bytes, pos: int) -> Node:
    """The tag, the length, and inside them those of the wrappers."""
    value, end = codec.decode(buf, pos)
    tags, starts = [codec.tag, *codec.wrappers], [pos]
    for _ in tags:
        _, behind = decode_length(buf, starts[-1] + 1)
        starts.append(behind)
    node = _leaf("content", starts[-1], end, value)
    for tag, at, behind in reversed(list(zip(tags, starts, starts[1:], strict=False))):
        head = [_leaf("tag", at, at + 1, tag), _leaf("length", at + 1, behind, end - behind)]
        node = _around("content", value, at, [*head, node])
    return dataclasses.replace(node, name=name)


def _optional(codec: Any, name: str, buf: bytes, pos: int) -> Node:
    present = _leaf("presence", pos, pos + 1, buf[pos])
    if not present.value:
        return _around(name, ABSENT if isinstance(codec, c.OptionalOrAbsent) else None, pos, [present])
    inner = _field(codec.inner, "value", buf, pos + 1)
    return _around(name, inner.value, pos, [present, inner])


def _sequence_of(codec: Any, name: str, buf: bytes, pos: int) -> Node:
    count, start = decode_length(buf, pos)
    children = [_leaf("count", pos, start, count)]
    for place in range(count):
        children.append(_field(codec.inner, f"[{place}]", buf, children[-1].end))
    return _around(name, [child.value for child in children[1:]], pos, children)


def _result(codec: Any, name: str, buf: bytes, pos: int) -> Node:
    choice = _leaf("choice", pos, pos + 1, buf[pos])
    if choice.value:
        refused = _leaf("data_access_result", pos + 1, pos + 2, buf[pos + 1])
        return _around(name, c.Refusal(refused.value), pos, [choice, refused])
    inner = _field(codec.inner, codec.inner_name, buf, pos + 1)
    return _around(name, inner.value, pos, [choice, inner])


def _alternatives(codec: Any, name: str, buf: bytes, pos: int) -> Node:
    choice = _leaf("choice", pos, pos + 1, buf[pos])
    of = dict(codec.by_tag)[choice.value]
    inner = _record(of, of.wire_name(), buf, pos + 1)
    return _around(name, inner.value, pos, [choice, inner] if inner.children else [choice])


def _data(codec: Any, name: str, buf: bytes, pos: int) -> Node:
    """One Data value; arrays and structures are opened, the rest is a leaf with its tag where its size is fixed."""
    if buf[pos] not in (ARRAY, STRUCTURE):
        return _scalar(name, buf, pos)
    count, start = decode_length(buf, pos + 1)
    children = [_leaf("tag", pos, pos + 1, buf[pos]), _leaf("count", pos + 1, start, count)]
    for place in range(count):
        children.append(_data(codec, f"[{place}]", buf, children[-1].end))
    items = [child.value for child in children[2:]]
    return _around(name, tuple(items) if buf[pos] == STRUCTURE else items, pos, children)


def _scalar(name: str, buf: bytes, pos: int) -> Node:
    tag, start = buf[pos], pos + 1
    value, end = cosem_data.decode_from(buf, pos)
    children = [_leaf("tag", pos, start, tag)]
    if tag == COMPACT_ARRAY:
        description, start = decode_description(buf, start)
        children.append(_leaf("description", pos + 1, start, description))
    elif tag == BOOLEAN:
        return _around(name, value, pos, [*children, _leaf("content", start, end, value)])
    elif tag not in SIZED:
        return _leaf(name, pos, end, value)
    size, behind = decode_length(buf, start)
    children.append(_leaf("count" if tag == BIT_STRING else "length", start, behind, size))
    return _around(name, value, pos, [*children, _leaf("octets", behind, end, value)])


def _body(codec: Any, name: str, buf: bytes, pos: int) -> Node:
    """Data, or the push list whose descriptors have no tags: which one it is, the codec says."""
    value, _ = codec.decode(buf, pos)
    if not isinstance(value, UntaggedPush):
        return _data(codec, name, buf, pos)
    count, start = decode_length(buf, pos + 5)
    children = [_leaf("head", pos, pos + 5, value.enum), _leaf("count", pos + 5, start, count)]
    for place in range(len(value.entries)):
        at = children[-1].end
        attribute = _record(CosemAttributeDescriptor, "attribute", buf, at + 2)
        entry = _data(codec, "value", buf, attribute.end)
        parts = [_leaf("tag", at, at + 2, int.from_bytes(buf[at : at + 2], "big")), attribute, entry]
        children.append(_around(f"[{place}]", (attribute.value, entry.value), at, parts))
    return _around(name, value, pos, children)


_WALKERS: Mapping[type[Codec], Callable[[Any, str, bytes, int], Node]] = {
    **dict.fromkeys((c.Fixed, c.FixedOctets, c.LogicalName, c.InvokeOctet, c.Boolean, c.DefaultTrue), _plain),
    **dict.fromkeys((c.Rest, c.ConformanceBits, c.OptionalTime), _plain),
    c.Octets: _octets,
    **dict.fromkeys((Tagged, TaggedInteger, TaggedDiagnostic), _tagged),
    c.DataValue: _data,
    NotificationBody: _body,
    **dict.fromkeys((c.Optional, c.OptionalOrAbsent), _optional),
    c.SequenceOf: _sequence_of,
    c.ResultOf: _result,
    c.Nested: lambda codec, name, buf, pos: _record(codec.of, name, buf, pos),
    c.Alternatives: _alternatives,
}
"""Every kind of codec."""

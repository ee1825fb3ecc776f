"""What an encoding has that its record does not say: lengths longer than needed, octets of their own, and how they come back.

Two encodings of one record have the same tree of `annotate.walk`; they differ in leaves.  An `Odd` leaf is one that our
encoder writes otherwise: a length or count is told by how many octets it takes, any other leaf by its octets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from dlms.axdr import EncodeError, encode_length
from dlms.codec import Record, encode
from dlms.decode.annotate import Node, walk
from dlms.decode.records import decode_as
from dlms.errors import DecodeError, LocalProtocolError

SIZES = ("length", "count")
"""Names of the leaves that hold a number of octets or elements."""
WHOLE = ""
"""The path that stands for the whole encoding."""

Form = int | bytes
"""Of an odd leaf: how many octets a length takes, or the octets of another leaf."""


class Odd(NamedTuple):
    """One leaf that an encoder writes otherwise: its offset, and its form."""

    offset: int
    form: Form


def joined(path: str, name: str) -> str:
    """The path of a child, such as `body[0].length`."""
    return f"{path}{'' if name.startswith('[') or not path else '.'}{name}"


def leaves(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """The leaves with their paths."""
    for child in node.children:
        name = joined(path, child.name)
        if child.children:
            yield from leaves(child, name)
        else:
            yield name, child


def oddities(of: type[Record], wire: bytes, canonical: bytes) -> dict[str, Odd]:
    """The odd leaves of `wire` by path, as against the `canonical` encoding of the same record.

    Where they do not tell it all, such as where the canonical encoding is read as another form of the same message,
    the one entry is that of `WHOLE`.
    """
    if wire == canonical:
        return {}
    found: dict[str, Odd] = {}
    try:
        ours, other = list(leaves(walk(of, wire))), list(leaves(walk(of, canonical)))
        for (path, leaf), (_, plain) in zip(ours, other, strict=True):
            octets = wire[leaf.offset : leaf.end]
            if octets == canonical[plain.offset : plain.end]:
                continue
            if leaf.name not in SIZES:
                found[path] = Odd(leaf.offset, octets)
            elif leaf.length != len(encode_length(leaf.value)):
                found[path] = Odd(leaf.offset, leaf.length)
        forms = {path: odd.form for path, odd in found.items()}
        if [path for path, _ in ours] == [path for path, _ in other] and restored(of, canonical, forms) == wire:
            return found
    except (DecodeError, EncodeError, ValueError):
        pass
    return {WHOLE: Odd(0, wire)}


def plain(record: Record, shown: Mapping[str, Any] | None = None) -> bytes:
    """The encoding of what the JSON form of a record says, and no more."""
    return encode(type(record).from_json(record.to_json() if shown is None else shown))


def encoding_of(record: Record, shown: Mapping[str, Any], wire: bytes) -> dict[str, Any]:
    """`{"encoding": {path: form}}` for what the JSON form of a record does not say of its encoding, {} where it says all.

    The form of a length is how many octets it takes, that of another leaf its octets in hex.
    """
    try:
        canonical = plain(record, shown)
    except LocalProtocolError:
        return {}  # a record without an encoding: its caller says so
    odd = oddities(type(record), wire, canonical)
    forms = {path: form.hex() if isinstance(form, bytes) else form for path, (_, form) in odd.items()}
    return {"encoding": forms} if forms else {}


def restored(of: type[Record], canonical: bytes, forms: Mapping[str, Form]) -> bytes:
    """The encoding that has these odd leaves.

    Raises EncodeError, naming the path, for a leaf that is not there, and where the forms say another message.
    """
    if not forms:
        return canonical
    if WHOLE in forms:
        wire, left = forms[WHOLE], dict[str, Form]()
    else:
        left = dict(forms)
        wire = _emitted(walk(of, canonical), "", canonical, left)
    if left:
        raise EncodeError(f"{next(iter(left))!r:.80} names no leaf of the encoding")
    if not isinstance(wire, bytes) or not _says_the_same(of, wire, canonical):
        raise EncodeError(f"{next(iter(forms)) or 'the octets'}: this form says another message")
    return wire


def _says_the_same(of: type[Record], wire: bytes, canonical: bytes) -> bool:
    try:
        record = decode_as(of, wire)
        return type(record) is of and plain(record) == plain(decode_as(of, canonical))
    except (DecodeError, EncodeError):
        return False


def _emitted(node: Node, path: str, canonical: bytes, forms: dict[str, Form]) -> bytes:
    """The octets of a node; forms that were used are taken out."""
    if not node.children:
        form = forms.pop(path, None)
        if isinstance(form, int):
            raise EncodeError(f"{path}: octets wanted")
        return canonical[node.offset : node.end] if form is None else form
    parts: list[bytes] = []
    size = 0
    for child in reversed(node.children):  # a length counts what is behind it
        name = joined(path, child.name)
        if child.name not in SIZES:
            part = _emitted(child, name, canonical, forms)
        else:
            part = _size(size if child.name == "length" else child.value, forms.pop(name, None), name)
        parts.append(part)
        size += len(part)
    return b"".join(reversed(parts))


def _size(size: int, octets: Form | None, path: str) -> bytes:
    """A length or count in so many octets; in as few as can be where none is given."""
    shortest = encode_length(size)
    if octets is None:
        return shortest
    if not isinstance(octets, int) or not len(shortest) <= octets <= 5:
        raise EncodeError(f"{path}: the length {size} takes {len(shortest)} to 5 octets")
    return shortest if octets == 1 else bytes((0x7F + octets,)) + size.to_bytes(octets - 1, "big")

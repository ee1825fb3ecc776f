"""The tags in an encoded value, read by hand and apart from the codec under test.  Blue Book, Data; tags of A-XDR.

A scalar is its tag, a structure `(2, (tags of its members))`, an array `(1, tags of its elements)`, with a set of them
where the elements differ, or `1` where there are none.
"""

from __future__ import annotations

from typing import Any

_SIZES = {
    0: 0,
    3: 1,
    5: 4,
    6: 4,
    13: 1,
    15: 1,
    16: 2,
    17: 1,
    18: 2,
    20: 8,
    21: 8,
    22: 1,
    23: 4,
    24: 8,
    25: 12,
    26: 5,
    27: 4,
}
_SIZES |= {28: 1, 29: 2, 30: 4, 31: 1, 32: 2, 33: 4, 255: 0}


def tags(encoded: bytes) -> Any:
    """The tags of one value; a value that does not end with its octets is a failed test."""
    found, end = _tags(encoded, 0)
    assert end == len(encoded), f"{len(encoded) - end} octets are left over behind the value"
    return found


def elements(array: Any) -> frozenset[Any]:
    """The different tags that the elements of an array have."""
    if array == 1:
        return frozenset()
    assert array[0] == 1, f"{array} is no array"
    return array[1] if isinstance(array[1], frozenset) else frozenset((array[1],))


def _tags(encoded: bytes, pos: int) -> tuple[Any, int]:
    tag = encoded[pos]
    if tag in _SIZES:
        return tag, pos + 1 + _SIZES[tag]
    count, pos = _length(encoded, pos + 1)
    if tag in (4, 9, 10, 12):
        return tag, pos + ((count + 7) // 8 if tag == 4 else count)
    assert tag in (1, 2), f"tag {tag} at {pos}"
    inner = []
    for _ in range(count):
        one, pos = _tags(encoded, pos)
        inner.append(one)
    if tag == 2:
        return (2, tuple(inner)), pos
    if not inner:
        return 1, pos
    return (1, inner[0] if len(set(inner)) == 1 else frozenset(inner)), pos


def _length(encoded: bytes, pos: int) -> tuple[int, int]:
    if encoded[pos] < 0x80:
        return encoded[pos], pos + 1
    end = pos + 1 + (encoded[pos] & 0x7F)
    return int.from_bytes(encoded[pos + 1 : end], "big"), end

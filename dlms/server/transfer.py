"""A long answer on its way out: what is left of it, taken piece by piece.

A profile's buffer is kept as row indices and encoded when a block is due, so that many slow clients cost little.
"""

from __future__ import annotations

from collections.abc import Sequence

from dlms.axdr import encode_length
from dlms.codec import Refusal
from dlms.enums import AccessResult
from dlms.server.store import Rows

_ROWS_AT_ONCE = 64
REFUSAL_SIZE = 2
"""Octets of a refused result in a list."""


class Encoded:
    """An answer that is encoded already."""

    def __init__(self, data: bytes) -> None:
        self._data, self._pos = data, 0

    def fits(self, limit: int) -> bool:
        """Whether what is left has at most `limit` octets."""
        return len(self._data) - self._pos <= limit

    def rest(self) -> bytes:
        """All that is left."""
        piece, self._pos = self._data[self._pos :], len(self._data)
        return piece

    def take(self, limit: int) -> bytes:
        """The next octets, at most `limit`."""
        piece = self._data[self._pos : self._pos + limit]
        self._pos += len(piece)
        return piece


class Selected:
    """Rows of a profile's buffer, as one array: its header, then the rows in the order of `indices`.

    With `whole_rows` a piece ends with a row, unless a single row is larger than the piece.
    """

    def __init__(
        self, rows: Rows, indices: Sequence[int], columns: Sequence[int] | None, whole_rows: bool = False
    ) -> None:
        self._rows, self._indices, self._columns, self._whole = rows, indices, columns, whole_rows
        self._next = 0
        self._pieces: list[bytes] = [b"\x01" + encode_length(len(indices))]

    def fits(self, limit: int) -> bool:
        """Whether what is left has at most `limit` octets."""
        return self._fill(limit) <= limit

    def take(self, limit: int) -> bytes:
        """The next octets, at most `limit`."""
        self._fill(limit)
        taken, size = 0, 0
        while taken < len(self._pieces) and size + len(self._pieces[taken]) <= limit:
            size += len(self._pieces[taken])
            taken += 1
        piece = b"".join(self._pieces[:taken])
        del self._pieces[:taken]
        if self._pieces and (not self._whole or not piece):
            room = limit - size
            piece, self._pieces[0] = piece + self._pieces[0][:room], self._pieces[0][room:]
        return piece

    def _fill(self, limit: int) -> int:
        """Encode rows until more than `limit` octets wait or none are left; returns how many wait."""
        size = sum(map(len, self._pieces))
        while size <= limit and self._next < len(self._indices):
            chunk = self._indices[self._next : self._next + _ROWS_AT_ONCE]
            encoded = self._rows.encode(chunk, self._columns)
            self._next += len(chunk)
            self._pieces += encoded
            size += sum(map(len, encoded))
        return size


class Results:
    """The results of a list behind its header: the choice of data and the value of each, or that of an error and its code.

    Raises AccessError when the first rows of a buffer are gone.
    """

    def __init__(self, header: bytes, results: Sequence[Result]) -> None:
        self._ready = bytearray(header)
        pieces: list[bytes | Selected] = []
        for result in results:
            if isinstance(result, Encoded):
                pieces += (b"\x00", result.rest())
            elif isinstance(result, Selected):
                pieces += (b"\x00", result)
            else:
                pieces.append(bytes((1, result.result)))
        self._pieces = pieces[::-1]

    def fits(self, limit: int) -> bool:
        """Whether what is left has at most `limit` octets."""
        self._fill(limit)
        return len(self._ready) <= limit

    def take(self, limit: int) -> bytes:
        """The next octets, at most `limit`."""
        self._fill(limit)
        piece = bytes(self._ready[:limit])
        del self._ready[:limit]
        return piece

    def _fill(self, limit: int) -> None:
        """Take from the pieces until more than `limit` octets wait or none are left."""
        while self._pieces and len(self._ready) <= limit:
            piece = self._pieces[-1]
            if isinstance(piece, Selected):
                self._ready += piece.take(limit + 1 - len(self._ready))
                if not piece.fits(0):
                    continue
            else:
                self._ready += piece
            self._pieces.pop()


Result = Encoded | Selected | Refusal
Payload = Encoded | Selected | Results


def what_fits(header: bytes, results: Sequence[Result], limit: int) -> bytes:
    """The results of a list behind its header in `limit` octets: what is too long is refused in its place, the rest is not."""
    found = bytearray(header)
    for place, result in enumerate(results):
        allowed = limit - len(found) - REFUSAL_SIZE * (len(results) - place - 1)
        one = Results(b"", (result,))
        if not one.fits(allowed):
            one = Results(b"", (Refusal(int(AccessResult.DATA_BLOCK_UNAVAILABLE)),))
        found += one.take(allowed)
    return bytes(found)

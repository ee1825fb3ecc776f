"""The numpy view of a row template: the columns of an array of structures, straight from and to the encoded bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlms.axdr import EncodeError
from dlms.errors import DecodeError
from dlms.row_template import Cell, Header, RowTemplate
from dlms.rows import array_head, decode_rows
from dlms.typed import DataType
from dlms.types import Boolean, OctetStringType
from dlms.values import Float32, Float64, TypedInt

Array = NDArray[Any]


class Columns(Mapping[int, Array]):
    """Column number -> array, one value a row; the header names the types.

    Integers and floats have the width of the wire, octet-strings of one size are uint8 of shape (rows, size), booleans
    bool.  Everything else, and a column with null-data in it, is an array of objects as `decode_rows` gives them.
    """

    def __init__(self, header: Header, arrays: Sequence[Array], count: int) -> None:
        self.header, self.count = header, count
        self._arrays = tuple(arrays)

    def __getitem__(self, column: int) -> Array:
        return self._arrays[column]

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self._arrays)))

    def __len__(self) -> int:
        return len(self._arrays)


def decode_columns(payload: bytes) -> Columns:
    """The columns of an encoded array of structures; one comparison sees whether all rows have the shape of the first.

    Where they do not, the rows are decoded by `decode_rows` and give the same values.  Raises DecodeError, also for
    rows of different lengths.
    """
    payload = payload if type(payload) is bytes else bytes(payload)
    if payload[:1] == b"\x01":
        count, pos = array_head(payload)
        template = RowTemplate.learn(payload, pos) if count else None
        if template is not None and numeric(template) and pos + count * template.width == len(payload):
            arrays = _view(template, payload, pos, count)
            if arrays is not None:
                return Columns(template.header, arrays, count)
    rows = decode_rows(payload)
    if any(len(row) != len(rows.header) for row in rows.rows):
        raise DecodeError("rows of different lengths have no columns", payload, 0)
    values = zip(*rows.rows, strict=True)
    arrays = [_array(of, column) for of, column in zip(rows.header, values, strict=True)]
    return Columns(rows.header, arrays, len(rows.rows))


def encode_columns(template: RowTemplate, arrays: Sequence[Array]) -> bytes:
    """Rows from columns, one behind the other, without the head of the array: the inverse of `decode_columns`.

    Arrays at wire width are copied as they are, others are range-checked.  Raises EncodeError.
    """
    if not numeric(template):
        raise EncodeError("a template with text, dates or nested structures encodes rows, not columns")
    if len(arrays) != len(template.cells):
        raise EncodeError(f"{len(arrays)} columns, {len(template.cells)} wanted")
    count = len(arrays[0])
    out = bytearray(count * template.width)
    fields = np.frombuffer(out, _dtype(template))
    with np.errstate(invalid="ignore"):  # a signalling NaN that is narrowed is still a NaN
        for number, (cell, array) in enumerate(zip(template.cells, arrays, strict=True)):
            fields[str(number)] = _wire(cell, array, count, number)
    del fields  # it would keep `out` from being written
    template.mark(out)
    return bytes(out)


def numeric(template: RowTemplate) -> bool:
    """Whether every cell is a number, a boolean or an octet-string, and none nested: what numpy can view in place."""
    return all(isinstance(part, Cell) and _native(part.type) is not None for part in template.shape)


def _native(of: DataType) -> str | None:
    """The dtype, without byte order, of a column of that type; None where only objects will do."""
    if isinstance(of, OctetStringType) and of.size:
        return f"({of.size},)u1"
    if of is Boolean:
        return "u1"
    if isinstance(of, type) and issubclass(of, TypedInt | Float32 | Float64):
        return of.fmt
    return None


def clock_faces(octets: Array) -> NDArray[np.datetime64]:
    """What a clock showed, from a column of date-times (uint8, 12 a row), in ms and without regard to the deviation.

    Unspecified hundredths are zero; a row with any other wildcard, or that no calendar or clock has, is NaT.
    Raises EncodeError for a column of another shape.
    """
    year, month, day, hour, minute, second, hundredths = _clock_fields(octets)
    months = (year - 1970) * 12 + np.clip(month, 1, 12) - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]") + (day - 1)
    hundredths = np.where(hundredths == 0xFF, 0, hundredths)
    known = (year >= 1) & (year <= 9999) & (month >= 1) & (month <= 12) & (day >= 1)
    known &= days.astype("datetime64[M]").astype(np.int64) == months
    known &= (hour < 24) & (minute < 60) & (second < 60) & (hundredths < 100)
    milliseconds = ((hour * 60 + minute) * 60 + second) * 1000 + hundredths * 10
    faces = days.astype("datetime64[ms]") + milliseconds.astype("timedelta64[ms]")
    return np.where(known, faces, np.datetime64("NaT", "ms"))


def deviations_min(octets: Array) -> NDArray[np.int16]:
    """The deviations of a column of date-times, in minutes as sent; -32768 where it is not specified."""
    _clock_fields(octets)
    return np.ascontiguousarray(octets[:, 9:11]).view(">i2")[:, 0].astype(np.int16)


def _clock_fields(octets: Array) -> list[NDArray[np.int64]]:
    if octets.dtype != np.uint8 or octets.ndim != 2 or octets.shape[1] != 12:
        raise EncodeError(f"a column of date-times is uint8 of shape (rows, 12), not {octets.dtype} of {octets.shape}")
    wide = octets.astype(np.int64)
    return [wide[:, 0] << 8 | wide[:, 1], *(wide[:, at] for at in (2, 3, 5, 6, 7, 8))]


def _dtype(template: RowTemplate) -> np.dtype[np.void]:
    names = [str(number) for number in range(len(template.cells))]
    formats = [_ordered(_native(cell.type)) for cell in template.cells]
    return np.dtype({"names": names, "formats": formats, "offsets": template.offsets, "itemsize": template.width})


def _ordered(native: str | None) -> str:
    """The big-endian form of a dtype; one of octets has no order."""
    return f">{native}" if native is not None and len(native) == 1 else str(native)


def _view(template: RowTemplate, payload: bytes, pos: int, count: int) -> list[Array] | None:
    """One array a cell, or None when the tags and lengths of the rows are not all the same."""
    grid = np.frombuffer(payload, np.uint8, count * template.width, pos).reshape(count, template.width)
    offsets, octets = zip(*template.marks, strict=True)
    if (grid[:, offsets] != np.array(octets, np.uint8)).any():
        return None
    fields = np.frombuffer(payload, _dtype(template), count, pos)
    return [_owned(fields[str(number)], cell.type) for number, cell in enumerate(template.cells)]


def _owned(field: Array, of: DataType) -> Array:
    """A contiguous copy in native order, so that the payload is not kept alive."""
    return field != 0 if of is Boolean else field.astype(field.dtype.newbyteorder("="), order="C")


def _array(of: Any, values: tuple[Any, ...]) -> Array:
    """A column of decoded values."""
    native = _native(of)
    if native is None or None in values:
        return np.fromiter(values, dtype=object, count=len(values))
    if isinstance(of, OctetStringType):
        return np.frombuffer(bytearray().join(values), np.uint8).reshape(len(values), -1)
    return np.array(values, bool if of is Boolean else native)


def _wire(cell: Cell, array: Array, count: int, number: int) -> Array:
    """The array as it goes into the rows.  Raises EncodeError when shape, kind or range are not those of the cell."""
    of = cell.type
    wanted = (count, cell.size) if isinstance(of, OctetStringType) else (count,)
    kinds = "u" if isinstance(of, OctetStringType) else "b" if of is Boolean else "iu" if _is_integer(of) else "f"
    if array.shape != wanted or array.dtype.kind not in kinds:
        raise EncodeError(f"column {number}: {of.describe()} wanted, not {array.dtype} of shape {array.shape}")
    if of is Boolean:
        return np.where(array, np.uint8(0xFF), np.uint8(0))
    if array.dtype.char == _native(of) or array.size == 0:
        return array
    return _narrowed(of, array, number)


def _narrowed(of: DataType, array: Array, number: int) -> Array:
    low, high = array.min(), array.max()
    if isinstance(of, OctetStringType):
        fits = high <= 0xFF
    elif isinstance(of, type) and issubclass(of, TypedInt):
        fits = of.low <= low and high <= of.high
    else:
        largest = np.finfo(np.float32 if of is Float32 else np.float64).max
        finite = array[np.isfinite(array)]
        fits = finite.size == 0 or bool(np.abs(finite).max() <= largest)
    if not fits:
        raise EncodeError(f"column {number}: {low}..{high} is outside {of.describe()}")
    return array


def _is_integer(of: DataType) -> bool:
    return isinstance(of, type) and issubclass(of, TypedInt)

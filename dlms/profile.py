"""What a client gets when it reads a profile: rows and columns, and the ways out of it."""

from __future__ import annotations

import csv
import functools
import io
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlms.cosem_time import DateTime
from dlms.errors import LocalProtocolError
from dlms.operations.profiles import Column
from dlms.reading import Reading
from dlms.rows import Rows, decode_rows
from dlms.units import symbol

if TYPE_CHECKING:
    import pyarrow
    from matplotlib.axes import Axes

    from dlms.columns import Columns

ScalerUnit = tuple[int, int]


class Profile:
    """The rows of a profile's buffer, oldest first unless the meter was asked otherwise.

    `columns` says what each column holds; `scaler_units` gives the scaler and unit of those that are registers, when
    they were read.  Rows are plain values; a clock column holds the 12 octets of a COSEM date-time.
    """

    def __init__(
        self, columns: list[Column], payload: bytes, scaler_units: dict[int, ScalerUnit] | None = None
    ) -> None:
        self.columns, self.payload, self.scaler_units = columns, payload, scaler_units or {}

    @functools.cached_property
    def _decoded(self) -> Rows:
        return decode_rows(self.payload)

    def __len__(self) -> int:
        return len(self._decoded.rows)

    def rows(self) -> list[tuple[Any, ...]]:
        """The rows as plain values.  Raises DecodeError when the buffer is no array of structures."""
        return self._decoded.rows

    def arrays(self) -> Columns:
        """The rows as numpy arrays, one a column."""
        from dlms.columns import decode_columns

        return decode_columns(self.payload)

    @property
    def names(self) -> list[str]:
        """One heading a column: its object, and its unit where that is known."""
        return [self._name(place, column) for place, column in enumerate(self.columns)]

    def _name(self, place: int, column: Column) -> str:
        if column.is_clock:
            return "time"
        if place not in self.scaler_units:
            return str(column)
        return f"{column.instance} [{symbol(self.scaler_units[place][1])}]"

    def table(self) -> list[list[Any]]:
        """Rows for people: times as text, registers scaled, octets as hex."""
        return [[self._shown(place, value) for place, value in enumerate(row)] for row in self.rows()]

    def _shown(self, place: int, value: Any) -> Any:
        if isinstance(value, bytes):
            clock = place < len(self.columns) and self.columns[place].is_clock and len(value) == 12
            return str(DateTime(value)) if clock else value.hex()
        if place in self.scaler_units and isinstance(value, int):
            return Reading.of(value, self.scaler_units[place]).value
        return value

    def to_csv(self, path: str | Path | None = None) -> str:
        """Headings and `table` as CSV; written to `path` when that is given, returned in any case."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.names)
        writer.writerows([_plain(value) for value in row] for row in self.table())
        if path is not None:
            Path(path).write_text(out.getvalue())
        return out.getvalue()

    def to_json(self) -> list[dict[str, Any]]:
        """One object a row, keyed by heading; scaled registers as text, so that no digit is lost."""
        names = self.names
        rows = self.table()
        return [dict(zip(names, map(_plain, row), strict=False)) for row in rows]

    def to_arrow(self) -> pyarrow.Table:
        """The same as an Arrow table: times as text, scaled registers as decimals.  Needs the extra `arrow`."""
        try:
            import pyarrow
        except ImportError as missing:
            raise LocalProtocolError("Arrow tables need pyarrow: pip install 'dlms-meters[arrow]'") from missing
        table = self.table()
        columns = [[row[place] for row in table] for place in range(len(self.columns))]
        return pyarrow.table(columns, names=self.names)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Each scaled column over time, as differences from row to row where it counts up.  Needs the extra `plot`."""
        from dlms.profile_plot import plot

        return plot(self, ax)

    def save_png(self, path: str | Path) -> None:
        """The picture of `plot` as a file.  Needs the extra `plot`."""
        from dlms.profile_plot import save

        save(self, path)


def _plain(value: Any) -> Any:
    """A value for CSV and JSON: decimals without an exponent, other types of their own as text."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value if isinstance(value, int | float | str | type(None) | bool) else str(value)

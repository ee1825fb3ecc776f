"""A profile as a picture.  Needs matplotlib, the extra `plot`."""

from __future__ import annotations

import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from dlms.cosem_time import CosemTimeError, DateTime
from dlms.errors import LocalProtocolError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dlms.profile import Profile


def plot(profile: Profile, ax: Axes | None = None) -> Axes:
    """Draw every scaled column over the time column.

    A column that only ever counts up (an energy register) is drawn as the difference from row to row, as steps that end
    at the row's time: profiles are stamped at the end of their interval.  Returns the axes.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as missing:
        raise LocalProtocolError("a picture needs matplotlib: pip install 'dlms-meters[plot]'") from missing
    axes = plt.subplots(figsize=(10, 4.5), layout="constrained")[1] if ax is None else ax
    times = _times(profile)
    table = profile.table()
    for place in profile.scaler_units:
        values = [float(row[place]) for row in table]
        name = profile.names[place]
        if _counts_up(values):
            steps = [later - earlier for earlier, later in pairwise(values)]
            axes.step(times[1:], steps, where="pre", label=f"{name} per row")
        elif any(values):
            axes.plot(times, values, label=name)
    axes.legend(loc="best", fontsize="small")
    axes.grid(alpha=0.3)
    axes.figure.autofmt_xdate()  # type: ignore[union-attr]
    return axes


def _times(profile: Profile) -> list[datetime.datetime | int]:
    clock = next((place for place, column in enumerate(profile.columns) if column.is_clock), None)
    return [_time(row, clock, number) for number, row in enumerate(profile.rows())]


def _time(row: tuple[Any, ...], clock: int | None, number: int) -> datetime.datetime | int:
    """The row's wall-clock time, or its number when it has none."""
    if clock is None or not isinstance(row[clock], bytes):
        return number
    try:
        return DateTime(row[clock]).naive()
    except CosemTimeError:
        return number


def _counts_up(values: list[float]) -> bool:
    rising = all(later >= earlier for earlier, later in pairwise(values))
    return rising and len(values) > 1 and values[-1] > values[0]

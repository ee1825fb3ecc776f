"""A profile as a picture.  Needs matplotlib, the extra `plot`."""

from __future__ import annotations

import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from dlms.cosem_time import CosemTimeError, DateTime
from dlms.errors import LocalProtocolError

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dlms.profile import Profile


def save(profile: Profile, path: str | Path) -> None:
    """Draw a profile into a file, without a screen.  Raises LocalProtocolError when matplotlib is missing."""
    figure = _figure()
    plot(profile, figure.subplots())
    figure.savefig(path, dpi=120)


def plot(profile: Profile, ax: Axes | None = None) -> Axes:
    """Draw every scaled column over the time column.

    A column that only ever counts up (an energy register) is drawn as the difference from row to row, as steps that end
    at the row's time: profiles are stamped at the end of their interval.  Returns the axes.
    """
    axes = _figure().subplots() if ax is None else ax
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
    if times and times[0] > len(times):
        axes.xaxis_date()
    if axes.has_data():
        axes.legend(loc="best", fontsize="small")
    axes.grid(alpha=0.3)
    for label in axes.get_xticklabels():
        label.set(rotation=30, horizontalalignment="right")
    return axes


def _figure() -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as missing:
        raise LocalProtocolError("a picture needs matplotlib: pip install 'dlms-meters[plot]'") from missing
    return Figure(figsize=(10, 4.5), layout="constrained")


def _times(profile: Profile) -> list[float]:
    """The rows' wall-clock times in matplotlib's days, or their numbers where a row has no time."""
    from matplotlib.dates import date2num

    clock = next((place for place, column in enumerate(profile.columns) if column.is_clock), None)
    try:
        return [float(date2num(_time(row, clock))) for row in profile.rows()]
    except CosemTimeError:
        return [float(number) for number in range(len(profile))]


def _time(row: tuple[Any, ...], clock: int | None) -> datetime.datetime:
    if clock is None or not isinstance(row[clock], bytes):
        raise CosemTimeError("the row has no time")
    return DateTime(row[clock]).naive()


def _counts_up(values: list[float]) -> bool:
    rising = all(later >= earlier for earlier, later in pairwise(values))
    return rising and len(values) > 1 and values[-1] > values[0]

"""Pictures of measurements: phasors, load profile, duration curve, voltage incidents, accuracy.  Needs the extra `plot`.

    figure = load_profile(end_s, active_w)
    figure.savefig("profile.png")

Each function draws into `axes` when they are given and into a figure of its own otherwise; the figure is returned and
belongs to no window.  What is drawn comes from pure functions (`duration_curve`, `profile_steps`, `incident_points`,
`error_points`, `limit_lines`) that other libraries may use as well.  matplotlib is imported when something is drawn.
"""

from __future__ import annotations

import cmath
import datetime
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlms.errors import LocalProtocolError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from meters.engine import Config
    from meters.engine.accuracy import AccuracyClass
    from meters.engine.power_quality import Thresholds

PHASE_COLOURS = ("#8c510a", "#1a1a1a", "#7f8c9b")
"""Brown, black and grey: the wires of IEC 60446."""
BLUE, ORANGE, RED, GREEN = "#1f77b4", "#d95f02", "#c0392b", "#2a7f3f"
SIZE_INCH = (8.0, 4.5)
HALF_CYCLE_S = 0.01
Numbers = Sequence[float]
"""Numbers in a row: a list, or an array of one axis."""


@dataclass(frozen=True, slots=True)
class IncidentPoint:
    """One voltage incident: its duration and its most extreme voltage as a share of the declared one."""

    kind: str
    duration_s: float
    share: float


def duration_curve(values: Numbers) -> tuple[list[float], list[float]]:
    """The values from the largest to the smallest, and for each how much of the time (%) was at least as large.

    Raises ValueError when there are none.
    """
    if not len(values):
        raise ValueError("a duration curve needs values")
    ordered = sorted((float(value) for value in values), reverse=True)
    return [100 * number / len(ordered) for number in range(1, len(ordered) + 1)], ordered


def profile_steps(end_s: Numbers, values: Numbers) -> tuple[list[float], list[float]]:
    """Means stamped at the end of their periods -> the line of their steps, broken (NaN) where periods are missing.

    A period is as long as the shortest distance of two stamps.  Raises ValueError for fewer than two rows or stamps that
    do not rise.
    """
    gaps = [after - before for before, after in itertools.pairwise(end_s)]
    if not gaps or min(gaps) <= 0 or len(end_s) != len(values):
        raise ValueError("a profile needs two rows at least, with stamps that rise and a value each")
    period_s = min(gaps)
    moments: list[float] = []
    line: list[float] = []
    for gap, end, value in zip((period_s, *gaps), end_s, values, strict=True):
        if gap > period_s:
            moments.append(float(end - period_s))
            line.append(math.nan)
        moments += (float(end - period_s), float(end))
        line += (float(value), float(value))
    return moments, line


def incident_points(
    kind: str, begin: Numbers, end: Numbers, extreme_v: Numbers, *, declared_v: float, step_s: float = HALF_CYCLE_S
) -> list[IncidentPoint]:
    """The incidents of `engine.power_quality.Detector`, whose steps are half cycles unless said otherwise."""
    rows = zip(begin, end, extreme_v, strict=True)
    return [IncidentPoint(kind, float(last - first) * step_s, float(v) / declared_v) for first, last, v in rows]


def error_points(
    config: Config, accuracy: AccuracyClass, *, meters: int = 1, factor: float = 1.0, points: int = 60
) -> tuple[list[float], list[list[float]]]:
    """What the type-test bench finds at balanced load from the lowest current with a limit to Imax, evenly by logarithm.

    Gives the currents in amperes and for each the errors of all meters in per cent.  Raises ValueError when the class has
    no limit at that factor.
    """
    from meters.engine.accuracy import REACTIVE_CLASSES, LoadPoint
    from meters.engine.type_test import errors_at, ratings_of

    ratings = ratings_of(config)
    lowest = limit_lines(accuracy, factor=factor, maximum_share=ratings.maximum_share)[0][0]
    ratio = ratings.maximum_share / lowest
    shares = [lowest * ratio ** (number / (points - 1)) for number in range(points)]
    at = [LoadPoint(share, factor) for share in shares]
    errors = errors_at(config, meters, at, reactive=accuracy in REACTIVE_CLASSES)
    return [share * ratings.reference_a for share in shares], errors.tolist()


def limit_lines(
    accuracy: AccuracyClass, *, factor: float = 1.0, maximum_share: float = 17.0
) -> list[tuple[float, float, float]]:
    """(from, to, per cent) of each range of currents in which the class limits the error of a balanced load.

    Raises ValueError when there is none.
    """
    from meters.engine.accuracy import LIMITS

    ranges = [one for one in LIMITS[accuracy] if one.factor == factor and not one.single_phase]
    lines = sorted((one.from_share, min(one.to_share, maximum_share), one.percent) for one in ranges)
    if not lines or lines[-1][1] <= lines[-1][0]:
        raise ValueError(f"{accuracy.value} sets no limit at factor {factor} up to {maximum_share} Iref")
    return lines


def full_scale(largest: float) -> float:
    """The next of ..., 1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10, ... that is not below `largest`; 1 for nothing."""
    if largest <= 0:
        return 1.0
    decade = 10.0 ** math.floor(math.log10(largest))
    return next(step * decade for step in (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10) if step * decade >= largest * (1 - 1e-12))


def phasor_diagram(
    voltage: Sequence[complex],
    current: Sequence[complex],
    *,
    names: Sequence[str] = ("L1", "L2", "L3"),
    axes: Any = None,
) -> Figure:
    """Voltages and currents of each element as arrows, complex RMS values; the first voltage points to the right.

    The title says what the outer circle means for either; currents are a fifth shorter at least than it.
    """
    turn = cmath.exp(-1j * cmath.phase(voltage[0]))
    whole_v = full_scale(max(abs(one) for one in voltage))
    whole_a = full_scale(1.25 * max(abs(one) for one in current))
    figure, where = _axes(axes, (8.0, 5.4), projection="polar")
    for number, (u, i) in enumerate(zip(voltage, current, strict=True)):
        colour, name = PHASE_COLOURS[number % 3], names[number]
        lag = math.degrees(cmath.phase(u * i.conjugate())) if abs(i) else 0.0
        _arrow(where, u * turn / whole_v, colour, 2.4, f"U {name}: {abs(u):.1f} V")
        label = f"I {name}: {abs(i):.2f} A, {abs(lag):.0f}° {'lagging' if lag >= 0 else 'leading'}"
        _arrow(where, i * turn / whole_a, colour, 1.2, label, dashed=True)
    where.set_ylim(0, 1)
    where.set_yticks([0.2, 0.4, 0.6, 0.8, 1.0], [])
    where.set_xticks([math.radians(degrees) for degrees in range(0, 360, 30)])
    where.grid(True, linewidth=0.4, alpha=0.6)
    where.set_title(f"Phasors (RMS): the outer circle is {whole_v:g} V and {whole_a:g} A", pad=14)
    where.legend(loc="center left", bbox_to_anchor=(1.12, 0.5), frameon=False, fontsize=9)
    return figure


def load_profile(
    end_s: Numbers,
    active_w: Numbers,
    *,
    compared: Mapping[str, Numbers] | None = None,
    label: str = "import",
    offset_s: int = 0,
    axes: Any = None,
) -> Figure:
    """Mean powers (W) of a load profile as steps, stamps (UTC seconds) at the end of the period.

    `compared` are more series by label; `offset_s` moves the clock of the axis from UTC.
    """
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    figure, where = _axes(axes)
    for number, (name, values) in enumerate({label: active_w, **(compared or {})}.items()):
        moments, line = profile_steps(end_s, values)
        zone = datetime.timezone(datetime.timedelta(seconds=offset_s))
        days = [datetime.datetime.fromtimestamp(moment, zone).replace(tzinfo=None) for moment in moments]
        kilowatts = [value / 1000 for value in line]
        colour = (BLUE, ORANGE, GREEN, RED)[number % 4]
        where.plot(days, kilowatts, color=colour, linewidth=1.2, label=name)
        if number == 0:
            where.fill_between(days, 0, kilowatts, color=colour, alpha=0.18, linewidth=0)
    locator = AutoDateLocator()
    where.xaxis.set_major_locator(locator)
    where.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    where.margins(x=0.01)
    zone_name = f"UTC{offset_s / 3600:+g} h" if offset_s else "UTC"
    _finish(where, "Load profile", f"Time ({zone_name})", "Mean active power (kW)")
    _legend_above(where)
    return figure


def load_duration(values_w: Numbers, *, axes: Any = None) -> Figure:
    """How much of the time the power (W) was at least so large."""
    share, ordered = duration_curve(values_w)
    kilowatts = [value / 1000 for value in ordered]
    mean = math.fsum(kilowatts) / len(kilowatts)
    figure, where = _axes(axes)
    where.plot([0.0, *share], [kilowatts[0], *kilowatts], color=BLUE, linewidth=1.6, drawstyle="steps-pre")
    where.fill_between([0.0, *share], 0, [kilowatts[0], *kilowatts], step="pre", color=BLUE, alpha=0.18, linewidth=0)
    where.axhline(mean, color=ORANGE, linewidth=1.2, linestyle="--", label=f"mean {mean:.2f} kW")
    where.set_xlim(0, 100)
    where.set_ylim(min(0.0, ordered[-1] / 1000))
    _finish(where, "Duration curve", "Share of the time (%)", "Active power reached or exceeded (kW)")
    _legend_above(where)
    return figure


def voltage_incidents(points: Iterable[IncidentPoint], thresholds: Thresholds, *, axes: Any = None) -> Figure:
    """Dips, swells and interruptions by duration and extreme voltage, with the thresholds that made them."""
    figure, where = _axes(axes)
    points = list(points)
    styles = {"dip": ("v", BLUE), "swell": ("^", ORANGE), "interruption": ("x", RED)}
    for kind in sorted({point.kind for point in points}):
        marker, colour = styles.get(kind, ("o", GREEN))
        these = [point for point in points if point.kind == kind]
        shares = [100 * point.share for point in these]
        durations = [point.duration_s for point in these]
        where.scatter(durations, shares, marker=marker, color=colour, s=34, alpha=0.8, label=f"{kind} ({len(these)})")
    _log_axis(where)
    limits = {"swell": thresholds.swell, "dip": thresholds.dip, "interruption": thresholds.interruption}
    for name, share in limits.items():
        where.axhline(100 * share, color="0.35", linewidth=0.9, linestyle="--")
        note = f"{name} limit {100 * share:g} %"
        where.annotate(note, (1.01, 100 * share), xycoords=("axes fraction", "data"), va="center", size=8, color="0.35")
    lowest = min((point.share for point in points), default=thresholds.dip)
    where.set_ylim(min(0.0, 100 * lowest) - 4, max(125.0, 108 * max((point.share for point in points), default=0.0)))
    _finish(where, "Voltage incidents", "Duration (s)", f"Extreme voltage (% of {thresholds.declared_v:g} V)")
    _legend_above(where)
    return figure


def accuracy_curve(
    config: Config, accuracy: AccuracyClass, *, meters: int = 1, factor: float = 1.0, axes: Any = None
) -> Figure:
    """Errors of meters of a configuration over the current, as `error_points`, between the limits of the class."""
    from meters.engine.type_test import ratings_of

    ratings = ratings_of(config)
    amperes, rows = error_points(config, accuracy, meters=meters, factor=factor)
    figure, where = _axes(axes)
    for number, meter in enumerate(zip(*rows, strict=True)):
        many = f"{meters} meters" if meters > 1 else "one meter"
        where.plot(amperes, meter, color=BLUE, linewidth=0.8, alpha=0.55, label=None if number else many)
    lines = limit_lines(accuracy, factor=factor, maximum_share=ratings.maximum_share)
    corners = [end * ratings.reference_a for first, last, _ in lines for end in (first, last)]
    limits = [percent for *_, percent in lines for _ in range(2)]
    for sign in (1, -1):
        label = f"limits of {accuracy.value}" if sign > 0 else None
        where.plot(corners, [sign * percent for percent in limits], color=RED, linewidth=1.8, label=label)
    where.axhline(0, color="0.35", linewidth=0.8)
    _log_axis(where)
    kind = "sin" if "62053-23" in accuracy.value else "cos"
    _finish(where, f"Accuracy at {kind} φ = {factor:g}", "Current (A)", "Error (% of the true value)")
    _legend_above(where)
    return figure


def _arrow(where: Any, phasor: complex, colour: str, width: float, label: str, *, dashed: bool = False) -> None:
    """An arrow from the centre; the legend shows a line of the same looks."""
    style = "--" if dashed else "-"
    head = {"arrowstyle": "-|>", "color": colour, "linewidth": width, "linestyle": style, "shrinkA": 0, "shrinkB": 0}
    where.annotate("", (cmath.phase(phasor), abs(phasor)), (0, 0), arrowprops=head)
    where.plot([], [], color=colour, linewidth=width, linestyle=style, label=label)


def _axes(axes: Any, size_inch: tuple[float, float] = SIZE_INCH, **options: Any) -> tuple[Figure, Any]:
    """The given axes with their figure, or new ones.  Raises LocalProtocolError when matplotlib is missing."""
    if axes is not None:
        return axes.get_figure(), axes
    try:
        from matplotlib.figure import Figure
    except ImportError as missing:
        raise LocalProtocolError("plots need matplotlib: install dlms-meters[plot]") from missing
    made = Figure(figsize=size_inch, layout="constrained")
    return made, made.add_subplot(**options)


def _finish(where: Any, title: str, x: str, y: str) -> None:
    where.set_title(title, loc="left")
    where.set_xlabel(x)
    where.set_ylabel(y)
    where.grid(True, linewidth=0.4, alpha=0.5)
    where.spines[["top", "right"]].set_visible(False)


def _log_axis(where: Any) -> None:
    where.set_xscale("log")
    where.xaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _legend_above(where: Any) -> None:
    """Beside the title, where no data are."""
    where.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4, frameon=False, fontsize=9, borderaxespad=0.2)

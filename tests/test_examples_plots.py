"""The plots: pure data by numbers, pictures by running the example."""

from __future__ import annotations

import importlib.util
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters import plots
from meters.engine import Config
from meters.engine.accuracy import AccuracyClass
from meters.engine.tolerance import Tolerance

EXAMPLE = Path(__file__).parents[1] / "examples" / "plots.py"
needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed (extra `plot`)"
)


@needs_matplotlib
def test_the_example_writes_pictures(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLE), str(tmp_path / "new")],
        capture_output=True,
        text=True,
        cwd=EXAMPLE.parents[1],
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    files = sorted((tmp_path / "new").iterdir())
    assert [path.name for path in files] == [
        f"{name}.png" for name in ("accuracy", "duration", "incidents", "phasors", "profile")
    ]
    for path in files:
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        assert content.endswith(b"IEND\xaeB\x60\x82")
        width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
        assert width > 800
        assert height > 500


@needs_matplotlib
def test_what_is_drawn_is_what_was_given() -> None:
    from matplotlib.figure import Figure

    where = Figure().add_subplot()
    figure = plots.load_duration([1000.0, 3000.0, 2000.0], axes=where)
    assert figure is where.get_figure()
    assert where.lines[0].get_xydata().tolist() == [[0, 3], [100 / 3, 3], [200 / 3, 2], [100, 1]]
    assert where.get_xlabel() == "Share of the time (%)"
    assert where.get_ylabel().endswith("(kW)")
    assert [text.get_text() for text in where.get_legend().get_texts()] == ["mean 2.00 kW"]


@needs_matplotlib
def test_a_meter_without_load_can_be_drawn() -> None:
    figure = plots.phasor_diagram([230, 230 * np.exp(-2j), 230 * np.exp(2j)], [0, 0, 0])
    assert "1 A" in figure.axes[0].get_title()


def test_importing_is_light() -> None:
    script = "import sys, meters.plots; print([m for m in ('numpy', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


@given(st.lists(st.floats(-1e9, 1e9), min_size=1))
def test_a_duration_curve_falls_and_says_how_often(values: list[float]) -> None:
    share, ordered = plots.duration_curve(values)
    assert sorted(values, reverse=True) == ordered
    assert share[-1] == 100
    for percent, value in zip(share, ordered, strict=True):
        assert sum(other >= value for other in values) >= round(percent / 100 * len(values))


def test_steps_end_at_their_stamps_and_break_at_gaps() -> None:
    moments, line = plots.profile_steps([900, 1800, 4500], [1.0, 2.0, 3.0])
    assert moments == [0, 900, 900, 1800, 3600, 3600, 4500]
    assert line[:4] == [1, 1, 2, 2]
    assert math.isnan(line[4])
    assert line[5:] == [3, 3]


@pytest.mark.parametrize(("end_s", "values"), [([900], [1.0]), ([900, 900], [1.0, 2.0]), ([900, 1800], [1.0])])
def test_a_profile_that_is_none_is_refused(end_s: list[int], values: list[float]) -> None:
    with pytest.raises(ValueError, match="a profile needs"):
        plots.profile_steps(end_s, values)
    with pytest.raises(ValueError, match="needs values"):
        plots.duration_curve([])


def test_incidents_last_half_cycles() -> None:
    (point,) = plots.incident_points("dip", np.array([10]), np.array([35]), np.array([115.0]), declared_v=230.0)
    assert point == plots.IncidentPoint("dip", 0.25, 0.5)


def test_errors_lie_within_the_limits_that_are_drawn() -> None:
    config = Config(errors=Tolerance(AccuracyClass.B))
    amperes, rows = plots.error_points(config, AccuracyClass.B, meters=50)
    lines = plots.limit_lines(AccuracyClass.B, maximum_share=17.0)
    assert lines == [(0.05, 0.1, 1.5), (0.1, 17.0, 1.0)]
    assert (len(rows[0]), amperes[0]) == (50, 0.25)
    assert amperes[-1] == pytest.approx(85.0)
    for current_a, row in zip(amperes, rows, strict=True):
        limit = next(percent for first, last, percent in reversed(lines) if first * 5 <= current_a)
        assert 0 < max(map(abs, row)) <= limit
    with pytest.raises(ValueError, match="sets no limit"):
        plots.limit_lines(AccuracyClass.B, factor=0.3)


@given(st.floats(1e-6, 1e9))
def test_a_full_scale_holds_the_value_and_is_at_most_half_larger(largest: float) -> None:
    assert largest * (1 - 1e-9) <= plots.full_scale(largest) <= 1.5 * largest * (1 + 1e-9)

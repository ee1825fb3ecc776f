"""All ways of the engine's benchmark come to the same results, and its lines say what was reached.  No rate is judged."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks import fleet_ways, waveform_ways
from tests.benchmarks.engine import (
    STEPS,
    Line,
    Powers,
    check_fleet,
    check_pandas,
    check_pqopen,
    has,
    medians,
    peak_mb,
    slope,
)


def test_loop_settling_and_engine_agree() -> None:
    tariff = np.array([fleet_ways.tariff_of(step) for step in range(STEPS)])
    assert set(tariff.tolist()) == set(range(1, 9))
    check_fleet(Powers(4), tariff, 4)


def test_a_wrong_result_is_found() -> None:
    tariff = np.ones(STEPS, np.int64)
    with pytest.raises(AssertionError):
        check_fleet(Powers(1), tariff, 1)


@pytest.mark.interop
@pytest.mark.skipif(not has("pandas"), reason="pandas is not installed")
def test_pandas_agrees() -> None:
    powers = Powers(5)
    check_pandas(powers, fleet_ways.long_table(powers, 5))


@pytest.mark.interop
@pytest.mark.skipif(not has("pqopen") or not has("scipy"), reason="pqopen-lib is not installed")
def test_pqopen_agrees() -> None:
    check_pqopen(waveform_ways.made_wave(3))


def test_lines_say_what_was_reached() -> None:
    assert str(Line("a", "b", "c", 30.0, 2.0, 15)).endswith("15.0x  >= 15x met")
    assert str(Line("a", "b", "c", 30.0, 2.0, 16)).endswith("15.0x  >= 16x MISSED")
    assert str(Line("a", "b", "c", 2.0, 30.0, 16, at_least=False)).endswith("15.0x  <= 16x met")
    assert str(Line("a", "b", "c", 2.0, None, 16)).endswith("not installed")


def test_works_are_timed_in_turn() -> None:
    done: list[str] = []
    seconds = medians({"sum": lambda: done.append("sum") or sum(range(10**6)), "more": lambda: sum(range(10**6))}, 1)
    assert done
    assert all(taken > 0 for taken in seconds.values())


def test_growth_is_the_slope_of_the_logarithms() -> None:
    sizes = [1, 2, 4, 8]
    assert slope(sizes, [3.0 * size for size in sizes]) == pytest.approx(1.0)
    assert slope(sizes, [5.0 * size**2 for size in sizes]) == pytest.approx(2.0)
    assert slope(sizes, [7.0] * 4) == pytest.approx(0.0)


def test_memory_is_bounded_by_the_block_not_by_the_fleet() -> None:
    one, three = peak_mb(512, 512), peak_mb(3 * 512, 512)
    assert three < 1.2 * one

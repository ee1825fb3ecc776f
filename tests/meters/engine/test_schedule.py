"""Recurring moments against the calendar of the standard library."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.engine import NEVER, EngineError, Every, Unit

MOMENTS = st.integers(0, 4_000_000_000)
HOUR = timedelta(hours=1)


def local(clock_s: int) -> datetime:
    return datetime.fromtimestamp(clock_s, UTC) + HOUR


def after(every: Every, clock_s: int) -> int:
    return int(every.after(np.array([clock_s]), 3600)[0])


@given(MOMENTS, st.sampled_from([300, 900, 1800, 3600]))
def test_seconds(clock_s, period_s):
    due_s = after(Every(period_s), clock_s)
    assert due_s % period_s == 0
    assert clock_s < due_s <= clock_s + period_s


@given(MOMENTS)
def test_days(clock_s):
    midnight = local(clock_s).replace(hour=0, minute=0, second=0) + timedelta(days=1)
    assert local(after(Every(1, Unit.DAYS), clock_s)) == midnight


@given(MOMENTS)
def test_weeks(clock_s):
    today = local(clock_s).replace(hour=0, minute=0, second=0)
    assert local(after(Every(1, Unit.WEEKS), clock_s)) == today + timedelta(days=7 - today.weekday())


@given(MOMENTS, st.sampled_from([1, 2, 3, 6, 12]), st.integers(1, 28))
def test_months(clock_s, months, day):
    due = local(after(Every(months, Unit.MONTHS, day), clock_s))
    assert (due.day, due.hour, due.minute, due.second) == (day, 0, 0, 0)
    assert ((due.year - 1970) * 12 + due.month - 1) % months == 0
    earlier = due.month - 1 - months
    before = due.replace(year=due.year + earlier // 12, month=earlier % 12 + 1)
    assert before <= local(clock_s) < due


def test_never_and_nonsense():
    assert after(NEVER, 0) > 1 << 60
    with pytest.raises(EngineError):
        Every(0)
    with pytest.raises(EngineError):
        Every(1, Unit.MONTHS, 29)

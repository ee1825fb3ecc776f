"""The clock face against Python's own zone database, and what a client may mean by a date-time."""

from __future__ import annotations

import contextlib
import datetime
import zoneinfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.cosem_time import CosemTimeError, DateTime
from meters import local_time
from meters.buffers import Stamping

COPENHAGEN = zoneinfo.ZoneInfo("Europe/Copenhagen")
OFFSET_S = 3600
MOMENTS = st.integers(946_684_800, 4_102_444_799)


@given(utc_s=MOMENTS)
def test_the_face_is_that_of_the_zone(utc_s: int) -> None:
    local = datetime.datetime.fromtimestamp(utc_s, COPENHAGEN)
    shown = DateTime(local_time.local_octets(utc_s, OFFSET_S, daylight_saving=True))
    assert shown.naive() == local.replace(tzinfo=None)
    assert bool(shown.status & 0x80) == bool(local.dst())


@given(utc_s=MOMENTS, saving=st.booleans())
def test_setting_what_is_shown_changes_nothing(utc_s: int, saving: bool) -> None:
    shown = local_time.local_octets(utc_s, OFFSET_S, saving)
    assert local_time.utc_of(shown, OFFSET_S, saving) == utc_s


@given(moments=st.lists(MOMENTS | st.just(0), min_size=1, max_size=20), saving=st.booleans())
def test_many_stamps_at_once_are_the_single_ones(moments: list[int], saving: bool) -> None:
    many = Stamping(OFFSET_S, saving).stamps(np.array(moments, np.int64))
    for moment, row in zip(moments, many, strict=True):
        one = local_time.stamp(moment, OFFSET_S, saving) if moment else local_time.NEVER
        assert row.tobytes() == one


def test_published_rows_carry_the_daylight_saving_bit() -> None:
    midnight = int(datetime.datetime(2013, 10, 24, 23, tzinfo=datetime.UTC).timestamp())
    assert local_time.stamp(midnight, OFFSET_S, True).hex() == "07dd0a1905000000ff800080"


def test_published_switches_of_2013() -> None:
    begin_s, end_s = local_time.switches(2013)
    assert local_time.octets(begin_s + OFFSET_S, 0).hex() == "07dd031f07020000ff800000"
    assert local_time.octets(end_s + OFFSET_S + 3600, 0x80).hex() == "07dd0a1b07030000ff800080"


def test_the_hour_that_comes_twice() -> None:
    first, second = bytes.fromhex("07ea0a1907021e00ff800080"), bytes.fromhex("07ea0a1907021e00ff800000")
    assert local_time.utc_of(second, OFFSET_S, True) - local_time.utc_of(first, OFFSET_S, True) == 3600


def test_a_deviation_is_obeyed() -> None:
    assert local_time.utc_of(bytes.fromhex("07b20101ff020000ffff8800"), OFFSET_S, True) == 0


def test_bounds_reach_as_far_as_they_can() -> None:
    day = bytes.fromhex("07dd0a19ffffffffff800080")
    assert local_time.bound_s(day, upper=True) - local_time.bound_s(day, upper=False) == 86_399
    assert local_time.bound_s(b"\xff" * 12, upper=False) == 0
    assert local_time.bound_s(b"\xff" * 12, upper=True) > 1 << 39


@pytest.mark.parametrize(
    "wrong", ["", "07dd0a19", "07dd0affff00000000800080", "07dd0d0101000000ff800000", "07dd0a19ff180000ff800000"]
)
def test_what_is_no_bound(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        local_time.bound_s(bytes.fromhex(wrong), upper=True)


@given(octets=st.binary(max_size=14))
def test_only_value_errors(octets: bytes) -> None:
    for upper in (False, True):
        with contextlib.suppress(ValueError):
            local_time.bound_s(octets, upper=upper)
    with contextlib.suppress(CosemTimeError):
        local_time.utc_of(octets, OFFSET_S, True)

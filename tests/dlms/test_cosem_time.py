"""Dates and times: every octet kept, conversions that never guess."""

from __future__ import annotations

import datetime
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.cosem_time import ANY, NO_DEVIATION, NO_STATUS, CosemTimeError, Date, DateTime, LocalTime, Time, zone
from dlms.errors import DlmsError
from tests.vectors import shared

UTC = datetime.UTC
CET = datetime.timezone(datetime.timedelta(hours=1))
COPENHAGEN = zone("Europe/Copenhagen")

moments = st.datetimes(datetime.datetime(1, 1, 2), datetime.datetime(9999, 12, 30)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 10_000 * 10_000)
)
offsets = st.integers(-840, 720).map(lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes)))


def octets(text: str) -> DateTime:
    return DateTime(bytes.fromhex(text))


@given(st.binary(min_size=12, max_size=12))
def test_any_octets_are_kept_and_shown(raw: bytes) -> None:
    value = DateTime(raw)
    assert bytes(value) == value.raw == raw == DateTime.from_bytes(raw).raw
    assert bytes(value.date) + bytes(value.time) == raw[:9]
    assert str(value) in repr(value)
    assert pickle.loads(pickle.dumps(value)) == value
    try:
        moment = value.to_datetime()
    except CosemTimeError:
        return
    assert not value.problems
    assert (moment.year, moment.hour) == (value.year, value.hour)


@given(st.binary(min_size=5, max_size=5), st.binary(min_size=4, max_size=4))
def test_any_date_and_time_are_kept(date_raw: bytes, time_raw: bytes) -> None:
    date, time = Date(date_raw), Time(time_raw)
    assert (date.raw, time.raw) == (date_raw, time_raw)
    assert date != time
    assert hash(date) == hash(Date(date_raw))
    for convert in (date.to_date, time.to_time):
        try:
            convert()
        except CosemTimeError:
            continue
        assert not date.problems or not time.problems


def test_the_error_is_ours_and_a_value_error() -> None:
    assert issubclass(CosemTimeError, DlmsError)
    assert issubclass(CosemTimeError, ValueError)


@pytest.mark.parametrize(("kind", "size"), [(DateTime, 12), (Date, 5), (Time, 4)])
def test_a_wrong_number_of_octets(kind: type[DateTime | Date | Time], size: int) -> None:
    for wrong in (0, size - 1, size + 1):
        with pytest.raises(CosemTimeError, match=f"of {wrong} octets, {size} wanted"):
            kind(bytes(wrong))
    assert kind(bytearray(size)).raw == bytes(size)
    with pytest.raises(AttributeError):
        kind(bytes(size)).raw = b""


@given(moments, offsets, st.booleans())
def test_aware_round_trip(moment: datetime.datetime, offset: datetime.timezone, inverted: bool) -> None:
    aware = moment.replace(tzinfo=offset)
    value = DateTime.of(aware, inverted=inverted)
    again = value.to_datetime(LocalTime(inverted=inverted))
    assert again == aware
    assert again.utcoffset() == aware.utcoffset()
    assert value.status == 0
    assert not value.problems


@given(moments)
def test_naive_round_trip(moment: datetime.datetime) -> None:
    value = DateTime.of(moment)
    assert value.to_datetime() == moment
    assert (value.deviation, value.status) == (NO_DEVIATION, NO_STATUS)
    assert Date.of(moment.date()).to_date() == moment.date()
    assert Time.of(moment.time()).to_time() == moment.time()
    assert value.day_of_week == moment.isoweekday()


def test_the_sign_of_the_deviation() -> None:
    """Blue Book: UTC minus local, so a meter at UTC+2 sends -120; many meters send +120."""
    by_the_book, inverted = octets("07dd0a1905071e0000ff8800"), octets("07dd0a1905071e0000007800")
    assert (by_the_book.deviation, inverted.deviation) == (-120, 120)
    for value, policy in ((by_the_book, LocalTime()), (inverted, LocalTime(inverted=True))):
        assert value.to_datetime(policy) == datetime.datetime(2013, 10, 25, 5, 30, tzinfo=UTC)
    assert inverted.to_datetime() == datetime.datetime(2013, 10, 25, 9, 30, tzinfo=UTC)
    assert str(by_the_book) == "2013-10-25 07:30:00.00 +02:00"
    assert by_the_book.to_datetime(LocalTime(ignore_deviation=True)) == datetime.datetime(2013, 10, 25, 7, 30)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("07dd0a19ffffff00ff8000ff", "2013-10-25 ??:??:00.--"),
        ("ffffffffffffffffff8000ff", "????-??-?? ??:??:??.--"),
        ("fffffdfe07020000008000ff", "????-DE-LD Sun 02:00:00.00"),
        ("fffffefd07030000008000ff", "????-DB-SL Sun 03:00:00.00"),
        ("07dd0a19050000000000b480", "2013-10-25 00:00:00.00 -03:00 [dst]"),
        ("07dd0a19010000000080008f", "2013-10-25 Mon 00:00:00.00 [invalid,doubtful,different-base,invalid-status,dst]"),
        ("07dd0a190500000000800010", "2013-10-25 00:00:00.00 [0x10]"),
        ("07dd0d20081a3c3c64800000", "2013-13-32 day-of-week 8 26:60:60.100"),
    ],
)
def test_text(text: str, shown: str) -> None:
    value = octets(text)
    assert str(value) == shown
    if not value.problems:
        assert str(DateTime.parse(shown)) == shown


@given(moments, st.none() | offsets, st.sampled_from((0, 0x80, 0x01, 0x8F, 0x70)))
def test_text_is_parsed(moment: datetime.datetime, offset: datetime.timezone | None, status: int) -> None:
    value = DateTime.of(moment.replace(tzinfo=offset), status=status if status or offset else NO_STATUS)
    assert DateTime.parse(str(value)) == value


@given(moments, st.none() | offsets)
def test_iso_text_is_parsed(moment: datetime.datetime, offset: datetime.timezone | None) -> None:
    aware = moment.replace(tzinfo=offset)
    assert DateTime.parse(aware.isoformat()).to_datetime() == aware
    assert Date.parse(moment.date().isoformat()).to_date() == moment.date()
    assert Time.parse(moment.time().isoformat()).to_time() == moment.time()


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2024-01-01", "2024-01-01 00:00:00.00"),
        ("2024-01-01 07:30", "2024-01-01T07:30:00"),
        ("2024-01-01T07:30Z", "2024-01-01 07:30:00.00 +00:00"),
        (" 2024-01-01 07:30+0130 ", "2024-01-01 07:30:00.00 +01:30"),
        ("2024-01-01 07:30:15.5", "2024-01-01 07:30:15.50"),
        ("2024-01-01 Mon", "2024-01-01"),
    ],
)
def test_shorter_text(text: str, same: str) -> None:
    assert DateTime.parse(text) == DateTime.parse(same)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2024-13-01",
        "2024-02-30",
        "2024-01-01 24:00",
        "2024-01-01 12:60",
        "2024-1-1",
        "2024-01-01 Xyz",
        "2024-01-01 12:00 [sunny]",
        "0000-01-01",
        "2024-01-01 00:00 +23:00",
    ],
)
def test_text_that_is_no_date_time(text: str) -> None:
    with pytest.raises(CosemTimeError):
        DateTime.parse(text)
    with pytest.raises(CosemTimeError):
        Date.parse(text or "x")
    with pytest.raises(CosemTimeError):
        Time.parse(text or "x")


def test_unspecified_parts_are_parsed() -> None:
    assert Date.parse("????-12-25").raw.hex() == "ffff0c19ff"
    assert Time.parse("??:30").raw.hex() == "ff1e0000"
    assert Time.parse("12:30:00.--").hundredths == ANY


@pytest.mark.parametrize(
    "text",
    [
        "ffff0a1905071e0000800000",
        "07ddff1905071e0000800000",
        "07ddfe1905071e0000800000",
        "07dd0afe05071e0000800000",
        "07dd0a1905ff1e0000800000",
        "07dd0a190507ff0000800000",
        "07dd0a1905071eff00800000",
    ],
)
def test_wildcards_are_never_guessed(text: str) -> None:
    value = octets(text)
    assert not value.problems
    with pytest.raises(CosemTimeError, match="no single"):
        value.to_datetime()


def test_unspecified_hundredths_are_a_resolution() -> None:
    assert octets("07dd0a19ff071e00ff800000").to_datetime() == datetime.datetime(2013, 10, 25, 7, 30)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("00000a1905071e0000800000", "year 0"),
        ("271005190507000000800000", "year 10000"),
        ("07dd0d1905071e0000800000", "month 13"),
        ("07dd0a2005071e0000800000", "day 32"),
        ("07dd0a0005071e0000800000", "day 0"),
        ("07dd021e05071e0000800000", "no day 30 in 2013-02"),
        ("07dd0a1908071e0000800000", "day of week 8"),
        ("07dd0a1905181e0000800000", "hour 24"),
        ("07dd0a1905073c0000800000", "minute 60"),
        ("07dd0a1905071e3c00800000", "second 60"),
        ("07dd0a1905071e0064800000", "hundredths 100"),
        ("07dd0a1905071e00007fff00", "deviation 32767"),
    ],
)
def test_problems_are_reported_and_not_converted(text: str, problem: str) -> None:
    value = octets(text)
    assert value.problems == [problem]
    with pytest.raises(CosemTimeError, match=problem):
        value.to_datetime()


def test_clocks_without_deviation_stand_in_the_zone_of_the_policy() -> None:
    summer, winter = DateTime.parse("2024-07-01 12:00"), DateTime.parse("2024-01-01 12:00")
    policy = LocalTime(zone=COPENHAGEN)
    assert summer.to_datetime(policy) == datetime.datetime(2024, 7, 1, 10, tzinfo=UTC)
    assert winter.to_datetime(policy) == datetime.datetime(2024, 1, 1, 11, tzinfo=UTC)
    assert policy.to_cosem(datetime.datetime(2024, 7, 1, 10, tzinfo=UTC)) == DateTime.parse(
        "2024-07-01 12:00+02:00 [dst]"
    )
    assert policy.to_cosem(datetime.datetime(2024, 1, 1, 12)) == DateTime.parse("2024-01-01 12:00+01:00")


def test_the_hour_that_comes_twice() -> None:
    """27 October 2024, 02:00..03:00 in Copenhagen: the status says which, or the policy, or nobody."""
    policy = LocalTime(zone=COPENHAGEN)
    first, second = (DateTime.parse(f"2024-10-27 02:30 [{status}]") for status in ("dst", ""))
    assert first.to_datetime(policy).astimezone(UTC).hour == 0
    assert second.to_datetime(policy).astimezone(UTC).hour == 1
    unknown = DateTime.parse("2024-10-27 02:30")
    with pytest.raises(CosemTimeError, match="twice"):
        unknown.to_datetime(policy)
    for fold in (0, 1):
        assert unknown.to_datetime(LocalTime(zone=COPENHAGEN, fold=fold)).astimezone(UTC).hour == fold


def test_the_hour_that_is_skipped() -> None:
    with pytest.raises(CosemTimeError, match="skips"):
        DateTime.parse("2024-03-31 02:30").to_datetime(LocalTime(zone=COPENHAGEN))


def test_what_a_meter_is_told() -> None:
    moment = datetime.datetime(2024, 7, 1, 10, tzinfo=UTC)
    assert LocalTime().to_cosem(moment) == DateTime.parse("2024-07-01 10:00Z")
    assert LocalTime().to_cosem(moment.replace(tzinfo=None)) == DateTime.parse("2024-07-01 10:00")
    assert LocalTime(zone=COPENHAGEN, inverted=True).to_cosem(moment).deviation == 120
    face_only = LocalTime(zone=COPENHAGEN, ignore_deviation=True)
    assert face_only.to_cosem(moment) == DateTime.parse("2024-07-01 12:00 [dst]")
    assert face_only.to_datetime(face_only.to_cosem(moment)) == moment
    assert LocalTime(ignore_deviation=True).to_cosem(moment.replace(tzinfo=None)).status == NO_STATUS
    assert LocalTime(zone=CET).to_cosem(moment) == DateTime.parse("2024-07-01 11:00+01:00")


def test_what_cannot_be_told() -> None:
    with pytest.raises(CosemTimeError, match="not whole minutes"):
        DateTime.of(datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(seconds=90))))
    with pytest.raises(CosemTimeError, match="a date and a time"):
        Date.of(datetime.datetime(2024, 1, 1))
    with pytest.raises(CosemTimeError, match="no time zone 'Nowhere/At_All'"):
        zone("Nowhere/At_All")


def test_daylight_saving_is_told() -> None:
    assert DateTime.of(datetime.datetime(2024, 7, 1, tzinfo=COPENHAGEN)).status_names == ["dst"]
    assert DateTime.of(datetime.datetime(2024, 7, 1, tzinfo=COPENHAGEN), status=0).status_names == []
    assert octets("07dd0a1905071e00008000ff").status_names == []


def test_microseconds_are_cut_to_hundredths() -> None:
    assert DateTime.of(datetime.datetime(2024, 1, 1, 0, 0, 0, 129_999)).hundredths == 12


@pytest.mark.vectors
def test_vectors() -> None:
    """Date-times that the collection spells out field by field."""
    spelt = [r["expect"] for r in shared.records("apdu_dev") if r["expect"].get("date_time_fields")]
    assert spelt
    for expect in spelt:
        fields, value = expect["date_time_fields"], octets(expect["date_time"])
        names = {"weekday": "day_of_week"}
        unspecified = {"deviation": NO_DEVIATION}  # the collection says None
        for name, wanted in fields.items():
            found = getattr(value, names.get(name, name))
            assert found == (unspecified.get(name, ANY) if wanted is None else wanted), name

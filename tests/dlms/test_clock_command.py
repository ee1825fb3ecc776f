"""`dlms clock --set`: the meter's own convention, by zone, UTC or its stated deviation; what is read back; refusals."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dlms.cli.app import execute
from dlms.cli.clock import Here
from dlms.cosem_time import DateTime
from dlms.errors import AccessError
from dlms.server import Device, MemoryStore
from tests.dlms.served import memory_name, served
from tests.dlms.server.devices import CLOCK, WRITER, device, store

HOUR = datetime.timedelta(hours=1)
UNSPECIFIED = 0x8000


class Slow(MemoryStore):
    """A clock that does not take what it is given, or keeps it from being read."""

    def __init__(self, wrong: str) -> None:
        super().__init__(store().values)
        self.wrong = wrong

    def set(self, ref: Any, value: Any) -> None:
        if self.wrong == "refuses":
            raise AccessError(3, ref)
        if self.wrong == "normalises":
            moment = DateTime(bytes(value)).to_datetime().astimezone(datetime.timezone(2 * HOUR))
            value = DateTime.of(moment).raw
        if self.wrong == "hides":
            self.values[ref] = value
        elif self.wrong != "ignores":
            super().set(ref, value)

    def get(self, ref: Any) -> Any:
        if self.wrong == "hides" and ref == CLOCK.time:
            raise AccessError(3, ref)
        return super().get(ref)


def meter(time_shown: bytes, wrong: str = "") -> Device:
    held = Slow(wrong)
    held.values[CLOCK.time] = time_shown
    return device(held)


def octets(moment: datetime.datetime, deviation: int, status: int) -> bytes:
    """A time with this deviation and status, whatever they mean."""
    return DateTime.of(moment.replace(tzinfo=None)).raw[:9] + (deviation & 0xFFFF).to_bytes(2, "big") + bytes((status,))


def command(of: Device, *arguments: str) -> int:
    with served(memory_name(), of) as url:
        return execute(["clock", url, "--client", str(WRITER), *arguments])


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLMS_PASSWORD", "98765")


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def held(of: Device) -> DateTime:
    values: Any = of.store
    return DateTime(bytes(values.values[CLOCK.time]))


def near(face: datetime.datetime, expected: datetime.datetime) -> bool:
    return abs(face - expected.replace(tzinfo=None)) < datetime.timedelta(seconds=30)


@pytest.mark.parametrize(("deviation", "inverted"), [(-120, False), (300, False), (120, True)])
def test_now_by_the_deviation_that_the_meter_states(deviation: int, inverted: bool) -> None:
    """The clock may be wrong by days; its deviation and its daylight-saving bit stay."""
    of = meter(octets(datetime.datetime(2020, 1, 1), deviation, 0x80))
    assert command(of, "--set", "now", *(["--inverted"] if inverted else [])) == 0
    offset = datetime.timedelta(minutes=deviation if inverted else -deviation)
    assert near(held(of).naive(), now() + offset)
    assert (held(of).deviation, held(of).status) == (deviation, 0x80)


def test_a_deviation_whose_sign_does_not_fit_is_not_believed(capsys: pytest.CaptureFixture[str]) -> None:
    shown = octets(now() + 2 * HOUR, 120, 0)
    of = meter(shown)
    assert command(of, "--set", "now") == 1
    assert "give --inverted" in capsys.readouterr().err
    assert held(of).raw == shown
    assert command(of, "--set", "now", "--inverted") == 0
    assert (held(of).deviation, near(held(of).naive(), now() + 2 * HOUR)) == (120, True)


def test_a_meter_that_states_nothing_needs_to_be_explained(capsys: pytest.CaptureFixture[str]) -> None:
    shown = octets(now(), UNSPECIFIED, 0)
    of = meter(shown)
    assert command(of, "--set", "now") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "--timezone" in line
    assert held(of).raw == shown


@pytest.mark.parametrize("deviation", [UNSPECIFIED, 0, -60])
@pytest.mark.parametrize("status", [0, 0xFF])
def test_now_in_a_zone(deviation: int, status: int) -> None:
    """What the meter's time does not state is not written."""
    of = meter(octets(datetime.datetime(2020, 1, 1), deviation, status))
    assert command(of, "--set", "now", "--timezone", "Asia/Kolkata") == 0
    assert near(held(of).naive(), now() + datetime.timedelta(minutes=330))
    assert held(of).status == status
    assert held(of).deviation == (-0x8000 if deviation == UNSPECIFIED else -330)
    assert command(of, "--set", "now", "--timezone", "utc") == 0
    assert near(held(of).naive(), now())


@pytest.mark.parametrize(("month", "hour", "summer"), [(1, 13, False), (7, 14, True)])
def test_a_time_in_a_zone(month: int, hour: int, summer: bool) -> None:
    of = meter(octets(datetime.datetime(2020, 1, 1), 0, 0))
    assert command(of, "--set", f"2026-{month:02}-15T12:00:00+00:00", "--timezone", "Europe/Copenhagen") == 0
    assert (held(of).naive().hour, held(of).status) == (hour, 0x80 * summer)
    assert command(of, "--set", f"2026-{month:02}-15T12:00:00", "--timezone", "Europe/Copenhagen") == 0
    assert (held(of).naive().hour, held(of).deviation) == (12, -120 if summer else -60)
    assert command(of, "--set", f"2026-{month:02}-15T12:00:00") == 0
    assert (held(of).naive().hour, held(of).deviation) == (12, -0x8000)


def test_a_meter_that_shows_what_it_was_given_in_its_own_zone() -> None:
    of = meter(octets(datetime.datetime(2020, 1, 1), 0, 0), "normalises")
    assert command(of, "--set", "2026-01-15T12:00:00+00:00") == 0
    assert held(of).naive().hour == 14


@pytest.mark.parametrize(
    ("wrong", "code", "says"),
    [("refuses", 1, "read-write-denied"), ("ignores", 1, "the clock stands at"), ("hides", 0, "")],
)
def test_meters_that_do_not_do_it(wrong: str, code: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    of = meter(octets(datetime.datetime(2020, 1, 1), 0, 0), wrong)
    assert command(of, "--set", "now", "--timezone", "utc") == code
    said = capsys.readouterr()
    assert says in said.err
    assert len(said.err.splitlines()) == (1 if code else 0)
    assert ("written, cannot be read" in said.out) == (wrong == "hides")


def test_a_time_that_may_not_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    of = meter(octets(datetime.datetime(2020, 1, 1), 0, 0), "hides")
    assert command(of) == 1
    assert "cannot be read" in capsys.readouterr().err
    assert command(of, "--set", "now") == 1
    assert "--timezone" in capsys.readouterr().err


def test_a_zone_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(meter(bytes(12)), "--set", "now", "--timezone", "Mars/Olympus") == 2
    assert "Mars/Olympus" in capsys.readouterr().err


# --- this computer's zone ---------------------------------------------------------------------------------------------


@pytest.fixture
def in_copenhagen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Copenhagen"
    time.tzset()
    yield
    os.environ.pop("TZ")
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.usefixtures("in_copenhagen")
def test_here() -> None:
    for hour in range(0, 24 * 366, 7):
        utc = datetime.datetime(2024, 1, 1, 0, 30, tzinfo=datetime.UTC) + hour * HOUR
        local = utc.astimezone(Here())
        assert local.astimezone(datetime.UTC) == utc
        summer = datetime.datetime(2024, 3, 31, 1) <= utc.replace(tzinfo=None) < datetime.datetime(2024, 10, 27, 1)
        assert (local.dst(), local.utcoffset()) == (HOUR * summer, HOUR * (1 + summer))
    assert Here().utcoffset(None) is None
    assert Here().dst(None) is None
    assert datetime.datetime(2024, 1, 1, tzinfo=Here()).tzname() == "local"


@pytest.mark.usefixtures("in_copenhagen")
def test_the_local_time_of_this_computer() -> None:
    of = meter(octets(datetime.datetime(2020, 1, 1), 0, 0))
    assert command(of, "--set", "2026-07-15T12:00:00+00:00", "--timezone", "local") == 0
    assert (held(of).naive().hour, held(of).deviation, held(of).status) == (14, -120, 0x80)

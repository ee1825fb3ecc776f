"""Virtual meters behind real sockets of this machine."""

from __future__ import annotations

import datetime
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import meters
from dlms.cosem_time import DateTime
from dlms.errors import AssociationRefused, LinkError, LocalProtocolError
from dlms.ic import Clock, Data, ProfileGeneric, Register
from dlms.types import DoubleLongUnsigned
from meters.engine import Kind, Measurand, Quantity
from meters.run import SCENARIOS, emulate, make_source, step_for
from tests.vectors import construct_apdus as c

START = datetime.datetime(2026, 1, 14, 23, tzinfo=datetime.UTC)
SERIAL = Data("1.1.96.1.0.255").value
QUIET: dict[str, Any] = {"scenario": "idle", "history_days": 0.0, "start": START, "speed": 0.0}


@pytest.mark.parametrize("scheme", ["hdlc", "tcp"])
def test_meters_on_one_port_are_told_apart(scheme: str) -> None:
    with meters.run(serial=500, count=3, listen=f"{scheme}://127.0.0.1:0", **QUIET) as running:
        assert running.port == int(running.url.rpartition(":")[2]) > 0
        for number in (2, 0, 1):
            with meters.connect("kamstrup-382", running.url, meter=number) as meter:
                assert meter.client.get(SERIAL) == 500 + number


def test_reserved_physical_addresses_are_left_out() -> None:
    with meters.run(serial=1000, count=100, **QUIET) as running:
        for number in (93, 94, 95, 99):
            with meters.connect("kamstrup-382", running.url, meter=number) as meter:
                assert meter.client.get(SERIAL) == 1000 + number


def test_a_day_is_read_like_from_a_real_meter() -> None:
    with (
        meters.run(serial=42, start=START, speed=0) as running,
        meters.connect("kamstrup-382", running.url) as meter,
    ):
        profile = meter.client.profile("1.1.99.1.0.255")
        assert len(profile) == 96
        assert profile.rows()[-1][4] == meter.client.get(Register("1.1.1.8.0.255").value) > 0
        assert DateTime(meter.client.get(Clock("0.1.1.0.0.255").time)).naive() == datetime.datetime(2026, 1, 15)
        assert len(meter.client.profile(ProfileGeneric("1.1.99.1.0.255"), *_afternoon())) == 5


def _afternoon() -> tuple[datetime.datetime, datetime.datetime]:
    return datetime.datetime(2026, 1, 14, 15), datetime.datetime(2026, 1, 14, 16)


def test_the_public_association_sees_the_identity_only() -> None:
    with (
        meters.run(**QUIET) as running,
        meters.connect("kamstrup-382", running.url, association="public") as meter,
    ):
        assert len(meter.client.objects()) == 14
        assert meter.client.get(SERIAL) == 12345678


def test_several_clients_at_once() -> None:
    found: list[int] = []

    def read(url: str) -> None:
        with meters.connect("kamstrup-382", url) as meter:
            found.extend(int(meter.client.get(SERIAL)) for _ in range(5))

    with meters.run(**QUIET) as running:
        threads = [threading.Thread(target=read, args=(running.url,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
    assert found == [12345678] * 20


def test_what_one_client_writes_the_next_one_reads() -> None:
    with meters.run(**QUIET) as running:
        special = Data("1.1.0.130.1.255").value
        with meters.connect("kamstrup-382", running.url) as meter:
            meter.client.set(special, DoubleLongUnsigned(99))
        with meters.connect("kamstrup-382", running.url) as meter:
            assert meter.client.get(special) == 99


def test_a_wrong_password_and_a_wrong_name() -> None:
    with meters.run(**QUIET) as running:
        with pytest.raises(AssociationRefused):
            meters.connect("kamstrup-382", running.url, password="54321")
        with pytest.raises(LookupError, match="optical"):
            meters.connect("kamstrup-382", running.url, association="infrared")


def test_rubbish_closes_a_wrapper_connection_and_nothing_else() -> None:
    with meters.run(listen="tcp://127.0.0.1:0", **QUIET) as running:
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as line:
            line.sendall(b"\x00\x07" + bytes(20))
            assert line.recv(100) == b""
        with meters.connect("kamstrup-382", running.url, meter=0) as meter:
            assert meter.client.get(SERIAL) == 12345678


def test_a_wrapper_port_without_a_meter_is_silent() -> None:
    """An AARQ for meter 7 of one, then one for meter 0: only the second is answered."""
    aarq = c.aarq(0x00181D, 0xFFFF)
    with (
        meters.run(listen="tcp://127.0.0.1:0", **QUIET) as running,
        socket.create_connection(("127.0.0.1", running.port), timeout=10) as line,
    ):
        for port in (0x0701, 0x0001):
            line.sendall(struct.pack(">HHHH", 1, 16, port, len(aarq)) + aarq)
        answer = c.aare(0x001010, 125)
        assert line.recv(100) == struct.pack(">HHHH", 1, 1, 16, len(answer)) + answer


def test_a_closed_meter_is_gone() -> None:
    with meters.run(**QUIET) as running:
        url = running.url
    with pytest.raises(LinkError):
        meters.connect("kamstrup-382", url)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"model": "kamstrup-999"}, LookupError),
        ({"scenario": "picnic"}, LookupError),
        ({"listen": "gopher://x:1"}, LocalProtocolError),
        ({"listen": []}, LocalProtocolError),
        ({"count": 0}, ValueError),
        ({"serial": 0}, ValueError),
        ({"serial": 0xFFFFFFFF, "count": 2}, ValueError),
        ({"step_s": 7}, ValueError),
        ({"history_days": -1.0}, ValueError),
        ({"speed": float("nan")}, ValueError),
        ({"count": 257, "listen": "tcp://127.0.0.1:0"}, LocalProtocolError),
    ],
)
def test_what_cannot_be_run(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        meters.run(**(QUIET | options))


def test_a_taken_port_is_reported() -> None:
    with meters.run(**QUIET) as running, pytest.raises(LinkError):
        meters.run(listen=["hdlc://127.0.0.1:0", running.url], **QUIET)


def test_scenarios_and_steps() -> None:
    model = meters.load("kamstrup-382")
    for name in SCENARIOS:
        block = make_source(name, model).block(0, 60, 1, range(2))
        assert block.active_w.shape == (3, 60, 2)
    assert [step_for(count) for count in (1, 16, 17, 256, 257)] == [1, 1, 10, 10, 60]


def test_measurements_are_played(tmp_path: Path) -> None:
    """Half an hour at 1200 W on L1, half an hour at nothing, in a circle: 600 Wh in an hour."""
    file = tmp_path / "measured.csv"
    file.write_text("time,active_w_l1\n2026-01-14T00:00:00,1200\n2026-01-14T00:30:00,0\n")
    virtual = emulate(scenario=str(file), start=START, history_days=1.0, speed=0.0).meter(0)
    assert virtual.get(Register("1.1.1.8.0.255").value) == 24 * 60
    file.write_text("time,active_w_l9\n2026-01-14T00:00:00,1200\n2026-01-14T00:30:00,0\n")
    with pytest.raises(ValueError, match="active_w_l9"):
        meters.run(scenario=str(file))
    with pytest.raises(OSError, match="nowhere"):
        meters.run(scenario=str(tmp_path / "nowhere.csv"))


def test_meters_may_be_wrong() -> None:
    """Drawn by seed and number inside the class, so the same meter errs the same way again."""
    energy = Quantity(Measurand.ACTIVE_IMPORT, Kind.ENERGY, exponent=-6)
    options: dict[str, Any] = {"start": START, "count": 2, "step_s": 60, "speed": 0.0}
    true, wrong, again = (
        emulate(accuracy=accuracy, **options).engine.registers(energy) for accuracy in ("ideal", "A", "A")
    )
    assert (abs(wrong / true - 1) > 0).all()
    assert (abs(wrong / true - 1) < 0.01).all()
    assert wrong.tolist() == again.tolist()


def test_a_recording_of_one_meter_does_not_do_for_two(tmp_path: Path) -> None:
    file = tmp_path / "measured.csv"
    file.write_text("time,active_w_l1\n2026-01-14T00:00:00,1200\n2026-01-14T00:30:00,0\n")
    with pytest.raises(ValueError, match="recorded are 1 meters"):
        meters.run(scenario=str(file), count=2)


def test_importing_meters_is_light() -> None:
    code = (
        "import sys, meters; sys.exit(any(name in sys.modules for name in ('numpy', 'asyncio', 'rich', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

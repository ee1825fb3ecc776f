"""Every example runs, is short, and prints what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import meters
from dlms.apdu.notification import DataNotification
from dlms.codec import encode
from dlms.framing.llc import RESPONSE
from dlms.values import DoubleLongUnsigned, LongUnsigned
from hdlc import Address, Frame, Kind
from obis import Obis

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str, *arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=EXAMPLES.parent, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_examples_are_short() -> None:
    for path in EXAMPLES.glob("*.py"):
        assert path.read_text().count("\n") <= 60, path.name


def test_read_registers() -> None:
    with meters.run("kamstrup-382", serial=12345678, listen="hdlc://127.0.0.1:0") as running:
        printed = run("read_registers.py", running.url, "19", "16", "12345")
    assert "kWh  Active energy import (A+), total, channel 1" in printed


def test_many_meters() -> None:
    assert [line.split()[0] for line in run("many_meters.py").splitlines()] == ["32", "33", "34", "35", "36"]


def test_decode_push() -> None:
    body = (Obis("1.1.1.7.0.255"), DoubleLongUnsigned(410), Obis("1.1.32.7.0.255"), LongUnsigned(230))
    time = bytes.fromhex("07ea0b1701061e00ff800000")
    info = RESPONSE + encode(DataNotification(0, time, body))
    frame = Frame(Kind.UI, Address(21), Address(16), info)
    printed = run("decode_push.py", frame.encode().hex())
    assert "2026-11-23 06:30:00" in printed
    assert "230  Voltage (U), L1" in printed

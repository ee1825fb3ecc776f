"""The commands that need a meter: what they print, and how they end.  0 done, 1 refused or failed, 2 wrong use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import meters
from meters.run import Running

ROOT = Path(__file__).parents[2]
PASSWORD = {"DLMS_PASSWORD": "12345"}


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with meters.run("kamstrup-382", serial=12345678, listen="hdlc://127.0.0.1:0") as meter:
        yield meter


def dlms(*arguments: str, environment: dict[str, str] = PASSWORD) -> subprocess.CompletedProcess[str]:
    """One command, without a terminal."""
    clean = {name: value for name, value in os.environ.items() if name != "DLMS_PASSWORD"}
    done = subprocess.run(
        [sys.executable, "-m", "dlms.cli.app", *arguments],
        capture_output=True,
        text=True,
        env=clean | environment,
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
        timeout=60,
    )
    assert len(done.stderr.splitlines()) <= 1, done.stderr
    return done


def optical(meter: Running) -> tuple[str, ...]:
    return meter.url, "--client", "19", "--server", "16"


def test_read(running: Running) -> None:
    done = dlms("read", *optical(running), "1.1.96.1.0.255", "1.1.1.8.0.255", "--json")
    number, energy = json.loads(done.stdout)
    assert done.returncode == 0
    assert number["value"] == {"type": "double-long-unsigned", "value": 12345678}
    assert (energy["class_id"], energy["scaler"], energy["unit"]) == (3, 1, 30)
    assert energy["text"].endswith(" kWh")


def test_snapshot_and_objects(running: Running) -> None:
    shown = json.loads(dlms("snapshot", *optical(running), "1.1.99.1.0.255", "--json").stdout)
    assert shown["attributes"]["capture_period"]["value"] == 900
    assert len(json.loads(dlms("objects", running.url, "--json", environment={}).stdout)) == 14


def test_profile_into_a_file(running: Running, tmp_path: Path) -> None:
    file = tmp_path / "profile.csv"
    done = dlms("profile", *optical(running), "1.1.99.1.0.255", "--entries", "0:3", "--output", str(file))
    assert done.returncode == 0
    assert len(file.read_text().splitlines()) == 5


def test_write_call_and_clock(running: Running) -> None:
    assert dlms("write", *optical(running), "1.1.0.130.1.255", "4711").stdout.endswith("0 -> 4711\n")
    assert dlms("write", *optical(running), "0.1.1.0.0.255", "2026-11-23T03:00").returncode == 0
    assert dlms("clock", *optical(running), "--set", "2026-11-23T04:00:00").stdout.startswith("2026-11-23 04:00:0")
    refused = dlms("call", *optical(running), "0.1.1.0.0.255", "adjust-to-quarter")
    assert (refused.returncode, refused.stderr) == (1, "dlms: action-request-normal: action was not negotiated\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("read", "9.9.9.9.9.9"), "object-undefined"),
        (("write", "1.1.1.8.0.255", "5"), "read-write-denied"),
    ],
)
def test_refusals(running: Running, arguments: tuple[str, ...], said: str) -> None:
    command, *rest = arguments
    done = dlms(command, *optical(running), *rest)
    assert done.returncode == 1
    assert said in done.stderr


def test_a_wrong_password_and_an_unreachable_port(running: Running) -> None:
    done = dlms("read", *optical(running), "1.1.1.8.0.255", environment={"DLMS_PASSWORD": "wrong"})
    assert done.returncode == 1
    assert "authentication-failure" in done.stderr
    done = dlms("read", "tcp://127.0.0.1:1", "1.1.1.8.0.255")
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be reached" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("read", "1.1.1.8.0.255:300"),
        ("read", "no-code"),
        ("read",),
        ("profile", "1.1.99.1.0.255", "--from", "2026-11-22", "--entries", "1:2"),
        ("profile", "1.1.99.1.0.255", "--from", "2026-11-23", "--to", "2026-11-22"),
        ("profile", "1.1.99.1.0.255", "--output", "file.doc"),
        ("write", "1.1.0.130.1.255", "many"),
        ("call", "1.1.1.8.0.255", "no-method"),
        ("clock", "--set", "noon"),
    ],
)
def test_wrong_use(running: Running, arguments: tuple[str, ...]) -> None:
    command, *rest = arguments
    assert dlms(command, *optical(running), *rest).returncode == 2


def test_an_endpoint_that_is_none_and_a_missing_password(running: Running) -> None:
    assert dlms("read", "gopher://meter", "1.1.1.8.0.255").returncode == 2
    done = dlms("read", *optical(running), "1.1.1.8.0.255", "--auth", "lls", environment={})
    assert (done.returncode, "password" in done.stderr) == (2, True)


def test_the_trace_hides_the_password(running: Running) -> None:
    clean = dict(os.environ) | PASSWORD
    command = [sys.executable, "-m", "dlms.cli.app", "read", *optical(running), "1.1.1.8.0.255", "--trace"]
    done = subprocess.run(command, capture_output=True, text=True, env=clean, cwd=ROOT, timeout=60)
    assert done.returncode == 0
    assert b"12345".hex() not in done.stderr
    assert "aarq" in done.stderr.lower()

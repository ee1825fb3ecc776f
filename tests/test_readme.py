"""The README's examples run, and it opens with the two commands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import meters

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
CLIENT, EMULATOR = re.findall(r"```python\n(.*?)```", README, re.S)


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_opens_with_the_two_commands() -> None:
    commands = [line for line in README.splitlines()[:8] if line.startswith("python3 -m venv .venv && ")]
    assert [command.rsplit("/", 1)[1] for command in commands] == ["meters demo", "pytest"]


def test_client_example() -> None:
    assert len(CLIENT.strip().splitlines()) <= 17
    with meters.run("kamstrup-382", serial=12345678, scenario="household", listen="hdlc://127.0.0.1:0") as running:
        printed = run(CLIENT.replace("hdlc://127.0.0.1:4060", running.url))
    assert printed.startswith("12345678\n")
    assert "kWh" in printed
    assert "time,1.1.99.1.0.255" in printed


def test_emulator_example() -> None:
    assert len(EMULATOR.strip().splitlines()) <= 10
    assert "'1.1.0.0.1.255'" in run(EMULATOR)


def test_commands_of_the_table_exist() -> None:
    from dlms.cli.app import app as dlms_app
    from meters.cli import app as meters_app

    for app, name in ((dlms_app, "dlms"), (meters_app, "meters")):
        known = {one.name or one.callback.__name__ for one in app.registered_commands if one.callback}
        known |= {group.name for group in app.registered_groups}
        assert known >= set(re.findall(rf"`{name} (\w+)", README))

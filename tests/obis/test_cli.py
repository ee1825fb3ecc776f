"""The `obis` command, inside typer's runner and as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from obis.cli import app

runner = CliRunner()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a user runs it."""
    return subprocess.run([sys.executable, "-m", "obis.cli", *arguments], capture_output=True, text=True, check=False)


def test_a_code_is_described() -> None:
    result = runner.invoke(app, ["1-0:1.8.2"])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["1.0.1.8.2.255", "1-0:1.8.2*255"]
    assert lines[1] == "Active energy import (A+), total, tariff 2"
    assert [line.split()[0] for line in lines[2:8]] == list("ABCDEF")
    assert lines[6].split() == ["E", "2", "tariff", "2"]


def test_hex_pairs_are_one_code_and_several_codes_several() -> None:
    one = runner.invoke(app, ["01", "00", "01", "08", "00", "FF", "--json"])
    assert json.loads(one.stdout)["code"] == "1.0.1.8.0.255"
    two = runner.invoke(app, ["1.8.0", "2.8.0", "--json"])
    assert [item["code"] for item in json.loads(two.stdout)] == ["1.0.1.8.0.255", "1.0.2.8.0.255"]
    pages = runner.invoke(app, ["1.8.0", "2.8.0"]).stdout
    assert "Active energy import" in pages
    assert "Active energy export" in pages


def test_words_are_searched() -> None:
    result = runner.invoke(app, ["reactive", "power", "l2", "--limit", "2"])
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["1.0.43.7.0.255", "1.0.44.7.0.255"]


def test_json_of_a_code() -> None:
    item = json.loads(runner.invoke(app, ["1.1.128.0.0.255", "--json"]).stdout)
    assert item["reduced"] == "1-1:128.0.0*255"
    assert item["scope"] == "manufacturer-specific"
    assert item["groups"]["B"] == {"value": 1, "meaning": "channel 1"}
    assert item["remarks"][0].startswith("Kamstrup: breaker")


def test_json_of_a_search_is_a_list() -> None:
    items = json.loads(runner.invoke(app, ["voltage", "l1", "-n", "1", "--json"]).stdout)
    assert [(item["code"], item["unit"], item["class_ids"]) for item in items] == [("1.0.32.7.0.255", "V", [3, 4])]


def test_as_a_process() -> None:
    result = run("energy", "import", "total", "-n", "1")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.split()[0] == "1.0.1.8.0.255"


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["xyzzy"], 1, "nothing found for 'xyzzy'"),
        (["1.0.1.8.0.256"], 1, "at position 10"),
        ([], 2, "words"),
        (["--bogus", "clock"], 2, "--bogus"),
        (["clock", "--limit", "0"], 2, "--limit"),
    ],
)
def test_errors_are_one_line(arguments: list[str], code: int, part: str) -> None:
    result = run(*arguments)
    assert result.returncode == code
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("obis: ")
    assert part in result.stderr


def test_the_package_loads_no_command_line_and_no_table() -> None:
    unwanted = ("typer", "click", "rich", "numpy", "obis.cli", "obis.tables.electricity", "obis.tables.gas")
    program = f"import sys, obis; print([name for name in {unwanted!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_command_loads_no_rich() -> None:
    program = """
import sys
from obis.cli import main
sys.argv = ["obis", "clock"]
try:
    main()
except SystemExit:
    print("rich" in sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "False"

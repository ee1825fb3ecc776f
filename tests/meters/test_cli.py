"""The `meters` command: output, exit codes, one-line errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from meters.cli import execute
from meters.demo import perform


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    code = execute(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_models(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "models")
    assert (code, out.split()[0]) == (0, "kamstrup-382")
    (model,) = json.loads(run(capsys, "models", "--json")[1])
    assert model["objects"] == 166
    assert [one["client"] for one in model["associations"]] == [16, 18, 19, 20]
    assert "12345" not in json.dumps(model)


def test_objects(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "objects", "kamstrup-382")
    assert (code, len(out.splitlines())) == (0, 166)
    rows: list[dict[str, Any]] = json.loads(run(capsys, "objects", "kamstrup-382", "--json")[1])
    energy = next(row for row in rows if row["obis"] == "1.1.1.8.0.255")
    assert energy == {
        "obis": "1.1.1.8.0.255",
        "class": 3,
        "key": "energy.active_import",
        "access": "R",
        "type": "double-long-unsigned",
        "scaler": 1,
        "unit": "Wh",
        "columns": [],
    }
    public = json.loads(run(capsys, "objects", "kamstrup-382", "--association", "public", "--json")[1])
    assert len(public) == 14


@pytest.mark.parametrize(
    "arguments",
    [
        ("objects", "kamstrup-999"),
        ("objects", "kamstrup-382", "--association", "infrared"),
        ("emulate", "kamstrup-382"),
        ("emulate", "kamstrup-382", "--listen", "gopher://x:1"),
        ("emulate", "kamstrup-382", "--listen", "hdlc://127.0.0.1:0", "--scenario", "picnic"),
        ("emulate", "kamstrup-382", "--listen", "hdlc://127.0.0.1:0", "--count", "0"),
        ("emulate", "kamstrup-382", "--listen", "hdlc://127.0.0.1:0", "--accuracy", "Z"),
        ("emulate", "kamstrup-382", "--listen", "hdlc://127.0.0.1:0", "--zone", "Europe/Oslo"),
        ("emulate", "kamstrup-282", "--listen", "hdlc://127.0.0.1:0"),
        ("simulate", "kamstrup-999", "--meters", "1", "--days", "1", "--out", "never"),
        ("simulate", "kamstrup-162", "--meters", "1", "--days", "1", "--out", "never", "--accuracy", "Z"),
        ("simulate", "kamstrup-162", "--meters", "1", "--days", "1", "--out", "never", "--zone", "Europe/Oslo"),
        ("simulate", "kamstrup-162", "--meters", "0", "--days", "1", "--out", "never"),
        ("simulate", "kamstrup-162", "--meters", "1", "--days", "1", "--out", "never", "--step", "7"),
        ("dance",),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("meters: ")
    assert err.count("\n") == 1


def test_emulate(capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        "--listen",
        "hdlc://127.0.0.1:0",
        "--count",
        "12",
        "--serial",
        "100",
        "--scenario",
        "idle",
        "--duration",
        "0",
    ]
    code, out, _ = run(capsys, "emulate", "kamstrup-382", *options)
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("kamstrup-382 at hdlc://127.0.0.1:")
    assert lines[1] == "  100: physical address 32, wrapper ports [1, 16]"
    assert lines[2] == "  101: physical address 33, wrapper ports [257, 272]"
    assert lines[-1] == "  ... and 2 more, counted up"
    code, out, _ = run(capsys, "emulate", "kamstrup-382", *options, "--json")
    assert [one["physical"] for one in json.loads(out)["meters"]] == list(range(32, 44))


def test_an_address_that_cannot_be_had_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "emulate", "kamstrup-382", "--listen", "hdlc://192.0.2.1:1", "--duration", "0")
    assert code == 1
    assert err.count("\n") == 1


def test_demo(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = run(capsys, "demo", "--out", str(tmp_path))
    assert code == 0
    assert "energy.active_import" in out
    table = (tmp_path / "kamstrup-382-load-profile.csv").read_text().splitlines()
    assert len(table) == 1 + 96
    assert all(path.stat().st_size for path in tmp_path.iterdir())


def test_demo_as_json_and_without_matplotlib(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meters.demo.importlib.util.find_spec", lambda name: None)
    code, out, _ = run(capsys, "demo", "--out", str(tmp_path), "--json")
    found = json.loads(out)
    assert code == 0
    assert [Path(path).suffix for path in found["files"]] == [".csv"]
    assert len(found["load_profile"]) == 96
    assert found["identification"]["identity.serial_number"] == 12345678
    assert len(found["voltage_events"]) == 4


def test_the_demo_tells_the_same_story_every_time(tmp_path: Path) -> None:
    one, other = perform(tmp_path), perform(tmp_path)
    assert one.profile.payload == other.profile.payload
    assert one.energy == other.energy


def test_a_directory_that_cannot_be_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = run(capsys, "demo", "--out", str(tmp_path / "file" / "below"))
    assert code in (1, 2)
    assert err.count("\n") == 1

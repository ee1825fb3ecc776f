"""`meters simulate`: the same bytes however the work is cut, interrupted or killed."""

from __future__ import annotations

import csv
import datetime
import errno
import functools
import json
import os
import pickle
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from meters import dataset
from meters.cli import execute
from meters.dataset import DatasetError, has_arrow
from meters.engine import EngineError, Feature, Wiring
from meters.fleet_models import load_fleet
from meters.lock import LockedError, hold
from meters.simulate import Parameters, Simulated, simulate
from meters.simulate_columns import fleet_config, register_columns

SMALL: dict[str, Any] = {"meters": 5, "days": 3, "step_s": 900, "block": 2}
FORMATS = ["csv", pytest.param("parquet", marks=pytest.mark.skipif(not has_arrow(), reason="no extra `arrow`"))]
Files = dict[str, bytes]


def contents(folder: Path) -> Files:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def small(folder: Path, **other: Any) -> Simulated:
    return simulate(folder=folder, **(SMALL | {"format": "csv"} | other))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The CSV dataset of SMALL, made at one go."""
    folder = tmp_path_factory.mktemp("expected")
    small(folder)
    return contents(folder)


def rows(content: bytes) -> list[dict[str, int]]:
    lines = csv.DictReader(content.decode().splitlines())
    return [{name: int(value) for name, value in row.items()} for row in lines]


def test_files_and_rows(expected: Files) -> None:
    days = ["2026-01-01", "2026-01-02", "2026-01-03"]
    parts = [f"part-0000{block}.csv" for block in range(3)]
    profiles = [f"load_profile/day={day}/{part}" for day in days for part in parts]
    assert sorted(expected) == sorted(["manifest.json", *profiles, *(f"registers/{part}" for part in parts)])
    start_s = int(datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC).timestamp())
    found = rows(expected["load_profile/day=2026-01-02/part-00000.csv"])
    serials = (12345678, 12345679)
    quarters = [start_s + 900 * number for number in range(1, 97)]
    assert [(row["meter"], row["time"]) for row in found] == [(meter, time) for meter in serials for time in quarters]
    assert {row["energy_active_import_scaler"] for row in found} == {1}
    assert [row["meter"] for row in rows(expected["registers/part-00002.csv"])] == [12345682]


def test_the_last_row_is_the_register(expected: Files) -> None:
    last = rows(expected["load_profile/day=2026-01-03/part-00001.csv"])[95]
    register = rows(expected["registers/part-00001.csv"])[0]
    names = ("meter", "time", "energy_active_import", "energy_active_import_scaler", "energy_reactive_export")
    assert [last[name] for name in names] == [register[name] for name in names]
    assert register["energy_active_import"] > 0
    assert register["energy_active_import_t1"] == register["energy_active_import"]
    assert register["status_hours"] == 72
    assert last["time"] - 3 * 86_400 < register["maximum_active_import_time"] <= last["time"]


def test_columns_are_described(expected: Files) -> None:
    manifest = json.loads(expected["manifest.json"])
    assert manifest["load_profile"][0] == {
        "name": "energy_active_import",
        "obis": "1.1.1.8.0.255",
        "scaler": 1,
        "unit": "Wh",
    }
    assert "POWER_OUTAGE" in manifest["flag_bits"]


@pytest.mark.parametrize("shard", [1, 3, 100])
def test_tasks_and_threads_change_no_byte(tmp_path: Path, expected: Files, shard: int) -> None:
    told: list[tuple[int, int]] = []
    with ThreadPoolExecutor(2) as threads:
        small(tmp_path, shard=shard, executor=threads, progress=lambda *at: told.append(at))
    assert contents(tmp_path) == expected
    assert told[0] == (0, 9)
    assert told[-1] == (9, 9)


def test_processes_change_no_byte(tmp_path: Path, expected: Files) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as processes:
        small(tmp_path, executor=processes)
    assert contents(tmp_path) == expected


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_failure_between_any_two_steps_on_the_disk_changes_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_format: str
) -> None:
    """Dies at the first, second, ... touch of the disk until it gets through; each is taken up again."""
    few: dict[str, Any] = {"meters": 2, "days": 2, "format": file_format}
    small(tmp_path / "whole", **few)
    expected = contents(tmp_path / "whole")
    died = 0
    while dies(monkeypatch, died, functools.partial(small, tmp_path / str(died), **few)):
        left = contents(tmp_path / str(died))
        for name in left.keys() & expected.keys():
            assert left[name] == expected[name], "what is there is complete"
        small(tmp_path / str(died), **few)
        assert contents(tmp_path / str(died)) == expected, died
        died += 1
    assert died > 2 * len(expected), "each file is synchronised and renamed"


class Death(BaseException):
    """Stands for the end of the process."""


def dies(monkeypatch: pytest.MonkeyPatch, after: int, work: Callable[[], object]) -> bool:
    """Whether the work touches the disk more than `after` times; there it stops without any cleaning up."""
    left = after

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise Death
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for name in ("fsync", "replace"):
            patch.setattr(dataset.os, name, counted(getattr(os, name)))
        patch.setattr(Path, "unlink", counted(Path.unlink))
        try:
            work()
        except Death:
            return True
    return False


KILLED = """
import sys
from meters.simulate import simulate
simulate(folder=sys.argv[1], meters=5, days=3, step_s=900, block=2, format="csv",
         progress=lambda done, total: print(done, flush=True))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_killed_process_is_continued(tmp_path: Path, expected: Files) -> None:
    """Killed as soon as it tells of one, then of four and of seven more finished days."""
    for until in (1, 4, 7):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            told = [int(process.stdout.readline())]
            while told[-1] < until:
                told.append(int(process.stdout.readline()))
            process.kill()
        assert process.returncode == -signal.SIGKILL
        assert told[0] >= {1: 0, 4: 1, 7: 4}[until], "it went on and did not begin anew"
    small(tmp_path)
    assert contents(tmp_path) == expected


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
@pytest.mark.parametrize("workers", [1, 2])
def test_kills_at_random_moments_change_no_byte(tmp_path: Path, workers: int) -> None:
    """The command itself, killed after any time from its start to its end, then left alone."""
    rng = random.Random(workers)
    many: dict[str, Any] = {"meters": 2100, "days": 2, "step_s": 900, "format": "csv", "accuracy": "B"}
    simulate(folder=tmp_path / "whole", **many)
    options = ["--meters", "2100", "--days", "2", "--step", "900", "--format", "csv", "--accuracy", "B", "--out"]
    command = [sys.executable, "-m", "meters.cli", "simulate", "kamstrup-382", *options, str(tmp_path / "killed")]
    for _ in range(3):
        with subprocess.Popen(
            [*command, "--workers", str(workers)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            try:
                process.communicate(timeout=rng.uniform(0.5, 2.5))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        assert process.returncode in (0, -signal.SIGKILL)
    done = subprocess.run([*command, "--workers", str(workers)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_two_at_once_in_a_folder_are_one_too_many(tmp_path: Path, expected: Files) -> None:
    with hold(tmp_path), pytest.raises(LockedError, match="another process is at work"):
        small(tmp_path)
    assert contents(tmp_path) == {}
    with pytest.raises(LockedError):
        small(tmp_path, progress=lambda *_: small(tmp_path))
    (tmp_path / ".lock").touch()
    small(tmp_path)
    assert contents(tmp_path) == expected, "the file of a dead process does not count"


def test_a_full_disk_leaves_nothing_half_done(
    tmp_path: Path, expected: Files, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(dataset.os, "fsync", full)
        options = ["--meters", "5", "--days", "3", "--step", "900", "--format", "csv", "--out"]
        assert execute(["simulate", "kamstrup-382", *options, str(tmp_path)]) == 1
    assert capsys.readouterr().err == "meters: [Errno 28] No space left on device\n"
    assert contents(tmp_path) == {}
    small(tmp_path)
    assert contents(tmp_path) == expected


def test_a_checkpoint_that_is_none_is_refused(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise Death

    with pytest.raises(Death):
        small(tmp_path, progress=stop)
    (state,) = (tmp_path / "_checkpoints").iterdir()
    state.write_bytes(pickle.dumps("mine"))
    with pytest.raises(EngineError, match="checkpoint of the meters from number 0 on: this is no state"):
        small(tmp_path)


def test_meters_may_be_wrong(tmp_path: Path, expected: Files) -> None:
    small(tmp_path / "wrong", accuracy="A")
    with ThreadPoolExecutor(2) as threads:
        small(tmp_path / "again", accuracy="A", shard=1, executor=threads)
    found = contents(tmp_path / "wrong")
    assert contents(tmp_path / "again") == found
    true, seen = (rows(files["registers/part-00000.csv"])[0]["energy_active_import"] for files in (expected, found))
    assert 0 < abs(seen / true - 1) < 0.01
    with pytest.raises(DatasetError, match='begun with accuracy "A", not "B"'):
        small(tmp_path / "wrong", accuracy="B")
    with pytest.raises(EngineError, match="no accuracy 'Z'; there are: ideal, A"):
        small(tmp_path / "other", accuracy="Z")
    assert not (tmp_path / "other").exists()


def test_measurements_are_a_scenario(tmp_path: Path) -> None:
    series, out = tmp_path / "day.csv", tmp_path / "out"
    series.write_text("time,active_w_l1\n0,1000\n3600,3000\n")
    small(out, meters=1, days=1, scenario=str(series))
    register = rows(contents(out)["registers/part-00000.csv"])[0]
    assert register["energy_active_import"] == 48_000 // 10
    series.write_text("time,active_w_l1\n0,1000\n3600,3001\n")
    with pytest.raises(DatasetError, match="begun with measurements"):
        small(out, meters=1, days=1, scenario=str(series))
    with pytest.raises(FileNotFoundError):
        small(out, scenario="none.csv")
    with pytest.raises(EngineError, match="recorded are 1 meters"):
        small(tmp_path / "more", meters=2, scenario=str(series))
    assert not (tmp_path / "more").exists()


@pytest.mark.parametrize("model", ["kamstrup-162", "kamstrup-282", "kamstrup-382", "kamstrup-382-din"])
def test_every_model_of_the_family(tmp_path: Path, model: str) -> None:
    """They register what their elements carry: the same homes, but two elements' sum in a 282."""
    small(tmp_path, model=model, scenario="solar", start=datetime.date(2026, 6, 1))
    register = rows(contents(tmp_path)["registers/part-00000.csv"])[0]
    assert register["energy_active_import"] > 0
    assert register["energy_active_export"] > 0
    assert (Feature.BREAKER in load_fleet(model).features) is (model != "kamstrup-382-din")
    names = [column["name"] for column in json.loads((tmp_path / "manifest.json").read_text())["registers"]]
    assert names == [column.info.name for column in register_columns(load_fleet(model))]
    wiring = {"162": Wiring.ONE_PHASE, "282": Wiring.ARON}.get(model[9:], Wiring.THREE_PHASE)
    assert fleet_config(load_fleet(model), 900).wiring is wiring


def test_a_282_exports_nothing_of_a_load_at_a_poor_power_factor(tmp_path: Path) -> None:
    """1786 W at PF 0.26: the element of L1 runs backwards."""
    series = tmp_path / "day.csv"
    series.write_text("time,active_w_l1,active_w_l3\n0,-1031,2817\n3600,-1031,2817\n")
    small(tmp_path / "out", model="kamstrup-282", meters=1, days=1, scenario=str(series))
    register = rows(contents(tmp_path / "out")["registers/part-00000.csv"])[0]
    assert (register["energy_active_import"], register["energy_active_export"]) == (1786 * 24 // 10, 0)


def test_local_times_of_measurements(tmp_path: Path) -> None:
    """Midnight in Oslo is 23:00 UTC, so the first of two hours is played from then on."""
    series = tmp_path / "day.csv"
    series.write_text("time,active_w\n2026-01-01T00:00:00,1000\n2026-01-01T01:00:00,3000\n2026-01-01T02:00:00,5000\n")
    options: dict[str, Any] = {"model": "kamstrup-162", "meters": 1, "days": 1, "scenario": str(series)}
    for zone, hours in (("", (100, 300, 500)), ("Europe/Oslo", (300, 500, 100))):
        small(tmp_path / f"in{zone.replace('/', '')}", zone=zone, **options)
        day = contents(tmp_path / f"in{zone.replace('/', '')}")["load_profile/day=2026-01-01/part-00000.csv"]
        readings = [0, *(row["energy_active_import"] for row in rows(day)[3:12:4])]
        assert tuple(b - a for a, b in pairwise(readings)) == hours
    with pytest.raises(DatasetError, match='begun with zone ""'):
        small(tmp_path / "in", zone="Europe/Oslo", **options)
    with pytest.raises(DatasetError, match="a time zone is that of a file"):
        small(tmp_path / "home", zone="Europe/Oslo")
    with pytest.raises(EngineError, match="no time zone 'Mars'"):
        small(tmp_path / "mars", zone="Mars", **options)


def test_lost_files_are_made_again(tmp_path: Path, expected: Files) -> None:
    small(tmp_path)
    (tmp_path / "load_profile/day=2026-01-02/part-00001.csv").unlink()
    (tmp_path / "registers/part-00002.csv").unlink()
    small(tmp_path)
    assert contents(tmp_path) == expected


@pytest.mark.parametrize("other", [{"seed": 2}, {"meters": 6}, {"days": 4}, {"scenario": "solar"}, {"step_s": 300}])
def test_other_parameters_are_refused(tmp_path: Path, other: dict[str, Any]) -> None:
    small(tmp_path, meters=1, days=1)
    before = contents(tmp_path)
    with pytest.raises(DatasetError, match=f"was begun with {next(iter(other))} "):
        small(tmp_path, **({"meters": 1, "days": 1} | other))
    assert contents(tmp_path) == before


def test_foreign_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DatasetError, match="other files"):
        small(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(DatasetError, match="no manifest"):
        small(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model": "kamstrup-1"}, "no model"),
        ({"scenario": "picnic"}, "no scenario"),
        ({"format": "xml"}, "no format"),
        ({"meters": 0}, "nothing to simulate"),
        ({"step_s": 7}, "quarter hours"),
        ({"meters": 2**32}, "serial numbers"),
        ({"days": 10**9}, "calendar"),
    ],
)
def test_senseless_parameters_are_refused(wrong: dict[str, Any], message: str) -> None:
    right = Parameters("kamstrup-382", 1, 1, "idle", 1, datetime.date(2026, 1, 1), 60, 8, "csv")
    values = {name: getattr(right, name) for name in Parameters.__slots__} | wrong
    with pytest.raises(DatasetError, match=message):
        Parameters(**values)


@pytest.mark.skipif(not has_arrow(), reason="no extra `arrow`")
def test_parquet_holds_what_csv_holds(tmp_path: Path, expected: Files) -> None:
    import pyarrow.parquet as parquet

    small(tmp_path, format="parquet")
    for name, content in expected.items():
        if name.endswith(".csv"):
            table = parquet.ParquetFile((tmp_path / name).with_suffix(".parquet")).read()
            assert table.to_pylist() == rows(content), name
    field = table.schema.field("energy_active_import")
    assert (str(field.type), field.metadata) == ("int64", {b"obis": b"1.1.1.8.0.255", b"unit": b"Wh"})
    assert str(table.schema.field("energy_active_import_scaler").type) == "int8"
    assert parquet.read_table(tmp_path / "load_profile").num_rows == 5 * 3 * 96


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    begin = ["simulate", "kamstrup-382", "--days", "1", "--step", "900", "--out", str(tmp_path)]
    monkeypatch.setattr("meters.simulate.has_arrow", lambda: False)
    monkeypatch.setattr("meters.cli_simulate.has_arrow", lambda: False)
    assert execute([*begin, "--meters", "3", "--start", "2026-03-29"]) == 0
    out, err = capsys.readouterr()
    assert "2 files of CSV, because pyarrow is not installed" in out
    assert err == "", "no progress bar without a terminal"
    assert (tmp_path / "load_profile/day=2026-03-29/part-00000.csv").exists()
    assert execute([*begin, "--meters", "4", "--start", "2026-03-29"]) == 2
    assert capsys.readouterr().err.startswith("meters: Invalid value: ")
    assert execute([*begin, "--meters", "3", "--start", "2026-03-29", "--workers", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["format"] == "csv"
    assert execute([*begin, "--meters", "3", "--format", "parquet"]) == 2


def test_importing_is_light() -> None:
    script = "import sys, meters.simulate; print([m for m in ('numpy', 'pyarrow', 'rich') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"

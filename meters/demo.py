"""`meters demo`: a virtual meter lives through a day and is read like a real one, over HDLC with a password."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.util
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlms.cosem_time import DateTime
from dlms.profile import Profile
from dlms.reading import Reading
from meters.connect import connect
from meters.models import load
from meters.run import make_source, run

if TYPE_CHECKING:
    from meters.engine import Source
    from meters.model import MeterModel

MODEL = "kamstrup-382"
END = datetime.datetime(2026, 1, 14, 23, tzinfo=datetime.UTC)
"""Midnight in Denmark: the day that is simulated ends here."""
IDENTIFICATION = ("identity.serial_number", "identity.meter_number", "identity.type_number", "identity.software")
BARS = " ▁▂▃▄▅▆▇█"


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """What was read, and where it was written."""

    url: str
    identification: dict[str, Any]
    clock: DateTime
    energy: dict[str, Reading]
    profile: Profile
    events: Profile
    files: tuple[Path, ...]

    def as_json(self) -> dict[str, Any]:
        """The result as JSON values; readings as text with their unit."""
        return {
            "endpoint": self.url,
            "identification": self.identification,
            "clock": str(self.clock),
            "energy": {name: str(reading) for name, reading in self.energy.items()},
            "load_profile": self.profile.to_json(),
            "voltage_events": self.events.to_json(),
            "files": [str(path) for path in self.files],
        }


def perform(directory: Path) -> Result:
    """Run the meter, read it, write the load profile into `directory`.

    Listens on a free port of this machine and uses no other network.  Raises DlmsError when reading fails and OSError
    when the files cannot be written.
    """
    model = load(MODEL)
    with (
        run(model, scenario=_troubled(model), start=END, history_days=1, speed=0) as running,
        connect(model, running.url) as meter,
    ):
        read = Result(
            running.url,
            {key: meter[key] for key in IDENTIFICATION},
            meter["clock"],
            {key: meter[key] for key in model.by_key if key.startswith("energy.")},
            meter.load_profile(),
            meter.events("voltage-quality"),
            (),
        )
    return dataclasses.replace(read, files=_write(read.profile, directory))


def _troubled(model: MeterModel) -> Source:
    """A household that loses a phase for ten minutes in the afternoon, and all of them for half an hour at night."""
    from meters.scenario import Fault, FaultKind, Faults

    def moment(hour: int, minute: int) -> int:
        begin = END - datetime.timedelta(days=1)
        return int((begin + datetime.timedelta(hours=hour, minutes=minute)).timestamp())

    faults = (
        Fault(FaultKind.POWER_FAIL, moment(3, 20), moment(3, 26)),
        Fault(FaultKind.PHASE_LOSS, moment(15, 40), moment(15, 50), phase=2),
    )
    return Faults(make_source("household", model), faults, model.wiring)


def _write(profile: Profile, directory: Path) -> tuple[Path, ...]:
    """The profile as CSV and, when matplotlib is there, as a picture."""
    table = directory / f"{MODEL}-load-profile.csv"
    profile.to_csv(table)
    if importlib.util.find_spec("matplotlib") is None:
        return (table,)
    picture = table.with_suffix(".png")
    profile.save_png(picture)
    return table, picture


def show(result: Result) -> None:
    """Print tables of what was read."""
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    console.print(f"Read over {result.url} with a password (LLS)\n")
    plate = [(key.partition(".")[2], str(value)) for key, value in result.identification.items()]
    _table(console, "Identification", ("", ""), [*plate, ("clock", str(result.clock))])
    _table(console, "Energy", ("register", "reading"), [(k, r.kilo()) for k, r in result.energy.items() if r.raw])
    silent = [key for key, reading in result.energy.items() if not reading.raw]
    console.print(f"{len(silent)} more energy registers stand at zero.\n")
    _show_profile(console, result.profile)
    rows = [[row[0], _phase(row[1]), _event(row[2])] for row in result.events.table()]
    _table(console, "Voltage quality events", ("time", "phase", "event"), rows)
    for path in result.files:
        console.print(f"wrote {path}")


def _show_profile(console: Any, profile: Profile) -> None:
    place = next(place for place, column in enumerate(profile.columns) if place in profile.scaler_units)
    table = profile.table()
    used = [float(later[place] - earlier[place]) for earlier, later in pairwise(table)]
    rows = [(row[0], f"{row[place]:f}") for row in (*table[:3], *table[-3:])]
    rows.insert(3, ("...", f"{len(table) - 6} more rows"))
    _table(console, f"Load profile, {len(table)} rows", ("time", profile.names[place]), rows)
    bars = _bars([0.0, *used])
    for hour in range(0, 24, 6):
        console.print(f"  {hour:02}-{hour + 6:02} h |{bars[4 * hour : 4 * hour + 24]}|")
    console.print(f"  import in each period, up to {max(used):.0f} Wh\n")


def _phase(number: int) -> str:
    return f"L{number}" if number else "all"


def _event(code: int) -> str:
    from meters.kamstrup.events import VoltageEvent

    return VoltageEvent(code).name.lower().replace("_", " ")


def _bars(values: list[float]) -> str:
    top = max(values) or 1.0
    return "".join(BARS[round(value / top * (len(BARS) - 1))] for value in values)


def _table(console: Any, title: str, headings: tuple[str, ...], rows: Any) -> None:
    from rich import box
    from rich.table import Table

    shown = Table(*headings, title=title, title_justify="left", box=box.SIMPLE, show_header=any(headings))
    for row in rows:
        shown.add_row(*row)
    console.print(shown)

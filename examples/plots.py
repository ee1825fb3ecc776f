"""Five pictures of simulated measurements, as PNG into a folder: `python plots.py FOLDER`.  Needs the extra `plot`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from meters import plots
from meters.engine import Config, Engine, Every, Kind, LogName, LogSpec, Measurand, Quantity, Rows, Thresholds
from meters.engine.accuracy import AccuracyClass
from meters.engine.power_quality import KINDS, Detector
from meters.engine.tolerance import Tolerance
from meters.scenario import Household

START_S, STOP_S = 1_782_864_000, 1_783_123_200


def household() -> Rows:
    """Mean import and export of the quarter hours of a home with photovoltaics."""
    powers = tuple(Quantity(which, Kind.MEAN) for which in (Measurand.ACTIVE_IMPORT, Measurand.ACTIVE_EXPORT))
    config = Config(step_s=10, logs={LogName.LOAD_PROFILE: LogSpec(powers, Every(900), 300)})
    engine = Engine(config, Household(seed=4, photovoltaics_w=6000), START_S)
    engine.advance(STOP_S)
    return engine.profile.rows(0, 0, engine.profile.count(0))


def incidents(thresholds: Thresholds) -> list[plots.IncidentPoint]:
    """Six minutes of half cycles of 60 meters, into which random sags and swells are cut."""
    rng, voltage_v, found = np.random.default_rng(8), np.full((1, 36_000, 60), 230.0), list[plots.IncidentPoint]()
    for meter in range(60):
        begin, length = int(rng.integers(20_000)), int(10 ** rng.uniform(0, 4))
        level = rng.choice((rng.uniform(0.06, 0.88), rng.uniform(1.11, 1.2), 0.01), p=(0.6, 0.25, 0.15))
        voltage_v[0, begin : begin + length, meter] *= level
    for kind in KINDS:
        ended = Detector(kind, thresholds, 60).window(voltage_v)[1]
        found += plots.incident_points(kind.name.lower(), ended.begin, ended.end, ended.extreme_v, declared_v=230.0)
    return found


def main(folder: Path) -> None:
    """Draw and save."""
    rows, turn = household(), np.exp(-2j * np.pi * np.arange(3) / 3)
    voltage, current = np.array([231.0, 228.5, 233.2]) * turn, np.array([10.9 - 5.1j, 7.4 + 1.3j, 4.5 - 7.8j]) * turn
    class_b = Config(errors=Tolerance(AccuracyClass.B, seed=2, use=0.95))
    figures = {
        "phasors": plots.phasor_diagram(voltage, current),
        "profile": plots.load_profile(rows.time_s, rows.columns[0], compared={"export": rows.columns[1]}),
        "duration": plots.load_duration(rows.columns[0]),
        "incidents": plots.voltage_incidents(incidents(Thresholds()), Thresholds()),
        "accuracy": plots.accuracy_curve(class_b, AccuracyClass.B, meters=20),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=120)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

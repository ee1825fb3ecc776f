"""The `meters` command: what is known of meter models, and virtual meters."""

from __future__ import annotations

import contextlib
import datetime
import json
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlms.errors import DlmsError, LocalProtocolError
from meters.cli_simulate import ACCURACY_HELP, ZONE_HELP, simulate
from meters.models import MODELS, load
from obis.command import exit_code
from obis.command import run as run_command
from obis.errors import ObisError

if TYPE_CHECKING:
    from meters.model import MeterModel
    from meters.objects import Log, Object
    from meters.run import Running

FAILURES = (DlmsError, ObisError, OSError)
SHOWN_METERS = 10
"""Meters that `emulate` lists one by one."""
HOUSEHOLD = "household"

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

MODEL = Annotated[str, typer.Argument(help=f"Name of the model: {', '.join(MODELS)}.")]
AS_JSON = Annotated[bool, typer.Option("--json", help="One JSON value.")]


@app.callback()
def meters() -> None:
    """Know meter models, and run virtual meters."""


@app.command()
def models(as_json: AS_JSON = False) -> None:
    """List the meter models that there are."""
    found = [_model_as_object(load(name)) for name in MODELS]
    if as_json:
        return _print_json(found)
    for one in found:
        typer.echo(f"{one['name']:16} {one['title']} ({one['objects']} objects)")


@app.command()
def objects(
    model: MODEL,
    association: Annotated[str | None, typer.Option(help="Only what this association sees.")] = None,
    as_json: AS_JSON = False,
) -> None:
    """List the objects of a model: code, class, name, type, access, scaler and unit."""
    found = _load(model)
    rows = [_row_as_object(found, row) for row in _seen(found, association)]
    if as_json:
        return _print_json(rows)
    for row in rows:
        unit = "" if row["unit"] is None else f"  10^{row['scaler']} {row['unit']}".rstrip()
        typer.echo(f"{row['obis']:18} {row['class']:3}  {row['key']:32} {row['access']:22} {row['type']}{unit}")


@app.command()
def emulate(
    model: MODEL,
    listen: Annotated[
        list[str], typer.Option(help="Where: hdlc://127.0.0.1:4060, tcp://127.0.0.1:4059, serial:///dev/ttyUSB0.")
    ],
    count: Annotated[int, typer.Option(min=1, help="Meters, told apart by HDLC physical address or wrapper port.")] = 1,
    scenario: Annotated[str, typer.Option(help="household, solar, idle, or a file of measurements.")] = HOUSEHOLD,
    speed: Annotated[float, typer.Option(min=0, help="Simulated seconds a second.")] = 1.0,
    serial: Annotated[int | None, typer.Option(min=1, max=0xFFFFFFFF, help="Serial number of the first meter.")] = None,
    history: Annotated[float, typer.Option(min=0, max=3660, help="Days that the meters have lived through.")] = 1.0,
    start: Annotated[
        datetime.datetime | None, typer.Option(help="What the simulated clock shows at first, UTC; default: now.")
    ] = None,
    step: Annotated[int | None, typer.Option(min=1, max=300, help="Seconds of one simulation step.")] = None,
    seed: Annotated[int, typer.Option(help="Another number, other households.")] = 1,
    accuracy: Annotated[str, typer.Option(help=ACCURACY_HELP)] = "ideal",
    zone: Annotated[str | None, typer.Option(help=ZONE_HELP)] = None,
    duration: Annotated[float | None, typer.Option(min=0, help="Seconds after which to end; default: never.")] = None,
    as_json: AS_JSON = False,
) -> None:
    """Run virtual meters until interrupted."""
    from meters.run import run

    try:
        running = run(
            _load(model),
            listen=listen,
            serial=serial,
            count=count,
            scenario=scenario,
            seed=seed,
            start=start,
            history_days=history,
            speed=speed,
            step_s=step,
            accuracy=accuracy,
            zone=zone,
        )
    except (LookupError, ValueError, LocalProtocolError) as fault:
        raise typer.BadParameter(str(fault)) from fault
    with running, _interruption() as interrupted:
        _announce(running, as_json)
        interrupted.wait(duration)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Directory for the CSV and the picture.", file_okay=False)] = Path(),
    as_json: AS_JSON = False,
) -> None:
    """Simulate a day of a meter and read it over HDLC on this machine: tables, a CSV and a picture."""
    from meters.demo import perform, show

    out.mkdir(parents=True, exist_ok=True)
    result = perform(out)
    if as_json:
        return _print_json(result.as_json())
    show(result)


app.command()(simulate)


@contextlib.contextmanager
def _interruption() -> Iterator[threading.Event]:
    """An event that an interrupt or a termination sets instead of ending the process."""
    interrupted = threading.Event()
    before = {name: signal.signal(name, lambda *_: interrupted.set()) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupted
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _load(name: str) -> MeterModel:
    try:
        return load(name)
    except LookupError as fault:
        raise typer.BadParameter(str(fault.args[0])) from fault


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def _model_as_object(model: MeterModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "maker": model.maker,
        "title": model.title,
        "objects": len(model.by_obis),
        "features": sorted(feature.value for feature in model.features),
        "quirks": sorted(model.quirks),
        "associations": [
            {
                "name": one.name,
                "client": one.client_sap,
                "server": one.server_sap,
                "authentication": one.mechanism.name.lower(),
                "conformance": f"{int(one.conformance):06x}",
            }
            for one in model.associations
        ],
    }


def _seen(model: MeterModel, association: str | None) -> list[Object | Log]:
    rows = list(model.by_obis.items())
    if association is None:
        return [row for _, row in rows]
    for one in model.associations:
        if one.name == association:
            return [row for obis, row in rows if one.sees is None or obis in one.sees]
    names = ", ".join(one.name for one in model.associations)
    raise typer.BadParameter(f"no association {association!r}; there are: {names}")


def _row_as_object(model: MeterModel, row: Object | Log) -> dict[str, Any]:
    from dlms.units import Unit
    from meters.objects import DataLog, EventLog, Row, interface_of

    scaled = isinstance(row, Row) and 3 in row.attributes
    columns = model.columns(row) if isinstance(row, DataLog | EventLog) else ()
    return {
        "obis": row.obis,
        "class": interface_of(row).class_id,
        "key": row.key,
        "access": row.access,
        "type": row.type.describe() if isinstance(row, Row) else interface_of(row).__name__,
        "scaler": row.scaler if isinstance(row, Row) and scaled else None,
        "unit": (row.unit or Unit.UNITLESS).symbol if isinstance(row, Row) and scaled else None,
        "columns": [str(column.obis or row.obis) for column in columns],
    }


def _announce(running: Running, as_json: bool) -> None:
    """Where each meter is, on stdout."""
    from meters.shared_wrapper import server_port

    emulator = running.emulator
    model, count = emulator.model, emulator.engine.meters
    found = [
        {
            "serial": emulator.meter(index).nameplate.serial_number,
            "physical": model.link.physical_address(index),
            "wrapper_ports": [server_port(index, sap) for sap in model.saps],
        }
        for index in range(count if as_json else min(SHOWN_METERS, count))
    ]
    if as_json:
        return _print_json({"model": model.name, "listen": running.urls, "meters": found})
    typer.echo(f"{model.name} at {' '.join(running.urls)}")
    for one in found:
        typer.echo(f"  {one['serial']}: physical address {one['physical']}, wrapper ports {one['wrapper_ports']}")
    if len(found) < count:
        typer.echo(f"  ... and {count - len(found)} more, counted up")


def execute(arguments: Sequence[str] | None = None) -> int:
    """The exit code of one command; its errors go to stderr."""
    return exit_code(app, "meters", FAILURES, arguments)


def main() -> None:
    """Entry point."""
    run_command(app, "meters", FAILURES)


if __name__ == "__main__":
    main()

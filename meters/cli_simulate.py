"""`meters simulate`: a fleet's load profiles and registers as files, with a progress bar on a terminal."""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from meters.dataset import DatasetError, has_arrow
from meters.fleet_models import FLEETS
from meters.run import SCENARIOS
from meters.simulate import BLOCK, START, STEP_S, Simulated
from meters.simulate import simulate as run_simulation

ACCURACY_HELP = "Class inside which the meters are wrong, such as B; or ideal."
ZONE_HELP = "Of times without an offset in a file, such as Europe/Oslo; default: UTC."


def simulate(
    model: Annotated[str, typer.Argument(help=f"Name of the model: {', '.join(FLEETS)}.")],
    meters: Annotated[int, typer.Option(min=1, help="How many.")],
    days: Annotated[int, typer.Option(min=1, help="How long, from midnight UTC on.")],
    out: Annotated[Path, typer.Option(help="Directory; the same again goes on after a kill.", file_okay=False)],
    scenario: Annotated[str, typer.Option(help=f"{', '.join(SCENARIOS)}, or a file of measurements.")] = SCENARIOS[0],
    seed: Annotated[int, typer.Option(help="Another number, other households.")] = 1,
    start: Annotated[
        datetime.datetime | None, typer.Option(formats=["%Y-%m-%d"], help=f"First day, UTC; default: {START}.")
    ] = None,
    step: Annotated[int, typer.Option(min=1, max=900, help="Seconds of one simulation step.")] = STEP_S,
    accuracy: Annotated[str, typer.Option(help=ACCURACY_HELP)] = "ideal",
    zone: Annotated[str, typer.Option(help=ZONE_HELP)] = "",
    format_: Annotated[
        str | None, typer.Option("--format", help="parquet or csv; default: parquet when pyarrow is installed.")
    ] = None,
    shard: Annotated[
        int, typer.Option(min=0, help=f"Meters a task, rounded up to blocks of {BLOCK}; changes no byte.")
    ] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes; changes no byte.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON value.")] = False,
) -> None:
    """Simulate a fleet and write its load profiles and registers, by day and block of meters."""
    from meters.engine import EngineError

    try:
        with _executor(workers) as executor, _progress() as progress:
            result = run_simulation(
                model,
                meters=meters,
                days=days,
                folder=out,
                scenario=scenario,
                seed=seed,
                start=START if start is None else start.date(),
                step_s=step,
                accuracy=accuracy,
                zone=zone,
                format=format_,
                shard=shard,
                executor=executor,
                progress=progress,
            )
    except (DatasetError, EngineError) as fault:
        raise typer.BadParameter(str(fault)) from fault
    except concurrent.futures.BrokenExecutor as fault:
        raise ChildProcessError(f"a worker has died; the same command goes on where it stopped ({fault})") from fault
    typer.echo(json.dumps(_as_object(result), indent=2) if as_json else _as_text(result, chosen=format_ is not None))


def _as_object(result: Simulated) -> dict[str, str | int]:
    found = result.parameters
    return {
        "folder": str(result.folder),
        "format": found.format,
        "files": result.files,
        "meters": found.meters,
        "days": found.days,
        "start": found.start.isoformat(),
    }


def _as_text(result: Simulated, *, chosen: bool) -> str:
    found = result.parameters
    kind = {"parquet": "Parquet", "csv": "CSV"}[found.format]
    if found.format == "csv" and not chosen and not has_arrow():
        kind = "CSV, because pyarrow is not installed (dlms-meters[arrow]),"
    what = f"{found.meters} x {found.model}, {found.days} days from {found.start} on"
    return f"{what}: {result.files} files of {kind} in {result.folder}"


@contextlib.contextmanager
def _executor(workers: int) -> Iterator[concurrent.futures.Executor | None]:
    """Processes that end with this one, also when it is killed; None for a single worker: the work is done here."""
    if workers == 1:
        yield None
        return
    fresh = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=fresh, initializer=_follow_parent) as executor:
        yield executor


def _follow_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    assert parent is not None, "runs in a worker"

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """A bar on stderr when that is a terminal, else nothing."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("days x blocks"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("simulate")
        yield lambda done, total: bar.update(task, completed=done, total=total)

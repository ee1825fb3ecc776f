"""`dlms listen`: what meters push by themselves, protected or not, a line each."""

from __future__ import annotations

import datetime
import json
import queue
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlms.cli.options import PROTECTION, Protecting
from dlms.cli.read import AS_JSON, JSON_OFF
from obis.command import FAILED

if TYPE_CHECKING:
    from dlms.events import Fault
    from dlms.pushes import Pushed, Senders

ENDPOINT = Annotated[str, typer.Argument(help="Where to listen: tcp://0.0.0.0:4059 or udp://0.0.0.0:4059")]


def listen(
    endpoint: ENDPOINT,
    keys: Annotated[Path | None, typer.Option(metavar="FILE", help="Key file with the meters that push.")] = None,
    counters: Annotated[Path | None, typer.Option(metavar="FILE", help="Store of invocation counters.")] = None,
    protect: Annotated[
        Protecting | None, typer.Option(help="What a push must have. Default: both with keys, else nothing.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many pushes.")] = None,
    timeout: Annotated[float | None, typer.Option(min=0, help="End when none has come for so many seconds.")] = None,
    as_json: AS_JSON = JSON_OFF,
) -> None:
    """Show what meters push by themselves. What cannot be taken is one line on stderr."""
    from dlms.listening import listen_for_pushes

    senders = _senders(keys, counters, protect)
    came: queue.Queue[Pushed | Fault] = queue.Queue()
    listening = listen_for_pushes(endpoint, senders, came.put)
    typer.echo(f"dlms: listening on {listening.url}", err=True)
    left = count
    try:
        while left is None or left > 0:
            try:
                taken = _show(came.get(timeout=timeout), as_json)
            except queue.Empty:
                typer.echo(f"dlms: nothing came within {timeout:g} s", err=True)
                raise typer.Exit(FAILED) from None
            left = left if left is None else left - taken
    finally:
        listening.close()


def _senders(keys: Path | None, counters: Path | None, protect: Protecting | None) -> Senders:
    """Whose pushes are taken.  Raises DlmsError for a file that cannot be used, BadParameter for options."""
    from dlms.pushes import Senders
    from dlms.security.counters import Counters, MemoryCounterStore

    if keys is None:
        if counters is not None or protect not in (None, Protecting.NOTHING):
            raise typer.BadParameter("--counters and --protect go with --keys")
        return Senders({}, Counters(MemoryCounterStore()), PROTECTION[Protecting.NOTHING])
    from dlms.cli.protected import counter_store
    from dlms.security.keyfile import KeyFile

    file = KeyFile.load(keys)
    store = counter_store(counters, threading.Lock())
    peers = file.peers(datetime.datetime.now(datetime.UTC))
    return Senders.of(file, Counters(store), peers, PROTECTION[protect or Protecting.BOTH])


def _show(event: Pushed | Fault, as_json: bool) -> bool:
    """Print one; whether it was a push."""
    from dlms.decode.json import apdu_to_json
    from dlms.events import Fault

    if isinstance(event, Fault):
        typer.echo(f"dlms: {event.error}", err=True)
        return False
    shown = apdu_to_json(event.apdu)
    title = event.system_title.hex() or "unknown"
    if as_json:
        typer.echo(json.dumps({"system_title": title, "protection": str(event.protection), "apdu": shown}))
    else:
        typer.echo(f"{title} {event.protection}: {json.dumps(shown, ensure_ascii=False)}")
    return True

"""Virtual meters with a clock and sockets.

    with meters.run("kamstrup-382", serial=12345678, listen="hdlc://127.0.0.1:4060") as running:
        ...                                         # running.url is where a client finds them

numpy and the engine are imported when meters are made, so that `import meters` stays light.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from dlms.endpoint import Listening, listen, parse
from dlms.errors import LocalProtocolError
from dlms.media import Medium
from meters.models import load

if TYPE_CHECKING:
    from dlms.framing import ServerFraming
    from meters.emulator import Emulator
    from meters.engine import Source
    from meters.model import MeterModel

ANYWHERE = "hdlc://127.0.0.1:0"
SCENARIOS = ("household", "solar", "idle")
SERIES = (".csv", ".parquet")
"""Scenarios that are files of measurements end so."""
"""Homes; homes with 6 kW of photovoltaics; voltage without any load."""
MAX_PHYSICAL = 0x3FFD
"""The largest physical address that is no reserved one, in addresses of four octets."""
SECOND_STEPS_UP_TO, TEN_SECOND_STEPS_UP_TO = 16, 256
MAX_SERIAL = 0xFFFF_FFFF
DAY_S = 86_400


def make_source(name: str, model: MeterModel, seed: int = 1, zone: str | None = None) -> Source:
    """What happens on the wires of the meters of a model: a scenario by name, or measurements out of a file.

    A file (see `meters.series`) is played in a circle; `zone` is that of its times without an offset.  Raises LookupError
    for a name that is none, EngineError (a ValueError) for a file that holds no measurements, ValueError for a zone without
    a file, and OSError for one that cannot be read.
    """
    from meters.scenario import Constant, Household

    if name.endswith(SERIES):
        from meters.series import read_series, series_of

        return dataclasses.replace(series_of(read_series(name, zone), model.wiring), repeat=True)
    if zone is not None:
        raise ValueError(f"a time zone is that of a file of measurements, which {name!r} is not")
    match name:
        case "household":
            return Household(seed, model.wiring, offset_s=model.normal_offset_s)
        case "solar":
            return Household(seed, model.wiring, photovoltaics_w=6000.0, offset_s=model.normal_offset_s)
        case "idle":
            return Constant(wiring=model.wiring)
    raise LookupError(f"no scenario {name!r}; there are: {', '.join(SCENARIOS)}, or a .csv or .parquet file")


def step_for(count: int) -> int:
    """Seconds of one simulation step, so that the meters keep up with the clock: 1 for a few, 10 or 60 for many."""
    if count <= SECOND_STEPS_UP_TO:
        return 1
    return 10 if count <= TEN_SECOND_STEPS_UP_TO else 60


class Running:
    """Meters that listen.  Use it with `with`, or call `close`.

    `urls` are where they listen; `lock` is held while a request is served or the emulator is looked at.
    """

    def __init__(self, emulator: Emulator, urls: Sequence[str]) -> None:
        self.emulator, self.lock = emulator, threading.Lock()
        self._devices = emulator.devices()
        self._listening: list[Listening] = []
        self._check(urls)
        with self.lock:
            emulator.advance(time.monotonic())
            emulator.catch_up()
        try:
            for url in urls:
                self._listening.append(listen(url, functools.partial(self._serve, url)))
        except BaseException:
            self.close()
            raise

    @property
    def urls(self) -> list[str]:
        """Where the meters listen, with the port that was found when 0 was asked for."""
        return [one.url for one in self._listening]

    @property
    def url(self) -> str:
        """The first of the `urls`."""
        return self.urls[0]

    @property
    def port(self) -> int:
        """The TCP port of the first URL.  Raises ValueError when it has none."""
        port = urlsplit(self.url).port
        if port is None:
            raise ValueError(f"{self.url} has no port")
        return port

    def close(self) -> None:
        """Stop listening and hang up."""
        for one in self._listening:
            one.close()
        self._listening.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _check(self, urls: Sequence[str]) -> None:
        """Raises LocalProtocolError when the meters cannot be told apart on one of the URLs."""
        from meters.shared_wrapper import MAX_METERS

        count, link = self.emulator.engine.meters, self.emulator.model.link
        if not urls:
            raise LocalProtocolError("meters need somewhere to listen")
        for url in urls:
            wrapped = parse(url).framing == "wrapper"
            if count > MAX_METERS if wrapped else link.physical_address(count - 1) > MAX_PHYSICAL:
                raise LocalProtocolError(f"{url}: {count} meters are too many to be told apart")

    def _framing(self, url: str) -> ServerFraming:
        link = self.emulator.model.link
        if parse(url).framing == "wrapper":
            from meters.shared_wrapper import SharedWrapper

            addresses = [link.physical_address(index) for index in range(self.emulator.engine.meters)]
            return SharedWrapper(addresses, link.inactivity_timeout_s)
        from meters.emulator import hdlc_framing

        return hdlc_framing(self.emulator.model, frozenset(self._devices))

    def _serve(self, url: str, medium: Medium) -> None:
        """One connection, until the client hangs up (LinkError) or its framing cannot be followed any further."""
        from dlms.serve import serve
        from dlms.server import Session

        serve(Session(self._devices, self._framing(url)), medium, self.lock)


def run(
    model: str | MeterModel = "kamstrup-382",
    *,
    listen: str | Sequence[str] = ANYWHERE,
    serial: int | None = None,
    count: int = 1,
    scenario: str | Source = "household",
    seed: int = 1,
    start: datetime.datetime | None = None,
    history_days: float = 1.0,
    speed: float = 1.0,
    step_s: int | None = None,
    accuracy: str = "ideal",
    zone: str | None = None,
) -> Running:
    """Run virtual meters until the `with` block ends.

    Their simulated clock shows `start` (aware, or naive for UTC; default: now) when they begin to listen and then runs
    `speed` times as fast as time; by then they have lived through `history_days`.  Serial numbers count up from
    `serial`.  `scenario` is a name, a file of measurements (whose times without an offset are those of `zone`) or a source;
    `accuracy` is a class inside which the meters are wrong, or "ideal".  Raises LookupError for an unknown model or scenario,
    ValueError for senseless numbers, measurements or accuracies, LocalProtocolError for a URL that is none, LinkError when
    it cannot be had, and OSError for a file that cannot be read.
    """
    emulator = emulate(
        model,
        serial=serial,
        count=count,
        scenario=scenario,
        seed=seed,
        start=start,
        history_days=history_days,
        speed=speed,
        step_s=step_s,
        accuracy=accuracy,
        zone=zone,
    )
    return Running(emulator, [listen] if isinstance(listen, str) else list(listen))


def emulate(
    model: str | MeterModel = "kamstrup-382",
    *,
    serial: int | None = None,
    count: int = 1,
    scenario: str | Source = "household",
    seed: int = 1,
    start: datetime.datetime | None = None,
    history_days: float = 1.0,
    speed: float = 1.0,
    step_s: int | None = None,
    accuracy: str = "ideal",
    zone: str | None = None,
) -> Emulator:
    """The meters of `run` without clock and sockets: time passes by `advance` and `advance_to`.  Errors as there."""
    from meters.emulator import Emulator
    from meters.engine.tolerance import errors_of

    found = load(model) if isinstance(model, str) else model
    if not 0 <= history_days < float("inf") or not 0 <= speed < float("inf"):
        raise ValueError(f"meters cannot live {history_days} days at {speed} times the speed")
    first = found.nameplate.serial_number if serial is None else serial
    if not 0 < first <= MAX_SERIAL - count + 1:
        raise ValueError(f"{count} serial numbers from {first} on do not fit into 1..{MAX_SERIAL}")
    moment = datetime.datetime.now(datetime.UTC) if start is None else start
    start_s = int((moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp())
    source = make_source(scenario, found, seed, zone) if isinstance(scenario, str) else scenario
    step_s = step_for(count) if step_s is None else step_s
    emulator = Emulator(
        found,
        source,
        start_s - int(history_days * DAY_S),
        count,
        nameplate=found.nameplate.numbered(first),
        speed=speed,
        step_s=step_s,
        errors=errors_of(accuracy, seed),
    )
    # a source that does not suit the meters shall say so here and not in the middle of a request
    source.block(emulator.start_s, emulator.start_s + step_s, step_s, range(count))
    emulator.begin(start_s)
    return emulator

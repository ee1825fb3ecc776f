"""A client that changes the keys of its meter again and again, in lives that end anywhere; both keep them in key files.

The order to die may be at a key file too: before or after the new one takes its place.
"""

from __future__ import annotations

import datetime
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dlms.client import Client
from dlms.errors import AssociationRefused, DlmsError, LinkError, OutcomeUnknown
from dlms.ic import SecuritySetup
from dlms.security.counters import Counters
from dlms.security.key_store import KeyStore
from dlms.security.keys import Phase
from dlms.security.providers import MemoryKeyProvider
from dlms.security.rotation import Candidate, Rotation
from dlms.server.security import SecuritySetup as SetupState
from tests.dlms.secured import SETUP, World
from tests.dlms.security.killed.ends import Work
from tests.dlms.security.killed.mortal import Death, die, report

NAME = "meter"
KEYS = ("encryption", "authentication")
PAUSE_S = 0.003
Connect = Callable[[Any], Client]


def mortal_files(order: Path) -> None:
    """From now on an order to die may be at a key file."""
    real = os.replace

    def replace(source: Any, target: Any) -> None:
        death = Death.ordered(order, "replace") if str(target).endswith(".keys") else None
        if death is not None and death.point == "before replace":
            die(death.point)
        real(source, target)
        if death is not None:
            die(death.point)

    os.replace = replace


def rotating_server(of: World, folder: Path, counters: Counters) -> None:
    """The device holds its keys in its file."""
    mortal_files(folder / "server.order")
    keys = KeyStore.open(folder / "server.keys", NAME, lambda: datetime.datetime.now(datetime.UTC))
    of.setup = of.device.security[SETUP] = SetupState.of(keys, counters)


def rotate(of: World, folder: Path, counters: Counters, connect: Connect, rng: random.Random, work: Work) -> None:
    """Goes on with the change of keys that stands in the file, or begins one; works in between."""
    mortal_files(folder / "client.order")
    rotation = Rotation(folder / "client.keys", NAME)
    while True:
        try:
            _one_step(of, rotation, counters, connect, rng, work)
        except LinkError:
            time.sleep(PAUSE_S)
        except OutcomeUnknown as fault:
            report(f"unknown {fault}"[:200])
        except DlmsError as fault:
            report(f"fault {type(fault).__name__} {fault}"[:300])


def _one_step(
    of: World, rotation: Rotation, counters: Counters, connect: Connect, rng: random.Random, work: Work
) -> None:
    if Phase.PROVEN in rotation.phases().values():
        rotation.activate()
    found = _association(of, rotation, counters, connect)
    if found is None:
        report("fault LookupError no candidate opens the meter")
        return
    candidate, client = found
    with client:
        report("open")
        for step in list(work.steps())[:2]:
            work.do(step, client)
        if rotation.phases():
            rotation.accepted(candidate)
        if Phase.PROVEN in rotation.phases().values():
            return report("rotated")
        rotation.begin(KEYS if rng.random() < 0.7 else KEYS[:1])
        changes = [(change.key_id, change.wrapped) for change in rotation.transfer()]
        client.call(SecuritySetup(SETUP).global_key_transfer, changes)


def _association(
    of: World, rotation: Rotation, counters: Counters, connect: Connect
) -> tuple[Candidate, Client] | None:
    """With the first candidate that the meter takes, None when it takes none."""
    for candidate in rotation.candidates():
        security = of.client(provider=MemoryKeyProvider(candidate.keys), counters=counters)
        client = connect(security)
        try:
            return candidate, client.open()
        except AssociationRefused:
            continue
    return None

"""What client and server do in their lives: the device with its ledger, and the work that a client finds to be done.

Both are made alike in every process: keys follow from their suite, so that a life needs no more than its options.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
import time
from collections.abc import Iterator
from typing import Any

from dlms.client import Client
from dlms.ic import Data
from dlms.interface import AttributeRef, Interface, Method, MethodRef
from dlms.security.policy import AUTHENTICATED_ENCRYPTED, Envelope, Protection
from dlms.security.suite import SUITES
from dlms.server import Access, MemoryStore, Rights, Served
from dlms.types import OctetString
from tests.dlms.secured import CLIENT_TITLE, SERVER_TITLE, World, world
from tests.dlms.security.killed.keys import providers
from tests.dlms.security.killed.mortal import report
from tests.dlms.server import devices

MAX_RECEIVE = 300
"""Octets of an APDU, both ways: longer values go in blocks."""
MODES: dict[int, tuple[dict[str, Any], ...]] = {
    0: (
        {},
        {"dedicated": True},
        {"envelope": Envelope.GENERAL},
        {"envelope": Envelope.GENERAL, "dedicated": True},
        {"envelope": Envelope.IDENTIFIED},
        {"envelope": Envelope.WRAPPED},
    ),
    1: (
        {"envelope": Envelope.ONE_PASS},
        {"envelope": Envelope.STATIC},
        {"protection": AUTHENTICATED_ENCRYPTED | Protection.SIGNED, "envelope": Envelope.GENERAL},
        {"envelope": Envelope.WRAPPED},
        {"dedicated": True},
    ),
}
"""How associations are protected, by suite; a client goes from one to the next."""

CLOCK, NOTE = Data("0.0.96.1.7.255"), Data("0.0.96.1.8.255")
SHOWN = Data("0.0.43.1.0.255")


class Ledger(Interface, class_id=8192):
    """What is entered here is entered for good."""

    enter = Method[bytes](1, OctetString, 0x20, OctetString)


LEDGER = Ledger("0.0.96.1.9.255")


class Entries(MemoryStore):
    """Values whose changes are told to whoever watches, at the moment when they are made."""

    def get(self, ref: AttributeRef[Any]) -> Any:
        """The clock shows the time of the machine, which both ends share: an old answer shows itself."""
        return str(time.monotonic_ns()).encode() if ref == CLOCK.value else super().get(ref)

    def set(self, ref: AttributeRef[Any], value: Any) -> None:
        if ref == NOTE.value:
            report(f"did {number_of(value)}")
        super().set(ref, value)

    def call(self, ref: MethodRef[Any], parameter: Any) -> Any:
        if ref == LEDGER.enter:
            report(f"did {number_of(parameter)}")
            return parameter[:8]
        return super().call(ref, parameter)


def place(suite_id: int) -> World:
    """The device and its client, with keys that every process makes alike."""
    suite = SUITES[suite_id]
    seen = devices.seen(Access.READ, True)
    reading = Rights({1: Access.READ, 2: Access.READ})
    seen[CLOCK.class_id, CLOCK.instance] = Served(CLOCK, reading)
    seen[NOTE.class_id, NOTE.instance] = Served(NOTE, Rights({1: Access.READ, 2: Access.READ_WRITE}))
    seen[LEDGER.class_id, LEDGER.instance] = Served(LEDGER, Rights({1: Access.READ}, frozenset({1})))
    of = world(suite=suite, objects=seen, max_receive=MAX_RECEIVE)
    held = of.device.store
    assert isinstance(held, MemoryStore)
    of.device.store = entries = Entries()
    entries.values, entries.methods = held.values, held.methods
    entries.put(NOTE.value, note(0, 0))
    known = providers(suite)
    of.setup.provider = known[SERVER_TITLE]
    of.security = of.client(provider=known[CLIENT_TITLE])
    return of


def note(number: int, size: int) -> bytes:
    """A number and what makes it long."""
    return number.to_bytes(8, "big") + bytes(size)


def number_of(noted: bytes) -> int:
    """The number of a note."""
    return int.from_bytes(noted[:8], "big")


class StaleAnswer(Exception):
    """A client took an answer for one to its question that was given before it asked."""


@dataclasses.dataclass
class Work:
    """What one client does, with numbers that no other life has: each told before and after."""

    first: int
    rng: random.Random

    def __post_init__(self) -> None:
        self._numbers = itertools.count(self.first)

    def steps(self) -> Iterator[str]:
        """What to do in one association."""
        return iter(self.rng.sample(("ask", "write", "enter", "ask many", "read long", "write long", "enter long"), 5))

    def do(self, step: str, client: Client) -> None:
        """One step.  Raises what the client raises, StaleAnswer for an answer that is too old."""
        if step == "ask":
            asked = time.monotonic_ns()
            if int(client.get(CLOCK.value)) < asked:
                raise StaleAnswer("an answer from before the question")
        elif step == "ask many":
            asked = time.monotonic_ns()
            told = client.get_many([CLOCK.value, devices.ENERGY.value, devices.ENERGY.scaler_unit])
            if int(told[0]) < asked:
                raise StaleAnswer("a list from before the question")
        elif step == "read long":
            assert len(client.get(devices.LONG.value)) == 768
        else:
            self._change(step, client)
        report(f"worked {step}")

    def _change(self, step: str, client: Client) -> None:
        number = next(self._numbers)
        noted = note(number, 700 if "long" in step else 4)
        report(f"try {number}")
        if "write" in step:
            client.set(NOTE.value, noted)
        elif client.call(LEDGER.enter, noted) != noted[:8]:
            raise StaleAnswer(f"the ledger answered to another entry than {number}")
        report(f"done {number}")

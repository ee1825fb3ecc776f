"""Kills one end of a change of keys over TCP, wherever it touches a file or the line, and looks what can be found out.

Run as a program with a folder, `client` or `meter`, how many points of each kind of change to kill at (0: all), and the
kinds: prints {"killed": n, "lost": [...], "points": {kind: how many there are}}.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dlms.endpoint import listen, server_framing
from dlms.enums import Mechanism
from dlms.errors import DlmsError
from dlms.live_rotation import LiveRotation, dialling
from dlms.media.tcp import TcpMedium
from dlms.meter_keys import MeterKeys
from dlms.security import enrolment, points
from dlms.security.certificates import Purpose, read
from dlms.security.keyfile import DeviceKeys, KeyFile
from dlms.security.keys import Secret
from dlms.security.rotation import CHANGED, Rotation
from dlms.security.store import SqliteCounterStore
from dlms.security.suite import SUITE_0, SUITE_1, SecuritySuite
from dlms.serve import serve
from dlms.server import Session
from tests.dlms.kept import AUTHORITIES, DAYS, MANAGER, NAME, NOW, Files, device
from tests.dlms.killing import armed
from tests.dlms.server.devices import SERVER

LINE = ((TcpMedium, "send"), (TcpMedium, "receive"))
SIGNATURE = Purpose.SIGNATURE
NEVER = 1_000_000


def enrolled(live: LiveRotation) -> None:
    """A new signing key of the meter, certified; the certificate goes into the client's file too."""
    with live._dialled(live._known()) as client:
        der = MeterKeys(client).enrol(SIGNATURE, lambda asked: AUTHORITIES[1].issue(asked, SIGNATURE, NOW, DAYS))
    with KeyFile.edit(live.rotation.path) as file:
        enrolment.enrol(file, der, NOW, NAME)


KINDS: dict[str, tuple[SecuritySuite, tuple[str, ...], Callable[[LiveRotation], None]]] = {
    "pair": (SUITE_0, ("encryption", "authentication"), lambda live: live.change(["encryption", "authentication"])),
    "encryption": (SUITE_1, ("encryption",), lambda live: live.change(["encryption"])),
    "master": (SUITE_0, ("master",), lambda live: live.change(["master"])),
    "broadcast": (SUITE_0, ("broadcast",), lambda live: live.change(["broadcast"])),
    "secret": (SUITE_0, ("secret",), lambda live: live.change(["secret"])),
    "agree encryption": (SUITE_1, ("encryption",), lambda live: live.agree("encryption")),
    "agree broadcast": (SUITE_1, ("broadcast",), lambda live: live.agree("broadcast")),
    "agree master": (SUITE_1, ("master",), lambda live: live.agree("master")),
    "enrol": (SUITE_1, (), enrolled),
}


class Place:
    """The files of one change: keys and counters of both ends."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.kind, (self.suite, self.names, self.change) = kind, KINDS[kind]
        self.files = Files.of(self.suite)
        folder.mkdir()
        self.client, self.meter = self.files.save(folder)
        self.stores = folder / "client.db", folder / "meter.db"
        for store in self.stores:
            SqliteCounterStore.create(store).close()
        self.mechanism = Mechanism.HLS_GMAC if self.suite is SUITE_0 else Mechanism.HLS_ECDSA
        self.mechanism = {"secret": Mechanism.HLS_SHA256, "enrol": Mechanism.HLS_GMAC}.get(kind, self.mechanism)

    def go(self, url: str) -> None:
        """The client, from wherever it stands to the end.  Raises DlmsError."""
        with SqliteCounterStore.open(self.stores[0]) as store:
            file = KeyFile.load(self.client)
            self.files.client = file
            dial = dialling(url, self.files.security(store), client=MANAGER, server=SERVER, auth=self.mechanism)
            self.change(LiveRotation(Rotation(self.client, NAME), dial))

    def serve(self, told: int, at: int) -> None:
        """The meter, in a process of its own; SIGTERM ends it, and it tells the points that were left."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # no thread takes it before it is waited for
        store = SqliteCounterStore.open(self.stores[1], lock=threading.RLock())
        of = device(self.files.setup(store, self.meter), self.mechanism)
        lock, write = threading.Lock(), os.write
        listener = listen(
            "tcp://127.0.0.1:0", lambda medium: serve(Session({None: of}, server_framing("tcp://a:1")), medium, lock)
        )
        left = armed(at, LINE)
        write(told, f"{listener.url}\n".encode())
        signal.sigwait({signal.SIGTERM})
        write(told, f"{left[0]}\n".encode())
        os._exit(0)

    def fault(self) -> str | None:
        """What is wrong at the end, None when both ends have the same keys and those that had to change have."""
        ours, theirs = KeyFile.load(self.client)[NAME], KeyFile.load(self.meter)[NAME]
        before = self.files.meter[NAME]
        if ours.next:
            return f"pending: {dict(ours.next)}"
        for name in CHANGED:
            mine, other, old = (getattr(of if name == "secret" else of.keys, name) for of in (ours, theirs, before))
            if mine != other:
                return f"the {name} key differs"
            if (mine == old) == (name in self.names):
                return f"the {name} key {'is' if mine == old else 'is not'} the old one"
        return self._certified(ours, theirs) if self.kind == "enrol" else None

    def _certified(self, ours: DeviceKeys, theirs: DeviceKeys) -> str | None:
        """The new key of the meter is the one of its certificate, and both ends have that."""
        if ours.certificates["signature"] != theirs.certificates["signature"]:
            return "the certificate differs"
        key = points.private_key(theirs.signing_key or Secret(b""), self.suite)
        if read(theirs.certificates["signature"]).public_key() != key.public_key():
            return "the certificate is of another key"
        return "the key is the old one" if theirs.signing_key == self.files.meter[NAME].signing_key else None


class Meter:
    """The meter in a child process: `url`, and at the end whether it was `killed`, or the points that were `left`."""

    def __init__(self, place: Place, at: int = NEVER) -> None:
        reading, writing = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            try:
                os.close(reading)
                place.serve(writing, at)
            finally:
                os._exit(1)
        os.close(writing)
        self._told = os.fdopen(reading)
        self.url = self._told.readline().strip()
        self.killed, self.left = False, 0

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *exception: object) -> None:
        os.kill(self._child, signal.SIGTERM)
        with self._told:
            self.left = int(self._told.readline() or -1)
        _, status = os.waitpid(self._child, 0)
        self.killed = os.WIFSIGNALED(status)


def client_killed(place: Place, url: str, at: int) -> tuple[bool, int]:
    """Whether the client was killed at this point, and the points that were left when it came to its end."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            write, left = os.write, armed(at, LINE)
            place.go(url)
            write(writing, str(left[0]).encode())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as ended:
        left = ended.read()
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) and status:
        raise LookupError(f"the change ended with status {status}")
    return os.WIFSIGNALED(status), int(left or -1)


def tried(place: Place, url: str) -> str | None:
    """Why the client came to no end; None when it did."""
    try:
        place.go(url)
    except DlmsError as fault:
        return f"{type(fault).__name__}: {fault}"
    return None


def recovered(place: Place) -> str | None:
    """The same call again, over a meter that is whole: what is lost."""
    with Meter(place) as meter:
        fault = tried(place, meter.url)
    return fault or place.fault()


def kill(folder: Path, kind: str, end: str, at: int) -> tuple[bool, int, str | None]:
    """Whether it was killed at this point, the points that were left else, and what is lost after a recovery."""
    place, fault = Place(folder, kind), None
    with Meter(place, at if end == "meter" else NEVER) as meter:
        if end == "client":
            killed, left = client_killed(place, meter.url, at)
        else:
            fault = tried(place, meter.url)
    if end == "meter":
        killed, left = meter.killed, meter.left
    if not killed:
        return False, left, fault or place.fault()
    return True, 0, (recovered(place) if end == "client" or fault else None) or place.fault()


def run(folder: Path, end: str, count: int, kinds: list[str]) -> dict[str, Any]:
    killed, lost, points = 0, [], {}
    for kind in kinds:
        place = f"{end} {kind.replace(' ', '-')}"
        _, left, fault = kill(folder / place, kind, end, NEVER)
        if fault is not None:
            lost.append(f"{place}: {fault}")
        points[kind] = NEVER - left
        step = max(1, points[kind] // count) if count else 1
        for at in range(step // 2, points[kind], step):
            hit, _, fault = kill(folder / f"{place} {at}", kind, end, at)
            killed += hit
            if fault is not None:
                lost.append(f"{place} {at}: {fault}")
    return {"killed": killed, "lost": lost, "points": points}


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:] or list(KINDS))))

"""A campaign: client and server work with each other through the recorder, are killed, and must go on.

`Campaign.run` kills as its plan says; `Found` is what came of it.  Everything that was recorded in one life is used against
the next: old requests are put into new associations, old answers are shown to the client, old AARQs are sent anew.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import random
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from dlms.framing.wrapper import HEADER
from dlms.security.keyfile import DeviceKeys, KeyFile
from dlms.security.store import SqliteCounterStore
from dlms.security.suite import SUITE_0, SUITES
from tests.dlms.secured import CLIENT_TITLE, SERVER_TITLE, key_set
from tests.dlms.security.killed.keys import providers
from tests.dlms.security.killed.line import DOWN, UP, Line, Pair
from tests.dlms.security.killed.plan import ROLES, Found, Plan
from tests.dlms.security.killed.recorder import Keys, Recorder, agreeing

ROOT = Path(__file__).parents[4]
BOUND_S = 30.0
"""Within this time whoever was started works again, on however busy a machine."""
REMEMBERED = 600
REFUSED = b"\xa2\x03\x02\x01\x01"
"""The result of an AARE that refuses."""


@dataclasses.dataclass(slots=True)
class Recorded:
    """A request as it passed; `committed` when the server is known to have accepted its counter."""

    piece: bytes
    label: str
    life: int
    committed: bool = False


class Campaign:
    """One pair of ends over one transport.  `seed` decides about everything but what the machine does meanwhile.

    With `amnesic` the stores keep nothing, which the recorder must notice.  With `rotating` the client changes the keys.
    """

    def __init__(
        self,
        folder: Path,
        transport: str,
        *,
        suite: int = 0,
        seed: int = 0,
        block: int = 4,
        amnesic: bool = False,
        rotating: bool = False,
    ) -> None:
        self.folder, self.transport, self.suite, self.seed, self.block = folder, transport, suite, seed, block
        self.amnesic, self.rotating = amnesic, rotating
        self.rng, self.found, self.lives = random.Random(seed), Found(), 0
        keys = key_set(SUITES[suite])
        held = Keys(*([key.reveal()] for key in (keys.encryption, keys.authentication, keys.master) if key is not None))
        if suite:
            held.agree = agreeing(providers(SUITES[suite]))
        self.recorder = Recorder(held, (CLIENT_TITLE, SERVER_TITLE), self._more_keys)
        if rotating:
            _key_files(folder)
        for role in ROLES:
            SqliteCounterStore.create(folder / f"{role}.counters").close()
        self.line = Line(transport, self)
        self.pids: dict[str, int] = {}
        self.trap: Plan | None = None
        self.hooked = False
        self._log = (folder / "stderr").open("wb")
        self._sent: collections.deque[Recorded] = collections.deque(maxlen=REMEMBERED)
        self._answers: collections.deque[bytes] = collections.deque(maxlen=REMEMBERED)
        self._urgent: list[Recorded] = []
        """What must be put into the next association first: it was under way when the server died."""
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.dlms.security.killed.lives"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        assert self._zygote.stdout is not None
        os.set_blocking(self._zygote.stdout.fileno(), False)
        self._rest = b""
        self.line.selector.register(self._zygote.stdout, selectors.EVENT_READ, self._told)
        self._ready = False
        self._until(lambda: self._ready, "the children's parent to be ready")

    def _more_keys(self, keys: Keys) -> None:
        """Keys that have come since."""
        if self.rotating:
            for role in ROLES:
                device = KeyFile.load(self.folder / f"{role}.keys")["meter"]
                for name, known in (("encryption", keys.encryption), ("authentication", keys.authentication)):
                    held = [getattr(device.keys, name), *(one.key for key, one in device.next.items() if key == name)]
                    known += [key.reveal() for key in held if key is not None and key.reveal() not in known]

    def close(self) -> None:
        """The end of everybody."""
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._zygote.stdin.close()
        self._zygote.wait(BOUND_S)
        self.line.close()
        self._zygote.stdout.close()
        self._log.close()

    def run(self, planned: list[Plan]) -> Found:
        """Everybody is killed as planned, and works once more at the end."""
        started = time.monotonic()
        for plan in planned:
            self._resume()
            self._kill(plan)
            self.found.kills[plan.name] += 1
        self._resume()
        for role in ROLES:
            os.kill(self.pids[role], signal.SIGKILL)
        self._until(lambda: not self.pids, "the last two to die")
        self.found.took_s = time.monotonic() - started
        return self.found

    # lives

    def _resume(self) -> None:
        """Start whoever is missing, and wait until work is done again."""
        begun = time.monotonic()
        if "server" not in self.pids:
            self._start("server", port=0)
            self._until(lambda: self._listening is not None, "the server to listen")
            self._attack()
            self.line.server_port = self._listening
        if "client" not in self.pids:
            self._start("client", port=self.line.port)
        before = self.found.worked
        self._until(lambda: self.found.worked > before, "work to be done again")
        self.found.resumed_s.append(time.monotonic() - begun)

    _listening: int | None = None

    def _start(self, role: str, port: int) -> None:
        self.lives += 1
        options = {
            "role": role,
            "folder": str(self.folder),
            "transport": self.transport,
            "block": self.rng.choice((1, 2, self.block)),
            "seed": self.seed * 1000 + self.lives,
            "suite": self.suite,
            "port": port,
            "amnesic": self.amnesic,
            "rotating": self.rotating,
        }
        assert self._zygote.stdin is not None
        self._zygote.stdin.write(json.dumps(options).encode() + b"\n")
        self._zygote.stdin.flush()
        self._until(lambda: role in self.pids, f"the {role} to be born")

    def _kill(self, plan: Plan) -> None:
        doomed = {self.pids[role] for role in plan.roles}
        if plan.point:
            order = self.folder / f"{plan.roles[0]}.order"
            fresh = order.with_suffix(".fresh")
            fresh.write_text(f"{plan.point}:{plan.write}")
            fresh.replace(order)
        elif plan.message:
            self.trap = plan
        else:
            until = time.monotonic() + plan.delay_s
            while time.monotonic() < until:
                self.line.step(until - time.monotonic())
            self._strike(plan)
        self._until(lambda: not doomed & set(self.pids.values()), f"{plan.name} to happen")
        self.trap = None

    def _strike(self, plan: Plan) -> None:
        for role in plan.roles:
            if role in self.pids:
                os.kill(self.pids[role], signal.SIGKILL)

    def _until(self, done: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + BOUND_S
        while not done():
            if time.monotonic() > end:
                log = (self.folder / "stderr").read_text()[-3000:]
                raise TimeoutError(f"waited {BOUND_S} s for {what} after {self.found.kills.total()} kills\n{log}")
            self.line.step(0.05)

    def _told(self) -> None:
        assert self._zygote.stdout is not None
        data = self._zygote.stdout.read()
        *lines, self._rest = (self._rest + (data or b"")).split(b"\n")
        for line in lines:
            pid, _, text = line.decode().partition(" ")
            word, _, rest = text.partition(" ")
            self._event(int(pid), word, rest)

    def _event(self, pid: int, word: str, rest: str) -> None:
        found = self.found
        match word:
            case "ready":
                self._ready, self.hooked = True, rest == "hooked"
            case "born":
                role, _, number = rest.partition(" ")
                self.pids[role] = int(number)
            case "died":
                self._died(*map(int, rest.split()))
            case "listening":
                self._listening = int(rest)
            case "worked":
                found.worked += pid == self.pids.get("client")
            case "open":
                found.associations += 1
            case "rotated":
                found.rotated += 1
            case "try":
                found.tried.add(int(rest))
            case "done":
                found.done.add(int(rest))
            case "did":
                found.did[int(rest)] += 1
            case "dying":
                if pid == self.pids.get("server") and rest in ("after accept", "unwitnessed accept"):
                    self._committed_in_flight()
            case "fault":
                found.faults.append(rest)
            case "refused":
                found.refused.append(rest)
            case "unknown":
                found.unknown += 1
            case "broken":
                found.broken.append(rest)

    def _died(self, pid: int, status: int) -> None:
        if status != signal.SIGKILL:
            self.found.broken.append(f"a child ended with status {status}")
        for role in [one for one, number in self.pids.items() if number == pid]:
            del self.pids[role]
            if role == "server":
                self.line.server_port = self._listening = None
                for pair in list(self.line.pairs):
                    if (last := pair.memory.get("last")) is not None and last.committed:
                        self._urgent.append(last)

    def _committed_in_flight(self) -> None:
        """The server has told that it dies with an accepted counter: whatever was sent last must never be served."""
        for pair in self.line.pairs:
            if (last := pair.memory.get("last")) is not None:
                last.committed = True

    # what passes

    def passing(self, pair: Pair, way: int, piece: bytes, apdu: bytes) -> bool:
        """The recorder sees everything, also what never arrives."""
        label = pair.memory["label"] = _label(pair, way, apdu)
        self.recorder.apdu(apdu, *self._sender(way), pair.number)
        if way == UP:
            pair.memory["last"] = recorded = Recorded(piece, label, self.pids.get("server", 0))
            self._sent.append(recorded)
        else:
            # a refusal tells nothing: what a key does not open that comes later may be taken once it has come
            if (last := pair.memory.get("last")) is not None and apdu[:1] != b"\xd8" and REFUSED not in apdu[:40]:
                last.committed = True
            if label == "response" and self.transport == "tcp":
                if self._answers and self.rng.random() < 0.02:
                    self.found.poisoned += 1
                    self.line.put_in(pair, self.rng.choice(self._answers), DOWN)
                self._answers.append(piece)
        trap = self.trap
        if trap is not None and trap.message == label and not trap.passed:
            self.trap = None
            self._strike(trap)
            return False
        return True

    def _sender(self, way: int) -> tuple[bytes, int]:
        """The title of who sends, and which of its lives it is in."""
        if way == UP:
            return CLIENT_TITLE, self.pids.get("client", 0)
        return SERVER_TITLE, self.pids.get("server", 0)

    def passed(self, pair: Pair, way: int, apdu: bytes) -> None:
        """After an answer the line is free for what was recorded."""
        trap, label = self.trap, pair.memory["label"]
        if trap is not None and trap.message == label and trap.passed:
            self.trap = None
            return self._strike(trap)
        if self.transport == "tcp" and way == DOWN and label == "response" and pair.memory["phase"] == "open":
            if self._urgent:
                self._put_in(pair, self._urgent.pop())
            elif self.rng.random() < 0.15:
                old = [one for one in self._sent if one.committed and one is not pair.memory["last"]]
                old = [one for one in old if one.label in ("request", "release", "pass 3")]
                if old:
                    self._put_in(pair, self.rng.choice(old))

    def _put_in(self, pair: Pair, old: Recorded) -> None:
        if old.label == "aarq":  # an AARQ begins anew whatever comes of it: it gets a connection of its own
            return
        pair.memory.setdefault("put in", collections.deque()).append(old)
        self.line.put_in(pair, old.piece, UP)

    def judged(self, pair: Pair, apdu: bytes) -> None:
        """What the server says to what it has seen before: an exception-response, or a release that is not finished."""
        old = pair.memory["put in"].popleft()
        if apdu[:1] == b"\xd8":
            self.found.replayed[f"exception {apdu[2]}"] += 1
        elif old.label == "release" and apdu[:5] == bytes.fromhex("6303800101"):
            self.found.replayed["release not finished"] += 1
        else:
            self.found.served.append(f"{old.label}: {apdu[:40].hex()}")

    def _attack(self) -> None:
        """Recorded AARQs, and what was under way, to a server that has just been started, before anybody else."""
        old = [one for one in self._sent if one.committed and one.label == "aarq"]
        picked = self.rng.sample(old, min(3, len(old))) + [one for one in self._urgent if one.label == "aarq"]
        if self.transport != "tcp" or not picked:
            return
        import socket

        with socket.create_connection(("127.0.0.1", self._listening or 0), BOUND_S) as line:
            line.settimeout(BOUND_S)
            for one in picked:
                line.sendall(one.piece)
                answer = line.recv(4096)[HEADER.size :]
                if answer[:1] == b"\x61" and REFUSED in answer:
                    self.found.replayed["association refused"] += 1
                else:
                    self.found.served.append(f"{one.label}: {answer[:60].hex()}")
            for one in [one for one in self._sent if one.committed and one.label == "request"][-3:]:
                line.sendall(one.piece)
                answer = line.recv(4096)[HEADER.size :]
                if answer[:1] == b"\xd8":
                    self.found.replayed["no association"] += 1
                else:
                    self.found.served.append(f"{one.label}: {answer[:60].hex()}")


def _key_files(folder: Path) -> None:
    """What both ends hold at the beginning, where they keep their keys in files."""
    device = DeviceKeys(key_set(SUITE_0), SUITE_0, SERVER_TITLE)
    for role in ROLES:
        KeyFile({"meter": device}).save(folder / f"{role}.keys")


def _label(pair: Pair, way: int, apdu: bytes) -> str:
    """What an APDU is, by what went before."""
    tag, memory = apdu[:1], pair.memory
    if tag == b"\x60":
        memory["phase"] = "asked"
        return "aarq"
    if tag == b"\x61":
        memory["phase"] = "pass 3"
        return "aare"
    if tag in (b"\x62", b"\x63"):
        return "release" if way == UP else "released"
    phase = memory.get("phase")
    if phase == "pass 3" and way == UP:
        memory["phase"] = "pass 4"
        return "pass 3"
    if phase == "pass 4" and way == DOWN:
        memory["phase"] = "open"
        return "pass 4"
    return "request" if way == UP else "response"

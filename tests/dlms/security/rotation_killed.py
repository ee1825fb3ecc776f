"""Kills a change of keys at every call that touches a file, and looks whether what is left opens the meter.

Run as a program with a folder: prints {"killed": n, "lost": [...], "candidates": [which key sets a recovery used]}.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from dlms.errors import LocalProtocolError, SecurityError
from dlms.security.keyfile import DeviceKeys, KeyFile
from dlms.security.keys import KeySet, Secret
from dlms.security.rotation import KEY_IDS, TABLE, Candidate, KeyChange, Rotation
from dlms.security.store import replace_private
from dlms.security.suite import SUITES
from dlms.security.wrap import unwrap
from tests.dlms.killing import armed

NAME = "meter"
NAMES_OF = {number: name for name, number in KEY_IDS.items()}


class Meter:
    """Keys in a file of its own, changed as a whole; it answers or is cut off."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def keys(self) -> DeviceKeys:
        return KeyFile.load(self.path)[NAME]

    def transfer(self, changes: tuple[KeyChange, ...]) -> None:
        held = self.keys
        master = held.keys.get("master", held.suite)
        new = {NAMES_OF[one.key_id]: unwrap(master, one.wrapped, held.suite) for one in changes}
        changed = DeviceKeys(held.keys.replace(**new), held.suite)
        replace_private(self.path, KeyFile({NAME: changed}).text().encode())

    def accepts(self, keys: KeySet) -> bool:
        held = self.keys.keys
        return (keys.encryption, keys.authentication) == (held.encryption, held.authentication)

    def has_master(self, master: Secret | None) -> bool:
        return master == self.keys.keys.master


def change(path: Path, meter: Meter, names: tuple[str, ...]) -> str:
    """A change of keys from wherever it stands to its end; which key set opened the meter at the start."""
    rotation = Rotation(path, NAME)
    kinds = ("master",) if "master" in names else ("encryption", "authentication")
    opened = ""
    if rotation.phases():
        opened = recover(rotation, meter, kinds)
    else:
        rotation.begin(names)
    if any(phase in TABLE["transfer"] for phase in rotation.phases().values()):
        meter.transfer(rotation.transfer())
        rotation.proven()
    rotation.activate()
    return opened


def recover(rotation: Rotation, meter: Meter, kinds: tuple[str, ...]) -> str:
    """Tries the candidates in their order, as a client would."""
    for candidate in rotation.candidates(kinds):
        if works(meter, candidate, kinds):
            rotation.accepted(candidate, kinds)
            return "NEXT" if candidate.next else "ACTIVE"
    raise LookupError("no candidate opens the meter")


def works(meter: Meter, candidate: Candidate, kinds: tuple[str, ...]) -> bool:
    return meter.has_master(candidate.keys.master) if "master" in kinds else meter.accepts(candidate.keys)


def killed_at(at: int, path: Path, meter: Meter, names: tuple[str, ...]) -> bool:
    """Whether the change was killed; False when it came to its end first."""
    child = os.fork()
    if child == 0:
        armed(at)
        change(path, meter, names)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    if status:
        raise LookupError(f"the change ended with status {status}")
    return False


def run(folder: Path) -> dict[str, Any]:
    killed, lost, seen = 0, [], set()
    pair = ("encryption", "authentication")
    for suite in SUITES.values():
        for names in (pair, ("encryption",), ("encryption", "broadcast"), ("master",)) if suite.id == 0 else (pair,):
            at, alive = 0, True
            while alive:
                place = folder / f"{suite.id} {'-'.join(names)} {at}"
                place.mkdir()
                path, meter = place / "keys.json", Meter(place / "meter.json")
                size = suite.key_length
                device = DeviceKeys(KeySet(b"e" * size, b"b" * size, b"a" * size, b"m" * size), suite)
                for file in (path, meter.path):
                    KeyFile({NAME: device}).save(file)
                alive = killed_at(at, path, meter, names)
                killed += alive
                try:
                    opened = change(path, meter, names) if alive else ""
                    after, held = KeyFile.load(path)[NAME], meter.keys
                    if after.next or after.keys != held.keys or after.keys == device.keys:
                        lost.append(f"{place.name}: {after.next}")
                    seen.add(opened)
                except (LookupError, LocalProtocolError, SecurityError) as fault:
                    lost.append(f"{place.name}: {fault}")
                at += 1
    return {"killed": killed, "lost": lost, "candidates": sorted(seen - {""})}


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]))))

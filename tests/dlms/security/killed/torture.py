"""Kills a process at every write of every change of a counter store, and looks what the next one finds.

Run as a program with a folder: prints {"hooked": ..., "killed": {change: writes}, "wrong": [...]}.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dlms.security.counters import CounterName, Direction
from dlms.security.store import CounterStoreError, SqliteCounterStore
from tests.dlms.security.killed.mortal import DISK

SENT = [CounterName(bytes((number,)) * 16, Direction.SENT, b"TTTTTTTT") for number in range(200)]
"""More than one page of the file holds."""
THEIRS = [name._replace(direction=Direction.ACCEPTED) for name in SENT]
BEFORE = 1000
CHANGES: dict[str, Callable[[SqliteCounterStore], Any]] = {
    "lease": lambda store: store.lease(SENT[7], 64),
    "lease of a new key": lambda store: store.lease(SENT[7]._replace(system_title=b"UUUUUUUU"), 64),
    "accept": lambda store: store.accept(THEIRS[150], 1 + (store.accepted(THEIRS[150]) or 0)),
    "skip": lambda store: store.skip_to(SENT[199], store.next_free(SENT[199]) + 500),
}


def killed_at(path: Path, write: int, change: Callable[[Path], Any]) -> str:
    """What a change said before it was killed at this write, "done" when it came to its end first."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writing, 1)
        DISK.die_at(write, "write")
        try:
            change(path)
        except BaseException as fault:
            os.write(1, f"failed {fault!r}".encode())
            os._exit(1)
        os.write(1, b"done")
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return "killed"
    return told if told else f"status {status}"


def opened(change: Callable[[SqliteCounterStore], Any]) -> Callable[[Path], Any]:
    """Opens the store and changes it, as a process would."""
    return lambda path: change(SqliteCounterStore.open(path))


def series(path: Path) -> dict[CounterName, int]:
    with SqliteCounterStore.open(path) as store:
        return store.series()


def fresh(folder: Path) -> Path:
    """A store with as many series as a fleet has, that stands where it was made."""
    path = folder / "counters"
    with SqliteCounterStore.create(path) as store:
        for name in SENT:
            store.lease(name, BEFORE)
            store.accept(name._replace(direction=Direction.ACCEPTED), BEFORE)
    return path


def run(folder: Path) -> dict[str, Any]:
    """Every change, killed at its first write, its second, and so on until it is not reached any more."""
    killed, wrong = {}, []
    path = fresh(folder)
    for name, change in CHANGES.items():
        write = 0
        before = series(path)
        while (told := killed_at(path, write, opened(change))) == "killed":
            write += 1
            try:
                after = series(path)
            except CounterStoreError as fault:
                wrong.append(f"{name}, write {write}: {fault}")
                break
            if any(after[one] < value for one, value in before.items()):
                wrong.append(f"{name}, write {write}: a counter went back")
            before = after
        if told != "done":
            wrong.append(f"{name}: {told}")
        elif series(path) == before:
            wrong.append(f"{name}: what was done is lost")
        killed[name] = write
    for name, make in (
        ("create", lambda path: SqliteCounterStore.create(path)),
        ("adopt", lambda path: SqliteCounterStore.adopt(path, skip=5)),
    ):
        write = 0
        place = folder / name
        while True:
            place.mkdir()
            store = place / "counters"
            if name == "adopt":
                for file in folder.glob("counters*"):
                    shutil.copy(file, place / file.name)
            told = killed_at(store, write, make)
            if told != "killed":
                break
            write += 1
            if name == "adopt":
                wrong += adopted_again(write, store, before)
            elif store.exists():
                wrong += half_made(write, store)
            shutil.rmtree(place)
        if told != "done":
            wrong.append(f"{name}: {told}")
        killed[name] = write
    return {"hooked": DISK.hooked, "killed": killed, "wrong": wrong}


def half_made(write: int, store: Path) -> list[str]:
    """What is left of a store that was being made is refused, or is an empty store."""
    try:
        return [] if series(store) == {} else [f"create, write {write}: not empty"]
    except CounterStoreError:
        return []


def adopted_again(write: int, store: Path, before: dict[CounterName, int]) -> list[str]:
    """An adoption that was killed is refused or has been done, and can be begun again."""
    try:
        found = [series(store)]
    except CounterStoreError:
        found = []
    with SqliteCounterStore.adopt(store, skip=5) as again:
        found.append(again.series())
    sent = [one for one in before if one.direction is Direction.SENT]
    if any(after[one] < before[one] + 5 for after in found for one in sent):
        return [f"adopt, write {write}: a counter is not beyond what was sent"]
    return []


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]))))

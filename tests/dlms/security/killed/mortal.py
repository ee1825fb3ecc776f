"""A counter store whose process ends itself at a chosen point; and SQLite made to end it in the midst of a write.

Only children of the tests import this: the production store knows nothing of it.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import dataclasses
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from dlms.security.counters import CounterName
from dlms.security.store import SqliteCounterStore

T = TypeVar("T")

_SYSTEM_CALLS = ("pwrite", "pwrite64")


def report(text: str) -> None:
    """One line to whoever watches; it is out when this returns, whatever happens then."""
    os.write(1, f"{os.getpid()} {text}\n".encode())


def die(point: str) -> None:
    """The end, without any cleaning up."""
    report(f"dying {point}")
    os.kill(os.getpid(), signal.SIGKILL)


@dataclasses.dataclass(frozen=True, slots=True)
class Death:
    """Where to end: `write` counts the writes of SQLite from the beginning of the change, for "within"."""

    point: str
    write: int = 0

    @classmethod
    def ordered(cls, order: Path, *changes: str) -> Death | None:
        """What the order says, once; None without one, and for one that is not about these changes."""
        try:
            point, _, write = order.read_text().partition(":")
            if point.split()[1] not in changes:
                return None
            order.unlink()
        except FileNotFoundError:
            return None
        return cls(point, int(write or 0))


class Mortal(SqliteCounterStore):
    """A store that looks, at each change, whether an order to die at it has come."""

    order: Path | None = None
    _death: Death | None = None

    def lease(self, name: CounterName, count: int, first: int = 0) -> range:
        return self._around("lease", lambda: super(Mortal, self).lease(name, count, first))

    def accept(self, name: CounterName, value: int) -> None:
        self._around("accept", lambda: super(Mortal, self).accept(name, value))

    def _around(self, change: str, do: Callable[[], T]) -> T:
        if self._death is None and self.order is not None:
            self._death = Death.ordered(self.order, "lease", "accept")
        self._at(f"before {change}")
        if self._death is not None and self._death.point == f"within {change}":
            DISK.die_at(self._death.write, self._death.point)
        self._change = change
        result = do()
        self._at(f"within {change}")  # it took fewer writes
        self._at(f"after {change}")
        return result

    def _testify(self) -> None:
        self._at(f"unwitnessed {getattr(self, '_change', '')}")
        super()._testify()

    def _at(self, point: str) -> None:
        if self._death is not None and self._death.point == point:
            die(point)


class Amnesic(Mortal):
    """A store that keeps nothing beyond its process, for tests of the tests."""

    def _keep(self, name: CounterName, value: int) -> None:
        self._values[name] = value


class _Vfs(ctypes.Structure):
    """`sqlite3_vfs`, version 3.  sqlite.org, C interface."""

    _fields_ = [
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("longest_path", ctypes.c_int),
        *((name, ctypes.c_void_p) for name in ("next", "name", "data", *(f"method_{n}" for n in range(13)))),
        ("set_system_call", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)),
    ]


class DyingDisk:
    """Takes the place of the system call by which SQLite writes, and ends the process at one of them, half done.

    `hooked` is False where SQLite is linked so that it cannot be reached.
    """

    def __init__(self) -> None:
        self._left: int | None = None
        self._point = ""
        self.written = 0
        self._calls: list[Any] = []
        try:
            find = ctypes.CDLL(_sqlite3.__file__).sqlite3_vfs_find
        except (AttributeError, OSError):
            self.hooked = False
            return
        find.restype = ctypes.POINTER(_Vfs)
        vfs = find(None)
        kind = ctypes.CFUNCTYPE(ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_longlong)
        call = kind(self._write)
        self._calls.append(call)
        done = [
            vfs.contents.set_system_call(vfs, name.encode(), ctypes.cast(call, ctypes.c_void_p))
            for name in _SYSTEM_CALLS
        ]
        self.hooked = 0 in done

    def die_at(self, write: int, point: str) -> None:
        """From now on the write with this number, counted from 0, is the last."""
        self._left, self._point = write, point

    def _write(self, file: int, buffer: int, size: int, offset: int) -> int:
        data = ctypes.string_at(buffer, size)
        self.written += 1
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                os.pwrite(file, data[: size // 2], offset)
                die(self._point)
        return os.pwrite(file, data, offset)


DISK = DyingDisk()

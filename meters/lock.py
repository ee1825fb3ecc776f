"""One process at a time works in a folder: a lock that ends with its holder, however it ends."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

NAME = ".lock"


class LockedError(OSError):
    """Another process works in the folder."""


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keep others out of a folder, which is made.  Raises LockedError when one is in, another
    OSError where none can be kept out.

    The lock is the operating system's, so one that died leaves at most an empty file, which does not count.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    descriptor = _locked(path)
    try:
        yield
    finally:
        try:
            # while it is held, so that it is never the file of another
            with contextlib.suppress(OSError):
                path.unlink()
        finally:
            os.close(descriptor)


def _locked(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        try:
            _lock(descriptor)
            if _is_at(descriptor, path):
                return descriptor
        except BlockingIOError as fault:
            os.close(descriptor)
            raise LockedError(f"another process is at work in {path.parent}") from fault
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the file is still there under its name: its last holder may have unlinked it before we got it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as fault:
            raise BlockingIOError(str(fault)) from fault
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

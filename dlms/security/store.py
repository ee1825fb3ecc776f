"""What security keeps on disk: counters in SQLite, and files that only their owner may read.

The one module of the package that touches files.
"""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
import sqlite3
import stat
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dlms.errors import LocalProtocolError
from dlms.security.counters import CounterName, Direction, MemoryCounterStore

MAX_PRIVATE_FILE = 1 << 24
"""Octets of the longest private file that is read."""

_SCHEMA = """
BEGIN EXCLUSIVE;
CREATE TABLE store (id TEXT NOT NULL, place TEXT NOT NULL, sequence INTEGER NOT NULL, total INTEGER NOT NULL);
CREATE TABLE counter (
    fingerprint BLOB NOT NULL, direction TEXT NOT NULL, system_title BLOB NOT NULL,
    value INTEGER NOT NULL CHECK (typeof(value) = 'integer' AND value BETWEEN 0 AND 0xFFFFFFFF),
    PRIMARY KEY (fingerprint, direction, system_title)
) WITHOUT ROWID;
CREATE TRIGGER inserted AFTER INSERT ON counter BEGIN
    UPDATE store SET sequence = sequence + 1, total = total + new.value + 1;
END;
CREATE TRIGGER updated AFTER UPDATE ON counter BEGIN
    UPDATE store SET sequence = sequence + 1, total = total + new.value - old.value;
END;
COMMIT;
"""

_KEEP = """
INSERT INTO counter VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value WHERE excluded.value > value
"""

_TOTAL = "SELECT ifnull(sum(value + 1), 0) FROM counter"
"""What `store.total` must be: as counters only rise, a page of the file that is older than the others makes it less."""

_SKIP = "UPDATE counter SET value = min(value + ?, 0xFFFFFFFF) WHERE direction = ?"

_POSIX = os.name == "posix"


class CounterStoreError(LocalProtocolError):
    """The counter store is missing, in use, older than it was, a copy, or cannot be written: nothing may be sent."""


class PrivateFileError(LocalProtocolError):
    """A file of secrets is missing, readable by others, too long, or cannot be written."""


class SqliteCounterStore(MemoryCounterStore):
    """Counters in one SQLite file that one process owns: `create` it once, then `open` it.

    Beside the file stands a witness, a small file that counts the changes; put it on another disk and out of the
    backup if you can.  `open` refuses a store that is missing, that its witness does not know, that has seen fewer
    changes than the witness counted (it was restored from a backup), or that does not stand where it was made (it
    was copied).  What it cannot see: file and witness both written over, in place, with an old copy of both.
    After a move or a restore `adopt` makes the store usable again by skipping numbers.

    Threads that share a store give it a `lock`; without one, only the thread that opened it can use it.
    """

    def __init__(self, path: Path, witness: Path, lock: AbstractContextManager[Any] | None) -> None:
        """Takes hold of the file and checks nothing else: use `create`, `open` or `adopt`."""
        super().__init__(lock=lock)
        self.path, self.witness = path, witness
        with _translated(path):
            if not path.exists():
                raise CounterStoreError(f"{path}: the counter store is missing; used numbers would be used again")
            self._database = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=lock is None)
        try:
            self._execute("PRAGMA locking_mode = EXCLUSIVE")
            # FULL, and the directory synced too
            self._execute("PRAGMA synchronous = EXTRA")
            self._execute("BEGIN EXCLUSIVE")
            self._execute("COMMIT")
        except CounterStoreError:
            self.close()
            raise

    @classmethod
    def create(
        cls, path: Path, witness: Path | None = None, *, lock: AbstractContextManager[Any] | None = None
    ) -> Self:
        """A new, empty store.  Raises CounterStoreError where a store or its witness exists already."""
        witness = _witness_of(path, witness)
        if path.exists() or witness.exists():
            raise CounterStoreError(f"{path}: there is a counter store, or the witness of one, already")
        with _translated(path):
            write_private(path, b"")
        store = cls(path, witness, lock)
        with store._or_closed(), _translated(path):
            # a log costs one sync for each change where a journal costs four; the file remembers that it has one
            store._execute("PRAGMA journal_mode = WAL")
            store._database.executescript(_SCHEMA)
            store._bind()
        return store

    @classmethod
    def open(cls, path: Path, witness: Path | None = None, *, lock: AbstractContextManager[Any] | None = None) -> Self:
        """The store as it was left.  Raises CounterStoreError for every reason given above."""
        store = cls(path, _witness_of(path, witness), lock)
        with store._or_closed():
            store._check()
            store._load()
        return store

    @classmethod
    def adopt(
        cls,
        path: Path,
        witness: Path | None = None,
        *,
        skip: int,
        lock: AbstractContextManager[Any] | None = None,
    ) -> Self:
        """Makes a moved or restored store usable here: each series of sent numbers goes forward by `skip`.

        `skip` must exceed what was sent since the copy was made.  A series that reaches its end refuses from then
        on.  What was accepted since the copy was made can be replayed to us.
        """
        if skip < 1:
            raise CounterStoreError(f"{path}: skipping {skip} numbers protects nothing")
        store = cls(path, _witness_of(path, witness), lock)
        with store._or_closed():
            store._execute(_SKIP, skip, Direction.SENT)
            store._bind()
            store._load()
        return store

    def close(self) -> None:
        """Lets the file go; the unused numbers of open leases are skipped for good."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _keep(self, name: CounterName, value: int) -> None:
        """One durable change: the file first, then its witness, and only then may the number be used."""
        self._execute(_KEEP, *name, value)
        self._testify()
        super()._keep(name, value)

    def _execute(self, statement: str, *values: object) -> Any:
        with _translated(self.path):
            return self._database.execute(statement, values).fetchone()

    def _identity(self) -> tuple[str, str, int]:
        """What the store says of itself: id, place, number of changes."""
        row = self._execute("SELECT id, place, sequence FROM store")
        if row is None:
            raise CounterStoreError(f"{self.path}: the counter store was never finished")
        return str(row[0]), str(row[1]), int(row[2])

    def _testify(self) -> None:
        identity, _, sequence = self._identity()
        with _translated(self.witness):
            _overwrite(self.witness, f"{identity} {sequence:020}\n".encode())

    def _bind(self) -> None:
        """A new identity for the store that stands here now."""
        with _translated(self.path):
            self._database.execute("BEGIN EXCLUSIVE")
            self._database.execute("DELETE FROM store")
            made = secrets.token_hex(16), _place(self.path)
            self._database.execute(f"INSERT INTO store VALUES (?, ?, 0, ({_TOTAL}))", made)
            self._database.execute("COMMIT")
        self._testify()

    def _check(self) -> None:
        """Refuses a store that is not the one that its witness knows."""
        identity, place, sequence = self._identity()
        try:
            known, _, counted = self.witness.read_text("ascii", "replace").strip().partition(" ")
        except OSError as fault:
            raise CounterStoreError(f"{self.witness}: the witness of the counter store is missing") from fault
        if known != identity or not counted.isdecimal():
            raise CounterStoreError(f"{self.witness}: this is not the witness of the counter store {self.path}")
        if sequence < int(counted):
            raise CounterStoreError(f"{self.path}: the counter store is older than its witness: it was restored")
        if place != _place(self.path):
            raise CounterStoreError(f"{self.path}: the counter store was copied or moved here")
        if self._execute(f"SELECT total = ({_TOTAL}) FROM store") != (1,):
            raise CounterStoreError(f"{self.path}: parts of the counter store are older than others: it was restored")

    def _load(self) -> None:
        with _translated(self.path):
            rows = self._database.execute("SELECT fingerprint, direction, system_title, value FROM counter").fetchall()
        self._values = {CounterName(key, Direction(way), title): value for key, way, title, value in rows}

    @contextlib.contextmanager
    def _or_closed(self) -> Iterator[None]:
        """Lets the file go when the body fails."""
        try:
            yield
        except BaseException:
            self.close()
            raise


def read_private(path: Path) -> bytes:
    """A file of secrets.  Raises PrivateFileError unless it is a regular file that only its owner can read."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise PrivateFileError(f"{path}: not a regular file")
            if _POSIX and status.st_mode & 0o077:
                raise PrivateFileError(f"{path}: mode {status.st_mode & 0o777:04o} lets others in; chmod 600 it")
            content = file.read(MAX_PRIVATE_FILE + 1)
    except OSError as fault:
        raise PrivateFileError(f"{path}: {fault.strerror}") from fault
    if len(content) > MAX_PRIVATE_FILE:
        raise PrivateFileError(f"{path}: longer than {MAX_PRIVATE_FILE} octets")
    return content


def write_private(path: Path, content: bytes) -> None:
    """A new file that only its owner can read, written through to the disk.  Raises PrivateFileError."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            _write_through(file.fileno(), content)
        _sync_folder(path)
    except OSError as fault:
        raise PrivateFileError(f"{path}: {fault.strerror}") from fault


def replace_private(path: Path, content: bytes) -> None:
    """The same for a file that may exist: readers see the old content or the new, never a part.

    When it returns, the new content survives a power cut.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        write_private(fresh, content)
        fresh.replace(path)
        _sync_folder(path)
    except OSError as fault:
        fresh.unlink(missing_ok=True)
        raise PrivateFileError(f"{path}: {fault.strerror}") from fault
    except PrivateFileError:
        fresh.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keeps other processes from changing a private file, for as long as the body runs; waits while they do.

    What is locked is `.NAME.lock` beside it, as the file itself is replaced by each change.  The lock ends with the
    process, however that ends.  What a process that was killed has left half written is removed.  Raises
    PrivateFileError.
    """
    beside = path.with_name(f".{path.name}.lock")
    try:
        file = os.open(beside, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as fault:
        raise PrivateFileError(f"{beside}: {fault.strerror}") from fault
    try:
        try:
            _lock(file)
            for left in path.parent.glob(f".{glob.escape(path.name)}.{'[0-9a-f]' * 16}"):
                left.unlink(missing_ok=True)
        except OSError as fault:
            raise PrivateFileError(f"{beside}: {fault.strerror}") from fault
        yield
    finally:
        os.close(file)


def _lock(file: int) -> None:
    """Waits for the file to be ours alone; a thread that holds it already waits for ever."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_LOCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)


def _sync_folder(path: Path) -> None:
    """The name of a file is durable when its folder is."""
    if _POSIX:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _overwrite(path: Path, content: bytes) -> None:
    """One short record in place: it fits in a disk's sector, so that it is written whole or not at all."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        _write_through(file, content)
    finally:
        os.close(file)


def _write_through(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]
    os.fsync(file)


def _witness_of(path: Path, witness: Path | None) -> Path:
    return path.with_name(path.name + ".witness") if witness is None else witness


def _place(path: Path) -> str:
    """What a copy does not share with its original."""
    return f"{path.resolve()} {path.stat().st_ino}"


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Faults of SQLite and of the file system as CounterStoreError, cause chained."""
    try:
        yield
    except (sqlite3.Error, OSError, PrivateFileError) as fault:
        raise CounterStoreError(f"{path}: the counter store cannot be used: {fault}") from fault

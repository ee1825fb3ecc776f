"""The counter store on disk refuses to start when it could repeat a number; private files stay private."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dlms.errors import LocalProtocolError
from dlms.security import store as module
from dlms.security.counters import CounterExhaustedError, CounterName, Counters, Direction, SendCounter
from dlms.security.keys import Secret
from dlms.security.store import (
    MAX_PRIVATE_FILE,
    CounterStoreError,
    PrivateFileError,
    SqliteCounterStore,
    read_private,
    replace_private,
    write_private,
)

NAME = CounterName(b"f" * 16, Direction.SENT, b"TTTTTTTT")
THEIRS = NAME._replace(direction=Direction.ACCEPTED)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    SqliteCounterStore.create(tmp_path / "counters").close()
    return tmp_path / "counters"


def witness_of(path: Path) -> Path:
    return path.with_name("counters.witness")


def lease(path: Path, count: int = 10) -> range:
    with SqliteCounterStore.open(path) as store:
        return store.lease(NAME, count)


def test_counters_survive(path):
    with SqliteCounterStore.open(path) as store:
        assert store.lease(NAME, 10) == range(10)
        store.accept(THEIRS, 41)
    with SqliteCounterStore.open(path) as store:
        assert store.lease(NAME, 10) == range(10, 20)
        assert store.accepted(THEIRS) == 41


def test_a_killed_process_repeats_nothing(path):
    code = (
        "import os, sys; from pathlib import Path; from dlms.security.counters import Counters;"
        "from dlms.security.store import SqliteCounterStore;"
        "s = SqliteCounterStore.open(Path(sys.argv[1]));"
        "c = Counters(s, block=8).sending(b'f' * 16, b'TTTTTTTT');"
        "print([c.draw() for _ in range(3)], flush=True); os._exit(9)"
    )
    drawn = [
        subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True).stdout.strip()
        for _ in range(2)
    ]
    assert drawn == ["[0, 1, 2]", "[8, 9, 10]"]


def test_missing(tmp_path):
    with pytest.raises(CounterStoreError, match="missing"):
        SqliteCounterStore.open(tmp_path / "counters")
    assert list(tmp_path.iterdir()) == []


def test_deleted(path):
    path.unlink()
    with pytest.raises(CounterStoreError, match="missing"):
        SqliteCounterStore.open(path)


def test_not_made_twice(path):
    with pytest.raises(CounterStoreError, match="already"):
        SqliteCounterStore.create(path)
    path.unlink()
    with pytest.raises(CounterStoreError, match="already"):
        SqliteCounterStore.create(path)


def test_witness_missing(path):
    witness_of(path).unlink()
    with pytest.raises(CounterStoreError, match=r"witness .* missing"):
        SqliteCounterStore.open(path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"0" * 32 + b" 5\n", b"ID x\n", b"ID\n", b"ID -1\n"])
def test_witness_of_another_store(path, content):
    identity = witness_of(path).read_bytes().split()[0]
    witness_of(path).write_bytes(content.replace(b"ID", identity))
    with pytest.raises(CounterStoreError, match="not the witness"):
        SqliteCounterStore.open(path)


def test_older_store_written_back_in_place(path):
    lease(path)
    backup = path.read_bytes()
    lease(path)
    path.write_bytes(backup)
    with pytest.raises(CounterStoreError, match="older than its witness"):
        SqliteCounterStore.open(path)


def test_older_by_one_accepted_message(path):
    backup = path.read_bytes()
    with SqliteCounterStore.open(path) as store:
        store.accept(THEIRS, 1)
    path.write_bytes(backup)
    with pytest.raises(CounterStoreError, match="older"):
        SqliteCounterStore.open(path)


def test_store_newer_than_its_witness_was_cut_short_by_a_crash(path):
    witness = witness_of(path).read_bytes()
    lease(path)
    witness_of(path).write_bytes(witness)
    assert lease(path) == range(10, 20)


def killed_after(path: Path, changes: str) -> None:
    """A process that changes the store (`s`) and ends without closing it."""
    code = (
        "import os, sys; from pathlib import Path; from dlms.security.counters import CounterName, Direction;"
        "from dlms.security.store import SqliteCounterStore; s = SqliteCounterStore.open(Path(sys.argv[1]));"
        f"n = lambda i: CounterName(i.to_bytes(16, 'big'), Direction.SENT, b'TTTTTTTT'); {changes}; os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == 9


def test_the_log_of_a_killed_process_belongs_to_the_store(path):
    killed_after(path, "s.lease(n(1), 10)")
    log = path.with_name("counters-wal")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    content = log.read_bytes()
    log.unlink()
    with pytest.raises(CounterStoreError, match="older than its witness"):
        SqliteCounterStore.open(path)
    log.write_bytes(content)
    with SqliteCounterStore.open(path) as store:
        assert list(store.series().values()) == [10]
    assert not log.exists()


def test_a_backup_under_the_log_of_a_killed_process_is_refused(path):
    """What the log has is new, with the number of changes that the witness knows; what it has not is old."""
    fleet = "[s.lease(n(i), 10) for i in range(300)]"
    killed_after(path, fleet)
    SqliteCounterStore.open(path).close()
    backup = path.read_bytes()
    killed_after(path, fleet)
    SqliteCounterStore.open(path).close()
    killed_after(path, "s.lease(n(299), 10)")
    assert path.with_name("counters-wal").exists()
    path.write_bytes(backup)
    with pytest.raises(CounterStoreError, match="parts of the counter store are older"):
        SqliteCounterStore.open(path)
    with SqliteCounterStore.adopt(path, skip=1000) as store:
        assert min(store.series().values()) == 1010
    SqliteCounterStore.open(path).close()


def test_copy_is_refused(path, tmp_path):
    lease(path)
    copied = tmp_path / "copy" / "counters"
    copied.parent.mkdir()
    for file in (path, witness_of(path)):
        shutil.copy2(file, copied.parent / file.name)
    with pytest.raises(CounterStoreError, match="copied or moved"):
        SqliteCounterStore.open(copied)
    assert lease(path) == range(10, 20)


def test_copy_put_back_under_the_old_name_is_refused(path):
    shutil.copy2(path, path.with_name("aside"))
    path.with_name("aside").replace(path)
    with pytest.raises(CounterStoreError, match="copied or moved"):
        SqliteCounterStore.open(path)


def test_moved_away_and_new_witness_elsewhere(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    witness = tmp_path / "elsewhere" / "w"
    SqliteCounterStore.create(tmp_path / "counters", witness).close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["counters", "elsewhere"]
    with SqliteCounterStore.open(tmp_path / "counters", witness) as store:
        store.lease(NAME, 1)
    with pytest.raises(CounterStoreError, match=r"witness .* missing"):
        SqliteCounterStore.open(tmp_path / "counters")


def test_adopting_skips_what_may_have_been_used(path):
    with SqliteCounterStore.open(path) as store:
        store.lease(NAME, 10)
        store.accept(THEIRS, 41)
    backup = path.read_bytes()
    lease(path, 1000)
    path.write_bytes(backup)
    with SqliteCounterStore.adopt(path, skip=5000) as store:
        assert store.lease(NAME, 1) == range(5010, 5011)
        assert store.accepted(THEIRS) == 41
    assert lease(path, 1) == range(5011, 5012)


@pytest.mark.parametrize("skip", [0, -5])
def test_adopting_must_skip(path, skip):
    with pytest.raises(CounterStoreError, match="protects nothing"):
        SqliteCounterStore.adopt(path, skip=skip)


def test_adopting_makes_an_old_witness_worthless(path):
    old = witness_of(path).read_bytes()
    SqliteCounterStore.adopt(path, skip=1).close()
    witness_of(path).write_bytes(old)
    with pytest.raises(CounterStoreError, match="not the witness"):
        SqliteCounterStore.open(path)


def test_adopting_beyond_the_end_ends_the_series(path):
    lease(path)
    with SqliteCounterStore.adopt(path, skip=1 << 40) as store, pytest.raises(CounterExhaustedError):
        store.lease(NAME, 1)


def test_adopting_needs_a_store(tmp_path):
    with pytest.raises(CounterStoreError, match="missing"):
        SqliteCounterStore.adopt(tmp_path / "counters", skip=1)


def test_one_process_owns_it(path):
    with SqliteCounterStore.open(path), pytest.raises(CounterStoreError, match="locked"):
        SqliteCounterStore.open(path)
    SqliteCounterStore.open(path).close()


@pytest.mark.parametrize("content", [b"", b"not a database at all, but a text that is long enough" * 20])
def test_not_a_store(path, content):
    path.write_bytes(content)
    with pytest.raises(CounterStoreError):
        SqliteCounterStore.open(path)


def test_never_finished(path):
    database = sqlite3.connect(path)
    database.execute("DELETE FROM store")
    database.commit()
    database.close()
    with pytest.raises(CounterStoreError, match="never finished"):
        SqliteCounterStore.open(path)


def test_values_cannot_be_forged_out_of_range(path):
    database = sqlite3.connect(path)
    for value in (-1, 1 << 32, "many", None):
        with pytest.raises(sqlite3.IntegrityError):
            database.execute("INSERT INTO counter VALUES (x'00', 'sent', x'00', ?)", (value,))
    database.close()


def test_a_number_is_used_only_after_file_and_witness(path, monkeypatch):
    with SqliteCounterStore.open(path) as store:

        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(module, "_overwrite", fail)
            with pytest.raises(CounterStoreError, match="No space left"):
                store.lease(NAME, 10)
            with pytest.raises(CounterStoreError, match="No space left"):
                store.accept(THEIRS, 1)
            with pytest.raises(CounterStoreError, match="No space left"):
                store.skip_to(NAME, 50)
        assert (store.next_free(NAME), store.accepted(THEIRS)) == (0, None)
        assert store.lease(NAME, 10) == range(10)


def test_a_closed_store_gives_nothing(path):
    store = SqliteCounterStore.open(path)
    store.close()
    with pytest.raises(CounterStoreError, match="closed"):
        store.lease(NAME, 1)


def test_every_change_is_counted(path):
    def counted() -> int:
        return int(witness_of(path).read_text().split()[1])

    with SqliteCounterStore.open(path) as store:
        before = counted()
        store.lease(NAME, 1)
        assert counted() == before + 1
        store.lease(NAME, 1)
        assert counted() == before + 2
        store.accept(THEIRS, 1)
        store.skip_to(NAME, 9)
        assert counted() == before + 4


def test_written_through(path):
    with SqliteCounterStore.open(path) as store:
        assert store._execute("PRAGMA synchronous")[0] == 3  # EXTRA: FULL and more
        assert store._execute("PRAGMA journal_mode")[0] == "wal"
        assert store._execute("PRAGMA locking_mode")[0] == "exclusive"


def test_another_thread_needs_a_lock(path):
    found: list[object] = []

    def use(store: SqliteCounterStore) -> None:
        try:
            found.append(store.lease(NAME, 1))
        except LocalProtocolError as fault:
            found.append(type(fault))

    for lock in (None, threading.Lock()):
        with SqliteCounterStore.open(path, lock=lock) as store:
            thread = threading.Thread(target=use, args=(store,))
            thread.start()
            thread.join()
    assert found == [CounterStoreError, range(1)]


def test_the_lock_is_held_for_each_change(path):
    class Watched:
        held = 0

        def __enter__(self) -> None:
            self.held += 1

        def __exit__(self, *_: object) -> None:
            pass

    for give in (
        lambda lock: SqliteCounterStore.open(path, lock=lock),
        lambda lock: SqliteCounterStore.adopt(path, skip=1, lock=lock),
    ):
        lock = Watched()
        with give(lock) as store:
            before = lock.held
            store.skip_to(NAME, store.next_free(NAME) + 5)
            assert lock.held == before + 1


def test_keys_are_not_in_the_file(path):
    key = Secret(bytes.fromhex("C0FFEE00C0FFEE11C0FFEE22C0FFEE33"))
    with SqliteCounterStore.open(path) as store:
        Counters(store).sending(key.fingerprint(b"invocation counter"), b"TTTTTTTT").draw()
    for file in path.parent.iterdir():
        assert key.reveal() not in file.read_bytes()
        assert key.reveal().hex().encode() not in file.read_bytes().lower()


def test_everything_is_private(path):
    lease(path)
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_private_file_round_trip(tmp_path):
    file = tmp_path / "keys"
    write_private(file, b"one")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_private(file) == b"one"
    with pytest.raises(PrivateFileError, match="exists"):
        write_private(file, b"two")
    replace_private(file, b"three")
    assert read_private(file) == b"three"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666])
def test_a_file_that_others_can_use_is_refused(tmp_path, mode):
    file = tmp_path / "keys"
    write_private(file, b"C0FFEE")
    file.chmod(mode)
    with pytest.raises(PrivateFileError, match=f"mode {mode:04o}"):
        read_private(file)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_of_its_owner_is_read(tmp_path, mode):
    file = tmp_path / "keys"
    write_private(file, b"C0FFEE")
    file.chmod(mode)
    assert read_private(file) == b"C0FFEE"


def test_what_is_not_a_file(tmp_path):
    with pytest.raises(PrivateFileError, match="No such file"):
        read_private(tmp_path / "keys")
    with pytest.raises(PrivateFileError):
        read_private(tmp_path)
    with pytest.raises(PrivateFileError, match="regular"):
        read_private(Path(os.devnull))
    with pytest.raises(PrivateFileError):
        replace_private(tmp_path / "absent" / "keys", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(PrivateFileError):
        replace_private(tmp_path / "folder", b"")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_long_files_are_refused(tmp_path):
    write_private(tmp_path / "fits", bytes(MAX_PRIVATE_FILE))
    assert len(read_private(tmp_path / "fits")) == MAX_PRIVATE_FILE
    write_private(tmp_path / "long", bytes(MAX_PRIVATE_FILE + 1))
    with pytest.raises(PrivateFileError, match="longer"):
        read_private(tmp_path / "long")


def test_send_counters_of_two_runs_never_meet(path):
    drawn: list[int] = []
    for draws in (3, 0, 5, 70):
        with SqliteCounterStore.open(path) as store:
            counter = SendCounter(store, NAME)
            drawn += [counter.draw() for _ in range(draws)]
    assert drawn == sorted(set(drawn))


@pytest.fixture
def disk(monkeypatch) -> list[str]:
    """What is asked of the system, in order: the names of the files that are opened, synced, put in place, closed."""
    calls: list[str] = []
    names: dict[int, str] = {}

    def open_(path, flags, mode=0o777, real=os.open):
        file = real(path, flags, mode)
        names[file] = "folder" if os.path.isdir(path) else os.path.basename(path)
        return file

    def fsync(file, real=os.fsync):
        calls.append(f"sync {names[file]}")
        real(file)

    def replace(source, target, real=os.replace):
        calls.append(f"{os.path.basename(source)} becomes {os.path.basename(target)}")
        real(source, target)

    def close(file, real=os.close):
        calls.append(f"close {names.pop(file, '?')}")
        real(file)

    for name, instead in (("open", open_), ("fsync", fsync), ("replace", replace), ("close", close)):
        monkeypatch.setattr(os, name, instead)
    return calls


def test_a_private_file_is_on_the_disk_before_it_counts(tmp_path, disk, monkeypatch):
    monkeypatch.setattr(module.secrets, "token_hex", lambda size: "f" * 2 * size)
    write_private(tmp_path / "keys", b"one")
    assert disk == ["sync keys", "sync folder", "close folder"]
    disk.clear()
    fresh = ".keys." + "f" * 16
    replace_private(tmp_path / "keys", b"two")
    synced = [f"sync {fresh}", "sync folder", "close folder"]
    assert disk == [*synced, f"{fresh} becomes keys", "sync folder", "close folder"]


def test_a_witness_is_on_the_disk_before_its_number_is_given(path, disk):
    with SqliteCounterStore.open(path) as store:
        disk.clear()
        store.lease(NAME, 1)
        assert disk == ["sync counters.witness", "close counters.witness"]


def test_a_lock_is_let_go_when_the_body_fails(tmp_path, disk):
    with pytest.raises(ZeroDivisionError), module.locked(tmp_path / "keys"):
        raise ZeroDivisionError
    assert disk == ["close .keys.lock"]


def test_a_lock_that_cannot_be_taken(tmp_path, monkeypatch):
    def refuse(file: int) -> None:
        raise OSError(37, "No locks available")

    with pytest.raises(PrivateFileError, match=r"absent/.keys.lock"), module.locked(tmp_path / "absent" / "keys"):
        pass
    monkeypatch.setattr(module, "_lock", refuse)
    with pytest.raises(PrivateFileError, match=r"keys.lock: No locks available"), module.locked(tmp_path / "keys"):
        pass


def test_series_are_told(path):
    with SqliteCounterStore.open(path) as store:
        store.lease(NAME, 10)
        store.accept(THEIRS, 41)
        told = store.series()
        assert told == {NAME: 10, THEIRS: 41}
        told.clear()
        assert store.next_free(NAME) == 10

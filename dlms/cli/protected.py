"""Keys, counters and titles of one command, out of the key file and the counter store that its options name."""

from __future__ import annotations

import atexit
import datetime
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from dlms.ciphering import Security
    from dlms.security.policy import Envelope, Protection
    from dlms.security.store import SqliteCounterStore


class Protected(NamedTuple):
    """What an association with a device of the key file needs."""

    security: Security
    secret: bytes
    file: Path
    name: str
    """The entry of the key file."""


def protected(
    keys: Path,
    device: str | None,
    counters: Path | None,
    protection: Protection,
    envelope: Envelope,
    dedicated: bool,
    allow_unauthenticated: bool,
) -> Protected:
    """The keys of `device` (the only one when None).  The store is closed when the process ends.

    Raises DlmsError for a file that cannot be used, BadParameter for options that do not go together.
    """
    from dlms.ciphering import Security
    from dlms.security.counters import Counters
    from dlms.security.keyfile import KeyFile

    file = KeyFile.load(keys)
    identities = {one.identity for one in file.devices.values()}
    names = [name for name in file.devices if name not in identities]
    if device is None and len(names) != 1:
        raise typer.BadParameter(f"{keys} has {len(names)} devices: say which with --device")
    name = names[0] if device is None else device
    own, peer = file.identity(name).system_title, file[name].system_title
    if own is None or own == peer:
        raise typer.BadParameter(f"{keys}: the device {name!r} has no identity with a system title of ours")
    store = counter_store(counters)
    peers = file.peers(datetime.datetime.now(datetime.UTC))
    security = Security(
        file.provider(name, peers),
        Counters(store),
        own,
        peer,
        protection,
        envelope,
        dedicated,
        allow_unauthenticated=allow_unauthenticated,
    )
    secret = file[name].secret
    return Protected(security, b"" if secret is None else secret.reveal(), keys, name)


def counter_store(path: Path | None, lock: AbstractContextManager[Any] | None = None) -> SqliteCounterStore:
    """The store of a command's counters, closed when the process ends; with a `lock` threads may share it.

    Raises BadParameter without one, DlmsError for one that cannot be used.
    """
    from dlms.security.store import SqliteCounterStore

    if path is None:
        raise typer.BadParameter(
            "keys need --counters FILE, or used numbers would be used again: dlms keys counters create"
        )
    store = SqliteCounterStore.open(path, lock=lock)
    atexit.register(store.close)
    return store

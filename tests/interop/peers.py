"""The peers by name.  What is not installed is skipped on a desk, and is a failure where the tests must be complete."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.peer import Peer

PACKAGES = {"gurux-dlms": "gurux_dlms", "dlms-cosem": "dlms_cosem"}
_CLASSES = {"gurux-dlms": ("gurux", "GuruxPeer"), "dlms-cosem": ("cosem", "CosemPeer")}


@contextlib.contextmanager
def connected(
    name: str, url: str, client: int, server: int, password: str | None = None, **options: Any
) -> Iterator[Peer]:
    """An association with a peer's client; it ends in good order unless the test has failed.

    Skips the test, or fails it under CI, when the peer is not installed.
    """
    peer = _connect(name, url, client, server, password, **options)
    try:
        yield peer
        if not peer.failed:
            peer.close()
    finally:
        peer.hang_up()


def _connect(name: str, url: str, client: int, server: int, password: str | None, **options: Any) -> Peer:
    if importlib.util.find_spec(PACKAGES[name]) is None:
        why = f"{name} is not installed (extra `interop`)"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    module, kind = _CLASSES[name]
    peer: Peer = getattr(importlib.import_module(f"tests.interop.{module}"), kind)(
        url, client, server, password, **options
    )
    return peer

"""A serial port that is served: one thread, one session after the other on the same line."""

from __future__ import annotations

import threading
from collections.abc import Callable

from dlms.errors import LinkError
from dlms.media import Medium


class SerialServer:
    """Calls `serve` with the port on a thread of its own until `close`."""

    def __init__(self, medium: Medium, serve: Callable[[Medium], None]) -> None:
        self._medium, self._serve = medium, serve
        self._thread = threading.Thread(target=self._run, name="serve serial", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Give the port back and wait until the thread is done."""
        self._medium.close()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            self._serve(self._medium)
        except LinkError:
            return  # the port is gone or was given back: that is how a line ends

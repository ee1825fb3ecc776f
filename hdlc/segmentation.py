"""Messages longer than one information field: cut into segments, and put together again within a bound."""

from __future__ import annotations

from collections.abc import Iterator


def segments(message: bytes, size: int) -> Iterator[tuple[bytes, bool]]:
    """The information fields of at most `size` octets that carry `message`, each with whether more follow."""
    last = max(0, len(message) - 1) // size * size
    for start in range(0, last + 1, size):
        yield message[start : start + size], start != last


class Reassembly:
    """Collects the segments of one message.

    A segment counts for at least one octet, so that empty ones without end reach the limit too.
    """

    def __init__(self) -> None:
        self._octets = bytearray()
        self._count = 0

    @property
    def is_open(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._count > 0

    def fits(self, info: bytes, limit: int) -> bool:
        """Whether the message stays within `limit` octets with this segment."""
        return max(len(self._octets) + len(info), self._count) <= limit

    def add(self, info: bytes, more: bool) -> bytes | None:
        """Take one segment; the whole message when it was the last."""
        self._octets += info
        self._count += 1
        if more:
            return None
        message = bytes(self._octets)
        self.clear()
        return message

    def clear(self) -> None:
        """Forget what has been collected."""
        self._octets, self._count = bytearray(), 0

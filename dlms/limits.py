"""What a peer may make us do: the named bounds of everything that is received.

Sizes are octets, times seconds.  The wire may claim more; nothing is allocated or repeated because of a claim.
"""

from __future__ import annotations

MAX_DEPTH = 32
"""Nesting of arrays and structures in one Data value."""

MAX_NODES = 1_000_000
"""Elements of one Data value, all levels together."""

MAX_APDU = 65_535
"""One APDU as the lower layer delivers it."""

MAX_TRANSFER = 16 * 1024 * 1024
"""One value that arrives in blocks, reassembled."""

MAX_BLOCKS = 65_535
"""Blocks of one such value."""

MAX_STALLS = 16
"""Turns of a general block transfer that bring nothing, one after the other, before it is given up."""

MAX_PARALLEL = 8
"""Requests that wait for their answers at once in one association."""

MAX_UNOPENED = 64
"""Envelopes that cannot be opened, and do not tell what is inside, before the request that waits meanwhile is given up."""

MAX_LIST = 64
"""Attributes or methods in one with-list service that a server answers."""

MAX_BER_DEPTH = 8
"""Nesting of BER elements in an ACSE APDU."""

MAX_PUSHES = 16
"""Notifications that wait in a server, in one association, for the acknowledgement of the one before."""

MAX_NOTIFICATIONS = 1_000
"""Notifications kept for the application before the oldest is dropped and counted."""

RESPONSE_TIMEOUT_S = 5.0
"""Budget of one exchange, link repetitions included."""

COPY_S = 0.25
"""How much later than a datagram its copy comes, where nothing else tells it from the next one."""

INACTIVITY_TIMEOUT_S = 120.0
"""A server drops a client that has been silent for this long."""

RETRIES = 3
"""Repetitions of one frame or one repeatable request."""

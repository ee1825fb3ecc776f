"""The named bounds of the link layer; sizes are octets, times seconds."""

from __future__ import annotations

MIN_FRAME = 7
"""Shortest frame between its flags: format 2, two addresses of one octet, control 1, FCS 2."""

MAX_FRAME = 2047
"""Longest frame between its flags: what the 11 bits of the length subfield can say."""

DEFAULT_INFO = 128
"""Maximum information field length when nothing is negotiated."""

MIN_INFO, MAX_INFO = 32, 2030
"""Range of the negotiated maximum information field length."""

DEFAULT_WINDOW = 1
"""Window size when nothing is negotiated."""

MIN_WINDOW, MAX_WINDOW = 1, 7
"""Range of the negotiated window size."""

MAX_MESSAGE = 65_535 + 3
"""One reassembled message: the longest APDU and its LLC header."""

MAX_QUEUED = 64
"""Messages that may wait in one link to be sent."""

RETRIES = 3
"""Repetitions of one frame before the primary gives the link up."""

RESPONSE_TIMEOUT_S = 2.0
"""The primary repeats a frame that got no response for this long."""

INACTIVITY_TIMEOUT_S = 120.0
"""The secondary drops a link on which nothing arrived for this long."""

INTER_OCTET_TIMEOUT_S = 0.03
"""A frame whose octets stop for this long is over; the range of the standard is 20 to 6000 ms."""

"""Named deviations of meters in the field: a model or a device file lists those it needs.

Encoders and media consult them.  Decoders are always liberal where field meters are known to differ.
"""

from __future__ import annotations

import enum


class Quirk(enum.StrEnum):
    """One deviation each, with the meter that it was seen on."""

    NO_RELEASE = "no-release"
    """The session ends with the link's DISC, without RLRQ (Kamstrup's published exchanges)."""

    NO_SERVICE_CLASS = "no-service-class"
    """GET leaves the service class bit of the invoke octet clear: the first one is 0x81 (Kamstrup's published clients)."""

    LONG_BLOCK_LENGTH = "long-block-length"
    """Lengths of raw-data blocks always take three octets, 82 hh ll (Kamstrup)."""

    WHOLE_ROW_BLOCKS = "whole-row-blocks"
    """Blocks of a profile buffer hold whole rows and fit in one link frame (Kamstrup)."""

    ENTRIES_FROM_NEWEST = "entries-from-newest"
    """Selection by entry counts from 0 = newest and gives rows back in the direction asked for (Kamstrup)."""

    PROOF_SHARES_COUNTER = "proof-shares-counter"
    """A server takes a proof of HLS GMAC with the invocation counter of the message around it (the client of dlms-cosem).

    Two messages under one key and one nonce: who hears both learns the key of the authentication.  For such a client only.
    """

"""The LLC octets in front of an APDU in HDLC.  Green Book 8.3."""

from __future__ import annotations

REQUEST = b"\xe6\xe6\x00"
"""Destination and source LSAP, quality, of what a client sends."""
RESPONSE = b"\xe6\xe7\x00"
"""The same of what a server sends."""


def strip(info: bytes, expected: bytes) -> bytes | None:
    """The APDU behind the LLC octets, None when they are not there."""
    return info[3:] if info[:3] == expected else None

"""What protects a conversation: suites, keys, protection, counters, challenges, signatures, certificates.

Bytes in, bytes out: this package composes the primitives of `cryptography` and knows neither APDU records nor
sockets.  The names here are those of every ciphered message; hls, signature, agreement, certificates and store are
modules of their own, imported by who needs them, so that a plain reader loads no public key code.
"""

from __future__ import annotations

from dlms.security.keys import KeyMaterialError, KeySet, Secret
from dlms.security.protection import Unprotected, protect, unprotect
from dlms.security.suite import SUITE_0, SUITE_1, SUITE_2, SUITES, SecurityControl, SecuritySuite

__all__ = [
    "SUITES",
    "SUITE_0",
    "SUITE_1",
    "SUITE_2",
    "KeyMaterialError",
    "KeySet",
    "Secret",
    "SecurityControl",
    "SecuritySuite",
    "Unprotected",
    "protect",
    "unprotect",
]

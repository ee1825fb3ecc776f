"""What protects a conversation: suites, keys, protection, counters, challenges, signatures, certificates.

Bytes in, bytes out: this package composes the primitives of `cryptography` and knows neither APDU records nor sockets.
The names here are those of every ciphered message; hls, signature, agreement, certificates and store are modules of
their own, imported by who needs them.  Names are looked up on use, so that who only asks what a policy demands, and
speaks without protection, loads no cryptography at all.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlms.security.keys import KeyMaterialError, KeySet, Secret
    from dlms.security.protection import Unprotected, protect, unprotect
    from dlms.security.suite import SUITE_0, SUITE_1, SUITE_2, SUITES, SecurityControl, SecuritySuite

_HOMES = {
    **dict.fromkeys(("KeyMaterialError", "KeySet", "Secret"), "keys"),
    **dict.fromkeys(("Unprotected", "protect", "unprotect"), "protection"),
    **dict.fromkeys(("SUITES", "SUITE_0", "SUITE_1", "SUITE_2", "SecurityControl", "SecuritySuite"), "suite"),
}

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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

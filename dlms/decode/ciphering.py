"""Taking the protection off captured APDUs: with keys, without keys, and only as far as asked for.

A message that cannot be deciphered for want of a key is no error: its header is understood, and it stays encrypted.  A
tag that does not fit is one.  Green Book, 9.2.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from dlms.apdu.protected import (
    GLOBAL_BROADCAST,
    GLOBAL_UNICAST,
    MASTER,
    PLAIN,
    GeneralCiphering,
    GeneralDedCiphering,
    GeneralGloCiphering,
    IdentifiedKey,
    ServiceCiphered,
    WrappedKey,
    prefixed,
)
from dlms.decode.keys import Keys
from dlms.errors import SecurityError

if TYPE_CHECKING:
    from dlms.security.keys import KeySet

Envelope = ServiceCiphered | GeneralGloCiphering | GeneralDedCiphering | GeneralCiphering
ENVELOPES = (ServiceCiphered, GeneralGloCiphering, GeneralDedCiphering, GeneralCiphering)

HEAD = 5
"""Security control and invocation counter."""
TAG = 12
AUTHENTICATED, ENCRYPTED = 0x10, 0x20


@dataclasses.dataclass(frozen=True, slots=True)
class Opened:
    """What came of an envelope: `plaintext` (None: still ciphered), whether its tag was checked, and a `note`."""

    plaintext: bytes | None = None
    verified: bool = False
    note: str | None = None


class _NoKey(Exception):
    """A key that would be needed is not known; the message names it."""


def open_envelope(envelope: Envelope, keys: Keys, titles: tuple[bytes, ...], verify: bool) -> Opened:
    """The plaintext inside, if it can be had.

    `titles` are those to try where the envelope names none.  With `verify` nothing is deciphered that its tag does
    not prove.  Raises SecurityError where the protection itself is wrong.
    """
    content = envelope.content
    if len(content) < HEAD:
        return Opened(note=f"a protected message has at least {HEAD} octets, this one {len(content)}")
    control = content[0]
    if not control & (AUTHENTICATED | ENCRYPTED):
        return Opened(content[HEAD:], note="the security control asks for no protection at all")
    try:
        return _deciphered(envelope, keys, _titles(envelope) or titles, verify)
    except _NoKey as missing:
        if control & ENCRYPTED or len(content) < HEAD + TAG:
            return Opened(note=str(missing))
        return Opened(content[HEAD:-TAG], note=f"authenticated only, and not checked: {missing}")


def expected_tag(envelope: Envelope) -> int | None:
    """The tag that the APDU inside must have; None where any may come."""
    return PLAIN[envelope.tag] if isinstance(envelope, ServiceCiphered) else None


def _deciphered(envelope: Envelope, keys: Keys, titles: tuple[bytes, ...], verify: bool) -> Opened:
    if not keys:
        raise _NoKey("no keys are given")
    if not titles:
        raise _NoKey("the system title of the sender is not known")
    if verify and not envelope.content[0] & AUTHENTICATED:
        raise _NoKey("encrypted only, which proves nothing: deciphered only when asked for unverified")
    refusal: SecurityError | None = None
    for title in titles:
        try:
            return _with_title(envelope, keys, title, verify)
        except SecurityError as fault:
            refusal = fault
    raise refusal or SecurityError("no system title fits")


def _with_title(envelope: Envelope, keys: Keys, title: bytes, verify: bool) -> Opened:
    from dlms.security.keys import KeyMaterialError
    from dlms.security.protection import unprotect

    header = prefixed(*envelope.header) if isinstance(envelope, GeneralCiphering) else b""
    try:
        known = _key_set(envelope, keys, title)
        found = unprotect(envelope.content, known, title, header, verify=verify, dedicated=_dedicated(envelope))
    except KeyMaterialError as missing:
        raise _NoKey(str(missing)) from None
    return Opened(found.plaintext, found.verified, None if found.verified else "deciphered, and not verified")


def _dedicated(envelope: Envelope) -> bool:
    return envelope.dedicated if isinstance(envelope, ServiceCiphered) else isinstance(envelope, GeneralDedCiphering)


def _titles(envelope: Envelope) -> tuple[bytes, ...]:
    """The sender's title where the envelope names it."""
    if isinstance(envelope, ServiceCiphered):
        return ()
    title = envelope.originator_system_title if isinstance(envelope, GeneralCiphering) else envelope.system_title
    return (title,) if title else ()


def _key_set(envelope: Envelope, keys: Keys, title: bytes) -> KeySet:
    """The keys for one envelope; for general-ciphering those that its key-info describes."""
    known = keys.of(title)
    if known is None:
        raise _NoKey("no keys are given for this system title")
    info = envelope.key_info if isinstance(envelope, GeneralCiphering) else None
    if info is None or info == IdentifiedKey(GLOBAL_UNICAST):
        return known
    if info == IdentifiedKey(GLOBAL_BROADCAST) and known.broadcast is not None:
        return known.replace(encryption=known.broadcast)
    if isinstance(info, WrappedKey) and info.kek_id == MASTER and known.master is not None:
        from dlms.security.suite import SecurityControl
        from dlms.security.wrap import unwrap

        suite = SecurityControl.parse(envelope.content[0]).parameters
        return known.replace(encryption=unwrap(known.master, info.key_ciphered_data, suite))
    raise _NoKey(f"the key that the message describes ({info.wire_name()}) is not known")

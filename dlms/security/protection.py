"""Protecting one message and taking its protection off again: security control, invocation counter, AES-GCM.

A protected message is `SC || IC || content || tag`.  The invocation counter is an argument here: who draws it, and
who refuses an old one, is `dlms.security.counters`.
"""

from __future__ import annotations

import functools
import struct
from typing import NamedTuple, Protocol

from dlms.errors import LocalProtocolError, SecurityError
from dlms.security import gcm
from dlms.security.keys import KeyMaterialError, KeySet, Secret
from dlms.security.suite import TAG_LENGTH, SecurityControl

SYSTEM_TITLE_LENGTH = 8
"""Octets of a system title."""

MAX_INVOCATION_COUNTER = 0xFFFF_FFFF

_HEAD = struct.Struct(">BI")
_COUNTER = struct.Struct(">I")
_COUNTER_PLACE, _CONTENT_PLACE, _TAG_PLACE = slice(1, 5), slice(5, -TAG_LENGTH), slice(-TAG_LENGTH, None)


class Unprotected(NamedTuple):
    """A message whose protection was taken off.

    `verified` says that its tag was checked; without it the plaintext may be anybody's.  The repr shows no content,
    which can hold a key.
    """

    plaintext: bytes
    control: SecurityControl
    invocation_counter: int
    verified: bool

    def __repr__(self) -> str:
        return (
            f"Unprotected({len(self.plaintext)} octets, {self.control!r}, "
            f"invocation_counter={self.invocation_counter}, verified={self.verified})"
        )


_unprotected = functools.partial(tuple.__new__, Unprotected)
"""`Unprotected` from a tuple, for the path that every message takes: half the time of naming its fields."""


class Compression(Protocol):
    """A V.44 codec, which this package does not contain.

    `decompress` must raise one of the package's errors on bad input and bound what it allocates.
    """

    def compress(self, data: bytes) -> bytes:
        """`data` made smaller."""
        ...

    def decompress(self, data: bytes) -> bytes:
        """What was given to `compress`."""
        ...


def protect(
    plaintext: bytes,
    control: SecurityControl,
    keys: KeySet,
    system_title: bytes,
    invocation_counter: int,
    header: bytes = b"",
    *,
    dedicated: bool = False,
    compression: Compression | None = None,
) -> bytes:
    """`SC || IC || content || tag` for one APDU.  Green Book, protection of xDLMS APDUs.

    `system_title` is the originator's, 8 octets.  `header` is empty but in general-ciphering, where it is
    transaction-id to other-information, each with its length octet.  With `dedicated` the encryption key is the
    dedicated one.  The caller must never use a counter twice under one key.  Raises KeyMaterialError for a missing
    key or one of the wrong length, LocalProtocolError for anything else that cannot be sent.
    """
    try:
        control, key, associated = _prepare(keys, control.octet, dedicated, header)
        nonce = _nonce(system_title, invocation_counter)
        codec = _codec(compression) if control.compressed else None
    except KeyMaterialError:
        raise
    except SecurityError as refusal:
        raise LocalProtocolError(str(refusal)) from None
    head = _HEAD.pack(control.octet, invocation_counter)
    if codec is not None:
        plaintext = codec.compress(plaintext)
    if not control.authenticated:
        return head + gcm.keystream(key, nonce, plaintext)
    if associated is None:
        raise KeyMaterialError("no authentication key is known")
    if control.encrypted:
        return gcm.seal(key, nonce, plaintext, associated + header, head)
    return b"".join((head, plaintext, gcm.mac(key, nonce, associated + header + plaintext)))


def unprotect(
    body: bytes,
    keys: KeySet,
    system_title: bytes,
    header: bytes = b"",
    *,
    verify: bool = True,
    dedicated: bool = False,
    compression: Compression | None = None,
) -> Unprotected:
    """The plaintext of `SC || IC || content || tag`; the other arguments are those of `protect`.

    A tag that can be checked always is, and a wrong one is always refused.  With `verify` (the default) a message
    that proves nothing is refused too: one that is only encrypted, or one that came without our authentication key.
    `verify=False` releases these with `verified` False.  Whether the counter is fresh, and whether the protection is
    strong enough for the association, the caller decides.  Raises SecurityError; KeyMaterialError for our own keys.
    """
    size = len(body)
    if size < _HEAD.size:
        raise _too_short(body)
    octet, counter = _HEAD.unpack_from(body)
    control, key, associated = _prepare(keys, octet, dedicated, header)
    if len(system_title) != SYSTEM_TITLE_LENGTH:
        check_titles(system_title)
    nonce = system_title + body[_COUNTER_PLACE]
    codec = _codec(compression) if control.compressed else None
    plaintext: bytes | None
    if not control.authenticated:
        content: gcm.Octets = body[_HEAD.size :]
    elif size < _HEAD.size + TAG_LENGTH:
        raise SecurityError(f"the authentication tag is cut short: {size} octets of message in all")
    else:
        content = body[_CONTENT_PLACE] if size < gcm.VIEW_FROM else memoryview(body)[_CONTENT_PLACE]
        if associated is not None:
            if control.encrypted:
                plaintext = gcm.open_sealed(key, nonce, content, body[_TAG_PLACE], associated + header)
            else:
                plaintext = bytes(content)
                if not gcm.mac_fits(key, nonce, associated + header + plaintext, body[_TAG_PLACE]):
                    plaintext = None
            if plaintext is None:
                raise SecurityError(
                    "the authentication tag does not fit: altered, or protected with other keys or title"
                )
            return _unprotected((plaintext if codec is None else codec.decompress(plaintext), control, counter, True))
    if verify:
        raise _unproven(control)
    plaintext = gcm.keystream(key, nonce, content) if control.encrypted else bytes(content)
    return Unprotected(plaintext if codec is None else codec.decompress(plaintext), control, counter, False)


def opening(body: bytes) -> tuple[SecurityControl, int]:
    """Security control and invocation counter that open a protected message, not verified.  Raises SecurityError."""
    if len(body) < _HEAD.size:
        raise _too_short(body)
    octet, counter = _HEAD.unpack_from(body)
    return SecurityControl.parse(octet), counter


def check_titles(*titles: bytes) -> None:
    """Refuses a system title that has not 8 octets.  Raises SecurityError."""
    for title in titles:
        if len(title) != SYSTEM_TITLE_LENGTH:
            raise SecurityError(f"a system title has {SYSTEM_TITLE_LENGTH} octets, this one {len(title)}")


def _too_short(body: bytes) -> SecurityError:
    return SecurityError(f"a protected message has at least {_HEAD.size} octets, this one {len(body)}")


def _unproven(control: SecurityControl) -> SecurityError:
    """Why a message cannot be verified at all."""
    if control.authenticated:
        return KeyMaterialError("no authentication key is known, and without it the tag cannot be checked")
    return SecurityError("the message is encrypted only: it does not prove who sent it")


def _nonce(system_title: bytes, invocation_counter: int) -> bytes:
    """The initialisation vector: originator's system title and counter."""
    check_titles(system_title)
    if not 0 <= invocation_counter <= MAX_INVOCATION_COUNTER:
        raise SecurityError(f"invocation counter {invocation_counter} does not fit in 32 bits")
    return system_title + _COUNTER.pack(invocation_counter)


class _Prepared(NamedTuple):
    """What a control octet means under one key set."""

    control: SecurityControl
    key: Secret
    associated: bytes | None
    """The fixed start of the associated data, SC || AK; None when no authentication key is needed or known."""

    def __repr__(self) -> str:
        return f"<prepared {self.control!r}>"


def _prepare(keys: KeySet, octet: int, dedicated: bool, header: bytes) -> _Prepared:
    """Control octet and keys checked against each other, once for each key set."""
    prepared: _Prepared | None = keys.prepared.get((octet, dedicated))
    if prepared is None:
        prepared = keys.prepared[octet, dedicated] = _resolve(keys, SecurityControl.parse(octet), dedicated)
    if header and prepared.control.broadcast_key:
        raise SecurityError("the broadcast key set has no place in general-ciphering")
    return prepared


def _resolve(keys: KeySet, control: SecurityControl, dedicated: bool) -> _Prepared:
    """The keys that a control octet names.  Raises SecurityError, KeyMaterialError."""
    if not (control.authenticated or control.encrypted):
        raise SecurityError(f"security control {control.octet:02x} asks for no protection at all")
    if control.broadcast_key and dedicated:
        raise SecurityError("the broadcast key set has no place under a dedicated key")
    suite = control.parameters
    key = keys.get("dedicated" if dedicated else "broadcast" if control.broadcast_key else "encryption", suite)
    if not control.authenticated or keys.authentication is None:
        return _Prepared(control, key, None)
    return _Prepared(control, key, control.format() + keys.get("authentication", suite).reveal())


def _codec(compression: Compression | None) -> Compression:
    """The codec that a compressed message needs."""
    if compression is None:
        raise SecurityError("the message is compressed (V.44) and no codec is plugged in")
    return compression

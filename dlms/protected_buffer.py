"""The buffers of Data protection: values protected for whoever they are meant for.  Experimental.

The book's structures are not established publicly, so these are ours.  Protected data is one structure of Data in the envelope
of general-ciphering under the identified global key, signed or not, from one system title to the other: with the counters of
that key, so that nothing is taken twice.  `protection_parameters` lists the layers as {protection_type (0 authentication,
1 encryption, 2 both, 3 signature), null-data}; encryption alone is refused.  It works with ourselves only.
"""

from __future__ import annotations

from typing import Any

from dlms import data as cosem_data
from dlms.ciphering import Ciphering, Shape
from dlms.errors import SecurityError
from dlms.security.channel import Channel
from dlms.security.policy import AUTHENTICATED_ENCRYPTED, Envelope, Protection
from dlms.values import Enum

_LAYERS = (Protection.AUTHENTICATED, Protection.ENCRYPTED, AUTHENTICATED_ENCRYPTED, Protection.SIGNED)
"""By protection_type."""
_SHAPE = Shape(Envelope.IDENTIFIED)


def parameters_of(protection: Protection) -> list[tuple[Enum, None]]:
    """The layers of a protection as protection parameters list them."""
    ciphered, signed = protection & AUTHENTICATED_ENCRYPTED, protection & Protection.SIGNED
    return [(Enum(_LAYERS.index(layer)), None) for layer in (ciphered, signed) if layer]


def protection_of(parameters: Any) -> Protection:
    """The protection that parameters list.  Raises SecurityError for what is none, or does not tell a repetition."""
    found = Protection.NONE
    for one in parameters if isinstance(parameters, list) else (None,):
        match one:
            case (int(kind), None) if 0 <= kind < len(_LAYERS):
                found |= _LAYERS[kind]
            case _:
                raise SecurityError("protection parameters that are none")
    if Protection.AUTHENTICATED not in found:
        raise SecurityError(f"data that is {found} can be repeated by anybody")
    return found


def sealed(values: tuple[Any, ...], protection: Protection, channel: Channel) -> bytes:
    """The octets of a protected buffer.  Raises LocalProtocolError, KeyMaterialError."""
    return Ciphering(channel).close(cosem_data.encode(values), protection, _SHAPE)


def opened(buffer: Any, required: Protection, channel: Channel) -> tuple[tuple[Any, ...], Protection]:
    """What a protected buffer holds, and how it was protected.  Raises SecurityError, CounterError, DecodeError."""
    if not isinstance(buffer, bytes):
        raise SecurityError("a protected buffer is octets")
    found = Ciphering(channel).open(buffer, required | Protection.AUTHENTICATED)
    values = cosem_data.decode(found.plain)
    if not isinstance(values, tuple):
        raise SecurityError("protected data is a structure")
    return values, found.protection


def ready(protection: Protection, channel: Channel) -> None:
    """Makes sure that a buffer can be sealed.  Raises LocalProtocolError, KeyMaterialError."""
    Ciphering(channel).ready(protection, _SHAPE)
    if Protection.SIGNED in protection:
        channel.provider.sign(b"")

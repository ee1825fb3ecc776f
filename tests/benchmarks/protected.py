"""Protection under security suite 0 and association with HLS GMAC: ours, and what they are held against.

The floor of protection is `Cipher` in GCM mode with a tag of 12 octets: the same message in, the same plaintext out, and back.
The floor of the secured association is our own without any security: client and server in memory, all passes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from dlms.connection import Connection
from dlms.enums import ApplicationContext, Mechanism
from dlms.framing.wrapper import WrapperClient, WrapperServer
from dlms.operations.associate import AssociationRequest
from dlms.security import KeySet, SecurityControl, protect, unprotect
from dlms.server import Session
from tests.benchmarks import messages as m
from tests.benchmarks.case import Case, Contestant, Table
from tests.dlms.secured import EVERYTHING, MANAGER, World, world
from tests.dlms.server.devices import PUBLIC, SERVER

HLS = "association with HLS GMAC"
FASTER_BY, HLS_BY = 1.2, 4.0
"""At least so many times as fast as `Cipher`; at most so many times the time of an association without security."""
_AES = algorithms.AES(m.KEY)
_KEYS = KeySet(encryption=m.KEY, authentication=m.AUTHENTICATION_KEY)
_CONTROL = SecurityControl.parse(0x30)

CASES = (
    *(
        Case(name, "messages", expected[size], target=2, slowest=1 / FASTER_BY, note="suite 0; the floor is `Cipher`")
        for size in m.PROTECTED_SIZES
        for name, expected in ((f"unprotect {size} B", m.PLAIN), (f"protect {size} B", m.PROTECTED))
    ),
    Case(HLS, "associations", True, slowest=HLS_BY, note="ciphered, four passes; the floor is ours without security"),
)


def _unprotect(message: bytes) -> bytes:
    return unprotect(message, _KEYS, m.TITLE).plaintext


def _protect(plain: bytes) -> bytes:
    return protect(plain, _CONTROL, _KEYS, m.TITLE, m.COUNTER)


def _decrypted(message: bytes) -> bytes:
    decryptor = Cipher(_AES, modes.GCM(m.TITLE + message[1:5], message[-12:], 12)).decryptor()
    decryptor.authenticate_additional_data(m.ASSOCIATED)
    return decryptor.update(message[5:-12]) + decryptor.finalize()


def _encrypted(plain: bytes) -> bytes:
    counter = m.COUNTER.to_bytes(4, "big")
    encryptor = Cipher(_AES, modes.GCM(m.TITLE + counter, None, 12)).encryptor()
    encryptor.authenticate_additional_data(m.ASSOCIATED)
    content = encryptor.update(plain) + encryptor.finalize()
    return b"\x30" + counter + content + encryptor.tag[:12]


def _associated(session: Session, client: int, request: AssociationRequest) -> bool:
    """A new association of a client: every octet goes over, nothing waits."""
    connection = Connection(WrapperClient(client, SERVER), request)
    ticket = connection.open(0.0)
    while sent := connection.data_to_send():
        for data in sent:
            session.receive_data(data, 0.0)
        for data in session.data_to_send():
            connection.receive_data(data, 0.0)
    ticket.result()
    return True


def _association(of: World, client: int, request: AssociationRequest) -> Contestant:
    return Contestant(partial(_associated, Session({None: of.device}, WrapperServer()), client, request))


_WORLD = world(Mechanism.HLS_GMAC)
_REQUEST = AssociationRequest(
    Mechanism.HLS_GMAC, context=ApplicationContext.LN_CIPHERED, conformance=EVERYTHING, security=_WORLD.security
)


def _table(unprotecting: Callable[[bytes], bytes], protecting: Callable[[bytes], bytes]) -> dict[str, Contestant]:
    table = {f"unprotect {size} B": Contestant(partial(unprotecting, m.PROTECTED[size])) for size in m.PROTECTED_SIZES}
    return table | {f"protect {size} B": Contestant(partial(protecting, m.PLAIN[size])) for size in m.PROTECTED_SIZES}


OURS: Table = _table(_unprotect, _protect) | {HLS: _association(_WORLD, MANAGER, _REQUEST)}
FLOOR: Table = _table(_decrypted, _encrypted) | {HLS: _association(_WORLD, PUBLIC, AssociationRequest())}

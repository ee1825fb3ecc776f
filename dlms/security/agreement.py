"""Key agreement: a shared key from elliptic-curve Diffie-Hellman and the concatenation KDF.

Three schemes of NIST SP 800-56A, as the Green Book takes them over: Ephemeral Unified C(2e,0s) for the key_agreement
method, One-Pass Diffie-Hellman C(1e,1s) and Static Unified C(0e,2s) for general-ciphering.  `party_u` is always the
originator (in C(2e,0s) the client).  A new key starts with invocation counter 0.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash

from dlms.errors import LocalProtocolError, SecurityError
from dlms.security.keys import Secret
from dlms.security.points import curve_name, public_key, public_octets
from dlms.security.protection import check_titles
from dlms.security.signature import hash_of
from dlms.security.suite import SecuritySuite


class Algorithm(enum.IntEnum):
    """What the agreed key is for: the last octet of the algorithm identifier.  Green Book, AlgorithmID."""

    AES_GCM_128 = 0
    AES_GCM_256 = 1
    AES_WRAP_128 = 2
    AES_WRAP_256 = 3

    @property
    def key_length(self) -> int:
        """Octets of the key."""
        return 32 if self & 1 else 16


class IdentifierArc(enum.IntEnum):
    """The fourth octet of the algorithm identifier: printed wrongly once, and both leave traces in the field."""

    CURRENT = 5
    EDITION_8_0 = 6
    """As printed in Green Book edition 8.0: other keys follow from it.  Only for a peer that is known to need it."""


def encryption_algorithm(suite: SecuritySuite) -> Algorithm:
    """The algorithm of an encryption or authentication key of this suite."""
    return Algorithm.AES_GCM_256 if suite.key_length == 32 else Algorithm.AES_GCM_128


def wrapping_algorithm(suite: SecuritySuite) -> Algorithm:
    """The algorithm of a master key of this suite."""
    return Algorithm.AES_WRAP_256 if suite.key_length == 32 else Algorithm.AES_WRAP_128


def algorithm_of(name: str, suite: SecuritySuite) -> Algorithm:
    """The algorithm of the key that is so named in a KeySet."""
    return wrapping_algorithm(suite) if name == "master" else encryption_algorithm(suite)


def algorithm_id(algorithm: Algorithm, arc: IdentifierArc = IdentifierArc.CURRENT) -> bytes:
    """The 7 octets of the algorithm identifier."""
    return bytes((0x60, 0x85, 0x74, arc, 0x08, 0x03, algorithm))


def shared_secret(own: ec.EllipticCurvePrivateKey, peer: bytes, suite: SecuritySuite) -> Secret:
    """Z of our private key and the peer's point x || y, which is validated.  Raises SecurityError."""
    if own.curve.name != curve_name(suite):
        raise LocalProtocolError(f"a key on {own.curve.name} cannot agree in security suite {suite.id}")
    return Secret(own.exchange(ec.ECDH(), public_key(peer, suite)))


def derive(
    z: Secret,
    suite: SecuritySuite,
    party_u: bytes,
    party_v: bytes,
    algorithm: Algorithm | None = None,
    arc: IdentifierArc = IdentifierArc.CURRENT,
) -> Secret:
    """The key: leftmost octets of H(00000001 || Z || AlgorithmID || PartyUInfo || PartyVInfo).

    Without `algorithm` it is an encryption key of the suite.  Raises LocalProtocolError when the algorithm's key
    length is not the suite's.
    """
    algorithm = encryption_algorithm(suite) if algorithm is None else algorithm
    if algorithm.key_length != suite.key_length:
        raise LocalProtocolError(f"{algorithm.name} does not belong to security suite {suite.id}")
    other_info = algorithm_id(algorithm, arc) + party_u + party_v
    return Secret(ConcatKDFHash(hash_of(suite), algorithm.key_length, other_info).derive(z.reveal()))


def agree(
    own: ec.EllipticCurvePrivateKey,
    peer: bytes,
    suite: SecuritySuite,
    party_u_title: bytes,
    party_v_title: bytes,
    *,
    transaction_id: bytes | None = None,
    algorithm: Algorithm | None = None,
    arc: IdentifierArc = IdentifierArc.CURRENT,
) -> Secret:
    """The key that two parties agree on: `own` private key, `peer` point, titles of originator and recipient.

    C(2e,0s): both ephemeral, the client is party U.  C(1e,1s): the originator's ephemeral and the recipient's static
    key.  C(0e,2s): both static, and the transaction-id is the nonce, so that it must be given and never repeat.
    Raises SecurityError for a bad point or title.
    """
    check_titles(party_u_title, party_v_title)
    party_u = party_u_title if transaction_id is None else party_u_title + _nonce(transaction_id)
    return derive(shared_secret(own, peer, suite), suite, party_u, party_v_title, algorithm, arc)


def signed_ephemeral(
    public: ec.EllipticCurvePublicKey,
    suite: SecuritySuite,
    sign: Callable[[bytes], bytes],
    key_id: int | None = None,
) -> bytes:
    """Ephemeral point and signature, as key_agreement and key-ciphered-data carry them.

    `sign` gives r || s with the static signing key.  `key_id` is signed too in the key_agreement method, C(2e,0s),
    and must be None in general-ciphering, C(1e,1s).
    """
    octets = public_octets(public, suite)
    return octets + sign(_key_id_octet(key_id) + octets)


def verified_ephemeral(
    data: bytes,
    suite: SecuritySuite,
    verify: Callable[[bytes, bytes], None],
    key_id: int | None = None,
) -> bytes:
    """The peer's ephemeral point, once its signature is verified and it is known to lie on the curve.

    `verify(signature, data)` raises SecurityError.  Without this check a man in the middle can put his own key.
    """
    size = suite.public_key_length
    curve_name(suite)
    if len(data) != size + suite.signature_length:
        raise SecurityError(f"an ephemeral key and its signature have {size * 2} octets, these {len(data)}")
    octets, signature = data[:size], data[size:]
    verify(signature, _key_id_octet(key_id) + octets)
    public_key(octets, suite)
    return octets


def _key_id_octet(key_id: int | None) -> bytes:
    if key_id is not None and not 0 <= key_id <= 255:
        raise SecurityError(f"key_id {key_id} does not fit in one octet")
    return b"" if key_id is None else bytes((key_id,))


def _nonce(transaction_id: bytes) -> bytes:
    """The transaction-id as it enters PartyUInfo: its length octet and its value."""
    if not 0 < len(transaction_id) < 0x80:
        raise SecurityError(f"a transaction-id of {len(transaction_id)} octets cannot serve as nonce: 1 to 127 can")
    return bytes((len(transaction_id),)) + transaction_id

"""The keys of both ends, which every process makes alike."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from dlms.security import points
from dlms.security.certificates import Purpose
from dlms.security.peers import Peers
from dlms.security.providers import MemoryKeyProvider
from dlms.security.suite import SecuritySuite
from dlms.security.trust import CertificateStore
from tests.dlms.secured import CLIENT_TITLE, NOW, SERVER_TITLE, key_set

_SIGNING, _AGREEMENT = 1, 2


def providers(suite: SecuritySuite) -> dict[bytes, MemoryKeyProvider]:
    """The keys of both ends, by system title; the same in every process."""
    if suite.curve_name is None:
        return {title: MemoryKeyProvider(key_set(suite), suite) for title in (CLIENT_TITLE, SERVER_TITLE)}
    curve = {"secp256r1": ec.SECP256R1, "secp384r1": ec.SECP384R1}[suite.curve_name]()
    private: dict[tuple[bytes, int], Any] = {
        (title, use): ec.derive_private_key(1000 * (1 + side) + use, curve)
        for side, title in enumerate((CLIENT_TITLE, SERVER_TITLE))
        for use in (_SIGNING, _AGREEMENT)
    }
    purposes = {_SIGNING: Purpose.SIGNATURE, _AGREEMENT: Purpose.KEY_AGREEMENT}
    public = {
        (title, purposes[use]): points.public_octets(key.public_key(), suite) for (title, use), key in private.items()
    }
    return {
        title: MemoryKeyProvider(
            key_set(suite),
            suite,
            signing_key=points.private_secret(private[title, _SIGNING], suite),
            agreement_key=points.private_secret(private[title, _AGREEMENT], suite),
            peers=Peers(CertificateStore((), NOW), public),
        )
        for title in (CLIENT_TITLE, SERVER_TITLE)
    }

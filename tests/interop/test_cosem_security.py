"""The client of dlms-cosem, unmodified, against our server under security: four mechanisms, general-glo-ciphering, each suite.

Its proof of HLS GMAC has the counter of the message that carries it: our server takes that with a quirk only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

pytest.importorskip("dlms_cosem", reason="dlms-cosem is not installed (extra `interop`)")

from dlms_cosem.security import (
    HighLevelSecurityCommonAuthentication,
    HighLevelSecurityGmacAuthentication,
    LowLevelSecurityAuthentication,
    NoSecurityAuthentication,
)

from dlms.enums import AccessResult, Mechanism
from dlms.quirks import Quirk
from dlms.security.counters import Counters
from dlms.security.suite import SUITE_0, SUITE_1, SUITE_2, SecuritySuite
from obis import Obis
from tests.dlms.secured import CLIENT_TITLE, MANAGER, SECRET, World, key_set, world
from tests.dlms.served import served
from tests.dlms.server.devices import ENERGY, LONG, NAME, SERVER
from tests.interop.cosem import NAME as PEER
from tests.interop.cosem import CosemPeer
from tests.interop.deviations import Deviations, PeerError, Refused

SHARES = frozenset((Quirk.PROOF_SHARES_COUNTER,))
pytestmark = pytest.mark.interop

AUTHENTICATIONS = {
    Mechanism.NONE: NoSecurityAuthentication,
    Mechanism.LLS: lambda: LowLevelSecurityAuthentication(SECRET),
    Mechanism.HLS: lambda: HighLevelSecurityCommonAuthentication(SECRET),
    Mechanism.HLS_GMAC: HighLevelSecurityGmacAuthentication,
}


@contextlib.contextmanager
def associated(
    of: World, mechanism: Mechanism, scheme: str = "tcp", *, salt: int = 0, first: int = 1
) -> Iterator[CosemPeer]:
    """An association held by the peer; `first` is the server's first invocation counter."""
    suite = of.setup.provider.suite
    of.setup.counters = Counters(of.server_store, first=first)
    keys = key_set(suite, salt)
    assert keys.encryption is not None
    assert keys.authentication is not None
    security = {
        "authentication": AUTHENTICATIONS[mechanism](),
        "encryption_key": keys.encryption.reveal(),
        "authentication_key": keys.authentication.reveal(),
        "security_suite": suite.id,
        "client_system_title": CLIENT_TITLE,
    }
    with served(f"{scheme}://127.0.0.1:0", of.device) as url:
        peer = CosemPeer(url, MANAGER, SERVER, **security)
        try:
            yield peer
        finally:
            peer.hang_up()


@pytest.mark.parametrize("scheme", ["tcp", "hdlc"])
@pytest.mark.parametrize("suite", [SUITE_0, SUITE_1, SUITE_2], ids=["suite0", "suite1", "suite2"])
@pytest.mark.parametrize("mechanism", AUTHENTICATIONS, ids=lambda one: one.name)
def test_what_it_reads_and_writes(mechanism: Mechanism, suite: SecuritySuite, scheme: str) -> None:
    of = world(mechanism, suite, quirks=SHARES)
    with associated(of, mechanism, scheme) as peer:
        for one in (ENERGY, LONG, NAME):
            came = peer.get((one.class_id, one.instance, 2)).value
            assert came == of.device.store.get(one.value)
        assert peer.get((ENERGY.class_id, ENERGY.instance, 3)).value == [1, 30]
        peer.set((LONG.class_id, LONG.instance, 2), 9, bytes(50))
        assert of.device.store.get(LONG.value) == bytes(50)
        peer.call((ENERGY.class_id, ENERGY.instance, 1), 15, 0)
        with pytest.raises(Refused) as refused:
            peer.get((1, Obis("9.9.9.9.9.9"), 2))
        assert refused.value.code == AccessResult.OBJECT_UNDEFINED
        peer.close()


@pytest.mark.parametrize("mechanism", AUTHENTICATIONS, ids=lambda one: one.name)
def test_who_does_not_know_the_keys_is_refused(mechanism: Mechanism) -> None:
    with pytest.raises(PeerError, match="AUTHENTICATION_FAIL"), associated(world(mechanism), mechanism, salt=16):
        pass


def test_its_release_ends_the_association() -> None:
    of = world(quirks=SHARES)
    with associated(of, Mechanism.HLS_GMAC) as peer:
        answer = peer._client.release_association()
        assert answer.reason == 0
        assert answer.user_information is not None


def test_a_long_request_and_a_counter_of_zero() -> None:
    found = Deviations(PEER, "protection")
    of = world(quirks=SHARES)
    with found.at("long request"), associated(of, Mechanism.HLS_GMAC) as peer:
        peer.set((LONG.class_id, LONG.instance, 2), 9, bytes(128))
    with found.at("counter of zero"), associated(world(quirks=SHARES), Mechanism.HLS_GMAC, first=0):
        pass
    with found.at("proof with the counter of its message"), associated(world(), Mechanism.HLS_GMAC):
        pass
    found.check()

"""gurux-dlms reads the association objects of our server, in every version: the same values, rights, users and setups."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

gurux_dlms = pytest.importorskip("gurux_dlms", reason="gurux-dlms is not installed (extra `interop`)")

from dlms import data as cosem_data  # noqa: E402
from dlms.client import Client  # noqa: E402
from dlms.errors import AccessError  # noqa: E402
from dlms.values import BitString  # noqa: E402
from tests.dlms.served import served  # noqa: E402
from tests.dlms.server.devices import ENERGY, LONG, PASSWORDS, SERVER, WRITER  # noqa: E402
from tests.dlms.server.test_associations import CURRENT, LN, SN, guarded, options, talk  # noqa: E402
from tests.dlms.server.test_port_protection import OBJECT, protected  # noqa: E402
from tests.interop.deviations import Deviations, Refused, listed_exceptions  # noqa: E402
from tests.interop.gurux import NAME, GuruxPeer  # noqa: E402
from tests.interop.peer import Place  # noqa: E402

pytestmark = pytest.mark.interop
USERS = {7: "seven", 9: "nine"}


class Versioned(GuruxPeer):
    """Its association object is told which version it is of: by itself it takes every one for its own newest."""

    version = 0

    def _item(self, place: Place) -> Any:
        item = super()._item(place)
        if place[0] in (12, 15):
            item.version = self.version
        return item


def plain(value: Any) -> Any:
    """A value of ours as the peer gives it."""
    match value:
        case list() | tuple():
            return [plain(one) for one in value]
        case BitString():
            return str(value)
        case bool() | None:
            return value
        case int():
            return int(value)
    return value


@pytest.mark.parametrize("version", [*LN, *SN], ids=lambda of: f"{of.class_id}v{of.version}")
def test_every_attribute_of_an_association(version: Any) -> None:
    of, one = guarded(version), version(CURRENT)
    with_users = "user_list" in {attribute.name for attribute in one.attributes.values()}
    if with_users:
        of.change(of.associations[WRITER, SERVER], users=USERS)
    user = {"user": 9} if with_users else {}

    def ours(client: Client) -> dict[str, Any]:
        return client.snapshot(one)

    held = talk(of, ours, **options(version), **user)
    deviations = Deviations(NAME, "associations")

    def prepare(client: Any) -> None:
        if with_users:
            client.userId = 9

    with served("tcp://127.0.0.1:0", of) as url:
        peer = Versioned(
            url,
            WRITER,
            SERVER,
            PASSWORDS[WRITER].decode(),
            prepare=prepare,
            **({"short_names": True} if version.class_id == 12 else {}),
        )
        peer.version = version.version
        with contextlib.closing(peer):
            for index, attribute in sorted(one.attributes.items()):
                value, place = held[attribute.name], (one.class_id, CURRENT, index)
                with deviations.at(f"{one.class_id}v{one.version} {attribute.name}"):
                    if isinstance(value, AccessError):
                        with pytest.raises(Refused):
                            peer.get(place)
                        continue
                    came = peer.get(place)
                    assert came.encoded == cosem_data.encode(value)
                    deviations.equal(f"{one.class_id}v{one.version} {attribute.name}", came.value, plain(value))
    check(deviations, f"{one.class_id}v{one.version} ")


@pytest.mark.parametrize("version", LN, ids=lambda of: f"v{of.version}")
def test_the_rights_of_every_object(version: Any) -> None:
    of = guarded(version)
    wanted = {(one.class_id, one.instance): one for one in talk(of, Client.objects)}
    deviations = Deviations(NAME, "associations")
    with served("tcp://127.0.0.1:0", of) as url:
        peer = Versioned(url, WRITER, SERVER, PASSWORDS[WRITER].decode())
        with contextlib.closing(peer), deviations.at(f"view of v{version.version}"):
            came = peer.objects()
            assert came.keys() == wanted.keys()
            for key in ((3, ENERGY.instance), (1, LONG.instance)):
                for index, mode in wanted[key].attribute_access.items():
                    deviations.equal(f"view of v{version.version}: {key[0]}:{index}", came[key].attributes[index], mode)
                for index, mode in wanted[key].method_access.items():
                    deviations.equal(f"view of v{version.version}: {key[0]}, {index}", came[key].methods[index], mode)
    check(deviations, f"view of v{version.version}")


def test_a_protected_port() -> None:
    of, port = protected(failures={1: 5}, cumulative_failed_attempts=9)
    deviations = Deviations(NAME, "associations")
    with served("tcp://127.0.0.1:0", of) as url:
        peer = GuruxPeer(url, WRITER, SERVER, PASSWORDS[WRITER].decode())
        with contextlib.closing(peer):
            for index, value in enumerate(
                (bytes(OBJECT.instance), 1, 3, 60, 2, 3600, bytes(port.port_reference), 1, 5, 9), start=1
            ):
                with deviations.at(f"port {index}"):
                    deviations.equal(f"port {index}", peer.get((124, OBJECT.instance, index)).value, value)
            with deviations.at("port reset"):
                peer.call((124, OBJECT.instance, 1), 15, 0)
    assert port.failed_attempts == 0
    check(deviations, "port ")


def check(deviations: Deviations, prefix: str) -> None:
    """The lines of the file for one of these tests."""
    lines = listed_exceptions(NAME, "associations")
    new = {place: what for place, what in deviations.found.items() if place not in lines}
    gone = [place for place in lines if place.startswith(prefix) and place not in deviations.found]
    assert not new, new
    assert not gone, gone

"""Association LN versions 0 to 3 and SN versions 0 to 4: what they show, and what a client changes through them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from dlms.acse import Aare, context_oid, mechanism_oid
from dlms.client import Client, connect
from dlms.enums import ApplicationContext, Conformance, Mechanism
from dlms.errors import AccessError, AssociationRefused, LocalProtocolError
from dlms.ic import (
    AssociationLn,
    AssociationLnV1,
    AssociationLnV2,
    AssociationLnV3,
    AssociationSn,
    AssociationSnV1,
    AssociationSnV2,
    AssociationSnV3,
    AssociationSnV4,
)
from dlms.interface import Interface
from dlms.security.policy import AUTHENTICATED_ENCRYPTED, Policy
from dlms.server import Access, Device, Rights, Served, ServerAssociation
from dlms.trace import Trace
from dlms.values import BitString, Enum, Integer, LongUnsigned, Unsigned
from obis import Obis
from tests.dlms.secured import MANAGER, SECRET, SETUP, World, world
from tests.dlms.served import memory_name, served
from tests.dlms.server.devices import ENERGY, LONG, PASSWORDS, PUBLIC, SERVER, WRITER, Dialogue, device, proposal

LN = (AssociationLn, AssociationLnV1, AssociationLnV2, AssociationLnV3)
SN = (AssociationSn, AssociationSnV1, AssociationSnV2, AssociationSnV3, AssociationSnV4)
CURRENT = Obis("0.0.40.0.0.255")
GUARDED = Access.READ_WRITE | Access.AUTHENTICATED_REQUEST | Access.ENCRYPTED_RESPONSE
each_ln = pytest.mark.parametrize("version", LN, ids=lambda of: f"v{of.version}")
each_sn = pytest.mark.parametrize("version", SN, ids=lambda of: f"v{of.version}")
with_users = pytest.mark.parametrize("version", [*LN[2:], *SN[3:]], ids=lambda of: f"{of.class_id}v{of.version}")


def rights_of(of: Interface, access: Access = Access.READ) -> Rights:
    """Everything is read, a secret written, every method called."""
    secrets = {index: Access.READ_WRITE for index, one in of.attributes.items() if one.secret}
    return Rights(dict.fromkeys(of.attributes, access) | secrets, frozenset(of.methods))


def versioned(of: Device, key: tuple[int, int], version: type[Interface], **changes: Any) -> Device:
    """The same device, one of whose associations has the object of this version for the current association."""
    granted, one = of.associations[key], version(CURRENT)
    seen = {place: served for place, served in granted.objects.items() if place[0] not in (12, 15)}
    seen[one.class_id, one.instance] = Served(one, rights_of(one))
    changes = {"objects": seen, "context": ApplicationContext(1 + (one.class_id == 12))} | changes
    of.change(granted, **changes)
    return of


def talk(of: Device, then: Callable[[Client], Any], **options: Any) -> Any:
    options = {"client": WRITER, "password": PASSWORDS[WRITER]} | options
    with served(memory_name(), of) as url, connect(url, timeout_s=5, **options) as client:
        return then(client)


def plain(version: type[Interface], **changes: Any) -> Device:
    """A device whose writer, with a password, has an association of this version."""
    sn = Conformance.READ | Conformance.WRITE | Conformance.PARAMETERIZED_ACCESS if version.class_id == 12 else None
    if sn is not None:
        changes["conformance"] = sn | Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ
    return versioned(device(), (WRITER, SERVER), version, **changes)


def options(version: type[Interface]) -> dict[str, Any]:
    return {"context": ApplicationContext.SN} if version.class_id == 12 else {}


@each_ln
def test_what_an_association_tells_of_itself(version: type[AssociationLn]) -> None:
    """The case 15 of the COSEM objects: the attributes of the current association match what is declared."""
    of = plain(version)
    one = version(CURRENT)

    def read(client: Client) -> tuple[dict[str, Any], Conformance]:
        return client.snapshot(one), client.connection.negotiated.conformance

    found, conformance = talk(of, read)
    negotiated = found["xdlms_context_info"]
    assert found["logical_name"] == CURRENT
    assert found["associated_partners_id"] == (WRITER, SERVER)
    assert found["application_context_name"] == context_oid(1)
    assert found["authentication_mechanism_name"] == mechanism_oid(Mechanism.LLS)
    assert found["association_status"] == 2
    granted = of.associations[WRITER, SERVER]
    assert negotiated[0] == BitString(int(conformance).to_bytes(3, "big"), 24)
    assert negotiated[1:5] == (0xFFFF, 0xFFFF, 6, 0)
    assert isinstance(found["secret"], AccessError)
    assert len(found["object_list"]) == len(granted.objects)
    assert ("security_setup_reference" in found, "user_list" in found) == (version.version > 0, version.version > 1)
    if version.version > 1:
        assert (found["user_list"], found["current_user"]) == ([], (0, ""))
    if version.version > 0:
        assert found["security_setup_reference"] == bytes(6)


def guarded(version: type[Interface]) -> Device:
    of = plain(version)
    granted = of.associations[WRITER, SERVER]
    energy = Served(ENERGY, Rights({1: Access.READ, 2: GUARDED}, frozenset((1,)), {1: Access.AUTHENTICATED_REQUEST}))
    long = Served(LONG, Rights({2: Access.WRITE}))
    objects = {**granted.objects, (3, ENERGY.instance): energy, (1, LONG.instance): long}
    of.associations[WRITER, SERVER] = dataclasses.replace(granted, objects=objects)
    return of


@pytest.mark.parametrize("version", [*LN, *SN[1:]], ids=lambda of: f"{of.class_id}v{of.version}")
def test_every_version_of_the_object_list_gives_the_same_rights(version: type[Interface]) -> None:
    listed = {(one.class_id, one.instance): one for one in talk(guarded(version), Client.objects, **options(version))}
    energy, long = listed[3, ENERGY.instance], listed[1, LONG.instance]
    newest = version in (AssociationLnV3, AssociationSnV4)
    authenticated = Access.READ_WRITE | Access.AUTHENTICATED_REQUEST
    assert energy.access(2) == (GUARDED if newest else authenticated)
    assert (energy.access(1), energy.access(3), long.access(2)) == (Access.READ, Access.NONE, Access.WRITE)
    assert energy.attribute_access[2] == (int(GUARDED) if newest else 6)
    called = Access.READ if version is AssociationLn else Access.READ | Access.AUTHENTICATED_REQUEST
    assert energy.calling(1) == called
    assert [ref.index for ref in energy.readable()] == [1, 2]
    assert str(energy.access(2)) == ("rw>a<e" if newest else "rw>a")
    own = listed[version.class_id, CURRENT]
    assert own.version == version.version
    assert own.interface is version


def test_methods_are_listed_as_each_version_encodes_them() -> None:
    modes = []
    for version in LN:
        elements = talk(guarded(version), lambda client, of=version: client.get(of(CURRENT).object_list))
        [rights] = [one[3] for one in elements if one[2] == ENERGY.instance]
        modes.append(rights[1][0][1])
    assert modes == [True, 2, 2, int(Access.READ | Access.AUTHENTICATED_REQUEST)]
    assert [type(mode) for mode in modes] == [bool, Enum, Enum, Enum]


def test_rights_in_words() -> None:
    every = Access(0xFF)
    assert str(every) == "rw>aes<aes"
    assert str(Access.NONE) == ""
    for mode in range(-1, 300):
        level, mask = Access.of_level(mode), Access.of_mask(mode)
        assert level.level == (mode if 0 <= mode <= 6 else 0)
        assert int(mask) == (mode if 0 <= mode <= 255 else 0)
        assert Access.of_method_level(mode).method_level == (mode if mode in (1, 2) else 0)


@each_sn
def test_short_names_of_every_version(version: type[AssociationSn]) -> None:
    one = version(CURRENT)
    found = talk(plain(version), lambda client: client.snapshot(one), **options(version))
    assert ("security_setup_reference" in found) is (version.version > 1)
    assert ("user_list" in found) is (version.version > 2)
    assert not [value for value in found.values() if isinstance(value, AccessError)]


# --- secrets ----------------------------------------------------------------------------------------------------------


def again(of: Device, password: bytes, then: Callable[[Client], Any] = lambda client: None, **more: Any) -> bool:
    """Whether somebody with this password is let in."""
    try:
        talk(of, then, password=password, **more)
    except AssociationRefused:
        return False
    return True


@pytest.mark.parametrize("version", [*LN, *SN], ids=lambda of: f"{of.class_id}v{of.version}")
def test_a_password_is_changed_for_the_next_association_and_kept(version: Any) -> None:
    kept: list[ServerAssociation] = []
    of, one = plain(version), version(CURRENT)
    of._keep = kept.append

    def change(client: Client) -> None:
        if version.class_id == 15:
            client.set(one.secret, b"new one")
        else:
            client.call(one.change_lls_secret, b"new one")
        assert client.get(ENERGY.value) == 1234  # the association goes on

    talk(of, change, **options(version))
    assert not again(of, PASSWORDS[WRITER], **options(version))
    assert again(of, b"new one", **options(version))
    [one] = kept
    assert "new one" not in repr(one)
    restarted = Device(of.store, of.logical_devices, (one,))
    assert again(restarted, b"new one", **options(version))
    assert not again(restarted, PASSWORDS[WRITER], **options(version))


@pytest.mark.parametrize("short", [False, True], ids=["ln", "sn"])
@pytest.mark.parametrize("mechanism", [Mechanism.HLS, Mechanism.HLS_MD5, Mechanism.HLS_SHA1, Mechanism.HLS_SHA256])
def test_a_secret_of_high_level_security_is_changed_for_the_next_association(mechanism: Mechanism, short: bool) -> None:
    of = world(mechanism, context=ApplicationContext(3 + short))
    one: Any = (AssociationSnV2 if short else AssociationLn)(CURRENT)
    common = {"client": MANAGER, "auth": mechanism, "security": of.security, **options(type(one))}

    def change(client: Client) -> None:
        client.call(one.change_hls_secret, b"another secret")
        assert client.get(ENERGY.value) == 1234

    talk(of.device, change, **common | {"password": SECRET})
    assert not again(of.device, SECRET, **common)
    assert again(of.device, b"another secret", **common)


@pytest.mark.parametrize("secret", [b"", bytes(65), 5, "text"])
def test_what_is_no_secret_changes_nothing(secret: Any) -> None:
    of = world(Mechanism.HLS_SHA256)
    common = {"client": MANAGER, "auth": Mechanism.HLS_SHA256, "security": of.security}

    def change(client: Client) -> None:
        with pytest.raises((AccessError, LocalProtocolError)):
            client.call(AssociationLn(CURRENT).change_hls_secret, secret)

    talk(of.device, change, **common | {"password": SECRET})
    assert again(of.device, SECRET, **common)


def test_secrets_that_are_none_of_the_mechanism_are_refused() -> None:
    """The secret of GMAC is the global keys, which the security setup changes; a password is no secret of HLS."""
    one = AssociationLn(CURRENT)

    def refused(client: Client) -> None:
        for act in (lambda: client.call(one.change_hls_secret, b"12345678"), lambda: client.set(one.secret, b"1")):
            with pytest.raises(AccessError, match="read-write-denied"):
                act()

    gmac = world()
    opened(gmac, refused)
    sha = writing(world(Mechanism.HLS_SHA256))
    with pytest.raises(AccessError, match="read-write-denied"):
        opened(sha, lambda client: client.set(one.secret, b"1"), auth=Mechanism.HLS_SHA256, password=SECRET)
    vendor = world(Mechanism.HLS)
    with pytest.raises(AccessError, match="type-unmatched"):
        opened(
            vendor, lambda client: client.call(one.change_hls_secret, bytes(17)), auth=Mechanism.HLS, password=SECRET
        )


def writing(of: World) -> World:
    """The secret may be written, as far as rights go."""
    versioned(of.device, (MANAGER, SERVER), AssociationLnV3, context=ApplicationContext.LN_CIPHERED)
    return of


def opened(of: World, then: Callable[[Client], Any], **options: Any) -> Any:
    return talk(of.device, then, **{"client": MANAGER, "password": None, "security": of.security} | options)


def test_a_secret_is_never_read() -> None:
    of = plain(AssociationLnV3)
    assert Access.READ in of.associations[WRITER, SERVER].objects[15, CURRENT].rights.access(7)
    with pytest.raises(AccessError, match="read-write-denied"):
        talk(of, lambda client: client.get(AssociationLnV3(CURRENT).secret))


def test_a_change_that_cannot_be_kept_does_not_hold() -> None:
    of = plain(AssociationLnV3)

    def full(granted: ServerAssociation) -> None:
        raise LocalProtocolError("the disk is full")

    of._keep = full
    with pytest.raises(AccessError, match="temporary-failure"):
        talk(of, lambda client: client.set(AssociationLnV3(CURRENT).secret, b"new one"))
    assert again(of, PASSWORDS[WRITER])
    assert not again(of, b"new one")


@pytest.mark.parametrize("many", [False, True])
def test_no_trace_shows_a_secret_that_is_changed(many: bool) -> None:
    written: list[str] = []
    ref = AssociationLnV3(CURRENT).secret

    def change(client: Client) -> None:
        client.set_many([(ref, b"S3CRET-NEW")]) if many else client.set(ref, b"S3CRET-NEW")

    talk(plain(AssociationLnV3), change, trace=Trace(written.append))
    assert any("**" in line for line in written)
    assert not any(b"S3CRET-NEW".hex() in line for line in written)


# --- users ------------------------------------------------------------------------------------------------------------


def test_users_of_the_association_are_its_object_s_list() -> None:
    """OPEN_2: an absent or unknown number is refused with diagnostic 6; the object shows who it is."""
    of = plain(AssociationLnV2, users={7: "seven", 9: "nine"})
    one = AssociationLnV2(CURRENT)
    found = talk(of, lambda client: (client.get(one.user_list), client.get(one.current_user)), user=9)
    assert found == ([(7, "seven"), (9, "nine")], (9, "nine"))
    for user in (None, 8):
        with pytest.raises(AssociationRefused) as refusal:
            talk(of, lambda client: None, user=user)
        assert refusal.value.diagnostic == 6


@with_users
def test_users_come_and_go(version: Any) -> None:
    of, one = plain(version), version(CURRENT)
    common = options(version)
    talk(of, lambda client: client.call(one.add_user, (7, "seven")), **common)
    with pytest.raises(AssociationRefused):
        talk(of, lambda client: None, **common)

    def change(client: Client) -> None:
        assert client.get(one.current_user) == (7, "seven")
        client.call(one.add_user, (9, "nine"))
        assert client.get(one.user_list) == [(7, "seven"), (9, "nine")]
        with pytest.raises(AccessError, match="object-unavailable"):
            client.call(one.remove_user, (9, "ten"))
        client.call(one.remove_user, (7, "seven"))
        assert client.get(one.current_user) == (0, "")
        with pytest.raises(AccessError, match="read-write-denied"):
            client.call(one.remove_user, (9, "nine"))  # the last: then anybody could come

    talk(of, change, user=7, **common)
    with pytest.raises(AssociationRefused):
        talk(of, lambda client: None, user=7, **common)
    talk(of, lambda client: None, user=9, **common)


@pytest.mark.parametrize("user", [(300, "x"), (1, b"x"), (1, "x" * 65), (1,), None])
def test_what_is_no_user_is_refused(user: Any) -> None:
    of = plain(AssociationLnV2)
    with pytest.raises((AccessError, LocalProtocolError)):
        talk(of, lambda client: client.call(AssociationLnV2(CURRENT).add_user, user))
    assert of.associations[WRITER, SERVER].users is None


# --- the security setup -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [*LN[1:], *SN[2:]], ids=lambda of: f"{of.class_id}v{of.version}")
def test_the_security_setup_is_told(version: Any) -> None:
    of = world(context=ApplicationContext(3 + (version.class_id == 12)), policy=Policy.both(AUTHENTICATED_ENCRYPTED))
    versioned(of.device, (MANAGER, SERVER), version, context=of.device.associations[MANAGER, SERVER].context)
    found = opened(of, lambda client: client.get(version(CURRENT).security_setup_reference), **options(version))
    assert found == SETUP


# --- objects ----------------------------------------------------------------------------------------------------------


def element(
    version: type[AssociationLn], of: Interface, attributes: dict[int, Access], methods: tuple[int, ...]
) -> Any:
    """An object_list_element as this version encodes it."""
    rights = Rights(attributes, frozenset(methods))
    return Served(of, rights).list_element(bits=version.version == 3, booleans=version.version == 0)


@each_ln
def test_objects_come_and_go(version: type[AssociationLn]) -> None:
    of, one = plain(version), version(CURRENT)
    energy = element(version, ENERGY, {1: Access.READ, 2: Access.READ}, (1,))

    def change(client: Client) -> None:
        client.call(one.remove_object, energy)
        with pytest.raises(AccessError, match="undefined"):
            client.get(ENERGY.value)
        client.call(one.add_object, energy)
        assert client.get(ENERGY.value) == 1234
        with pytest.raises(AccessError, match="read-write-denied"):
            client.set(ENERGY.value, Unsigned(5))
        with pytest.raises(AccessError, match="read-write-denied"):
            client.call(one.remove_object, element(version, one, {}, ()))

    talk(of, change)
    listed = {at.instance: at for at in talk(of, Client.objects)}
    assert (listed[ENERGY.instance].access(2), listed[ENERGY.instance].calling(1)) == (Access.READ, Access.READ)


@each_ln
def test_nobody_is_given_what_no_association_has(version: type[AssociationLn]) -> None:
    of, one = plain(version), version(CURRENT)
    for key, granted in of.associations.items():
        only_read = Served(ENERGY, Rights({2: Access.READ | Access.AUTHENTICATED_REQUEST}))
        objects = {**granted.objects, (3, ENERGY.instance): only_read}
        of.associations[key] = dataclasses.replace(granted, objects=objects)
    unknown = (LongUnsigned(1), Unsigned(0), b"\1\1\1\1\1\1", ([(Integer(2), Enum(1), None)], []))
    too_much = [
        element(version, ENERGY, {2: Access.READ}, ()),
        element(version, ENERGY, {2: Access.READ_WRITE | Access.AUTHENTICATED_REQUEST}, ()),
        element(version, ENERGY, {}, (1,)),
    ]

    def ask(client: Client) -> None:
        for refused in too_much:
            with pytest.raises(AccessError, match="read-write-denied"):
                client.call(one.add_object, refused)
        with pytest.raises(AccessError, match="undefined"):
            client.call(one.add_object, unknown)
        with pytest.raises(AccessError, match="undefined"):
            client.call(one.remove_object, unknown)

    talk(of, ask)


def test_the_public_association_is_not_changed_by_another() -> None:
    of, one = plain(AssociationLnV3), AssociationLnV3(CURRENT)
    talk(of, lambda client: client.call(one.remove_object, element(AssociationLnV3, ENERGY, {}, ())))
    assert talk(of, lambda client: client.get(ENERGY.value), client=PUBLIC, password=None) == 1234


def test_a_client_that_was_there_before_needs_the_new_secret() -> None:
    """The same peer, over the same medium."""
    of = plain(AssociationLnV3)
    dialogue = Dialogue(of).open(WRITER)
    of.change(of.associations[WRITER, SERVER], secret=b"new one")
    answer = dialogue.ask(proposal(WRITER), WRITER)
    assert isinstance(answer, Aare)
    assert answer.result == 1

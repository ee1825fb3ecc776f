"""The COSEM cases of the current association and of a protected port: what is readable is read and has its type, what is not
is refused, and what the association tells of itself is what was declared.  In every version, mechanism and suite."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from dlms.acse import context_oid, mechanism_oid
from dlms.client import Client
from dlms.enums import ApplicationContext, Mechanism
from dlms.errors import AccessError
from dlms.ic import CommunicationPortProtection
from dlms.interface import Interface, typed
from dlms.operations.objects import MeterObject
from dlms.security.suite import SUITE_0, SUITE_1, SUITE_2, SecuritySuite
from dlms.server import Access, Rights, Served
from tests.dlms.secured import MANAGER, SECRET, SETUP, World, world
from tests.dlms.server.devices import SERVER
from tests.dlms.server.test_associations import CURRENT, LN, SN, options, talk, versioned

KEY = (MANAGER, SERVER)
USERS = {3: "three"}
CASES = [
    (mechanism, suite)
    for suite in (SUITE_0, SUITE_1, SUITE_2)
    for mechanism in (Mechanism.LLS, Mechanism.HLS_SHA256, Mechanism.HLS_GMAC, Mechanism.HLS_ECDSA)
    if (mechanism is not Mechanism.HLS_ECDSA or suite is not SUITE_0) and (suite is SUITE_0 or mechanism.with_keys)
]
each_case = pytest.mark.parametrize(
    ("mechanism", "suite"), CASES, ids=lambda one: f"suite{one.id}" if isinstance(one, SecuritySuite) else one.name
)


def meter(mechanism: Mechanism, suite: SecuritySuite, version: type[Interface], *, short: bool) -> World:
    """A device whose manager has an association of this version, with users where it knows any."""
    context = ApplicationContext(3 + short)
    of = world(mechanism, suite, context=context)
    users = USERS if any(attribute.name == "user_list" for attribute in version.attributes.values()) else None
    versioned(of.device, KEY, version, context=context, users=users)
    return of


def as_manager(of: World, then: Any, version: type[Interface]) -> Any:
    granted = of.device.associations[KEY]
    more = {} if granted.users is None else {"user": 3}
    return talk(
        of.device,
        then,
        client=MANAGER,
        auth=granted.mechanism,
        password=None if granted.mechanism.with_keys else SECRET,
        security=of.security,
        **more,
        **options(version),
    )


def check(client: Client, one: MeterObject) -> dict[str, Any]:
    """Every attribute of an object: read and of its type, or refused as not readable."""
    of, found = one.interface, {}
    assert of is not None
    assert of.version == one.version
    for index, attribute in of.attributes.items():
        ref = of(one.instance).attribute_ref(index)
        if not one.access(index).readable or attribute.secret:
            with pytest.raises(AccessError, match="denied"):
                client.get(ref)
            continue
        value = client.get(ref)
        assert typed(ref, value) == value
        found[attribute.name] = value
    assert found.get("logical_name", one.instance) == one.instance
    return found


@each_case
@pytest.mark.parametrize("version", LN, ids=lambda of: f"v{of.version}")
def test_cosem_15(mechanism: Mechanism, suite: SecuritySuite, version: type[Interface]) -> None:
    of = meter(mechanism, suite, version, short=False)

    def walk(client: Client) -> tuple[dict[str, Any], Any]:
        [own] = [one for one in client.objects() if one.class_id == 15]
        return check(client, own), client.connection.negotiated

    found, negotiated = as_manager(of, walk, version)
    assert found["associated_partners_id"] == (MANAGER, SERVER)
    assert found["application_context_name"] == context_oid(ApplicationContext.LN_CIPHERED)
    assert found["authentication_mechanism_name"] == mechanism_oid(mechanism)
    assert found["association_status"] == 2
    bits, receives, sends, dlms, _, ciphering = found["xdlms_context_info"]
    assert int(str(bits), 2) == int(negotiated.conformance)
    assert (receives, sends, dlms) == (negotiated.max_send, negotiated.max_receive, 6)
    assert ciphering == b"", "no key is told"
    assert found.get("security_setup_reference", SETUP) == SETUP
    assert ("security_setup_reference" in found) is (version.version > 0)
    assert found.get("user_list", [(3, "three")]) == [(3, "three")]
    assert found.get("current_user", (3, "three")) == (3, "three")


@each_case
@pytest.mark.parametrize("version", SN, ids=lambda of: f"v{of.version}")
def test_cosem_12(mechanism: Mechanism, suite: SecuritySuite, version: type[Interface]) -> None:
    of = meter(mechanism, suite, version, short=True)
    if version is SN[0]:  # tells no rights: everything that is declared counts as readable
        one = MeterObject(12, 0, CURRENT, {1: 1, 2: 1}, {})
        found = as_manager(of, lambda client: check(client, one), version)
    else:

        def walk(client: Client) -> dict[str, Any]:
            [own] = [one for one in client.objects() if one.class_id == 12]
            return check(client, own)

        found = as_manager(of, walk, version)
    assert len(found["object_list"]) == len(of.device.associations[KEY].objects)
    assert found.get("security_setup_reference", SETUP) == SETUP
    assert found.get("current_user", (3, "three")) == (3, "three")


@pytest.mark.parametrize("access", [Access.READ, Access.NONE])
def test_cosem_124(access: Access) -> None:
    from dlms.server.port_protection import PortProtection

    of, one = world(), CommunicationPortProtection("0.0.44.2.0.255")
    of.device.ports[one.instance] = PortProtection(CURRENT)
    granted = of.device.associations[KEY]
    served = Served(one, Rights(dict.fromkeys(one.attributes, access)))
    objects = {**granted.objects, (124, one.instance): served}
    of.device.associations[KEY] = dataclasses.replace(granted, objects=objects)

    def walk(client: Client) -> dict[str, Any]:
        [port] = [listed for listed in client.objects() if listed.class_id == 124]
        return check(client, port)

    assert len(as_manager(of, walk, LN[0])) == (10 if access else 0)

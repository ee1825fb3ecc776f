"""The association's table: every cell for both roles, both ends in step, and the negotiated conformance."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms import apdu as services
from dlms.acse import Aare, Aarq, Diagnostic, Rlre, Rlrq
from dlms.apdu.access import (
    AccessAction,
    AccessGet,
    AccessGetWithSelection,
    AccessSet,
    AccessSetWithSelection,
)
from dlms.apdu.attribute import (
    CosemAttributeDescriptor,
    CosemAttributeDescriptorWithSelection,
    CosemMethodDescriptor,
    DataBlock,
    SelectiveAccess,
)
from dlms.association import KINDS, NEEDS, SENDERS, TRANSITIONS, Association, Kind, Negotiated, Role, State
from dlms.codec import Record
from dlms.enums import Conformance, Mechanism
from dlms.errors import LocalProtocolError, RemoteProtocolError
from tests.dlms.strategies import RECORDS, records

EVERYTHING = Conformance(0x7FFFFF)
ATTRIBUTE = CosemAttributeDescriptor(3, bytes(6), 2)
ACCEPTED, REFUSED = Aare(result=0, diagnostic=Diagnostic(1, 0)), Aare(result=1, diagnostic=Diagnostic(1, 1))

EXAMPLES: dict[Kind, tuple[Record, ...]] = {
    Kind.AARQ: (Aarq(),),
    Kind.AARE: (ACCEPTED, REFUSED),
    Kind.REQUEST: (services.GetRequestNormal(0, ATTRIBUTE), services.ReadRequest([])),
    Kind.RESPONSE: (services.GetResponseNormal(0, None), services.SetResponseNormal(0, 0)),
    Kind.REFUSAL: (services.ExceptionResponse(1, 1), services.ConfirmedServiceError(1, 6, 1)),
    Kind.NOTIFICATION: (services.DataNotification(0, b"", None),),
    Kind.CONFIRM: (services.DataNotificationConfirm(0, b""),),
    Kind.RLRQ: (Rlrq(),),
    Kind.RLRE: (Rlre(),),
}
APDUS = [apdu for group in EXAMPLES.values() for apdu in group]


def association(role: Role, state: State, mechanism: Mechanism = Mechanism.NONE) -> Association:
    made = Association(role)
    made.state, made.negotiated = state, Negotiated(EVERYTHING, mechanism=mechanism)
    return made


@given(
    st.sampled_from(State),
    st.sampled_from(RECORDS).flatmap(records),
    st.sampled_from(Role),
    st.sampled_from((Mechanism.NONE, Mechanism.HLS_GMAC)),
)
def test_every_cell(state: State, apdu: Record, role: Role, mechanism: Mechanism) -> None:
    for act, by, error in (("send", role, LocalProtocolError), ("receive", role.peer, RemoteProtocolError)):
        machine = association(role, state, mechanism)
        kind = KINDS.get(type(apdu))
        target = None if kind is None or SENDERS[kind] is not by else TRANSITIONS.get((state, kind))
        if target is None:
            with pytest.raises(error, match=state.name.lower()):
                getattr(machine, act)(apdu)
            assert machine.state is state
        else:
            getattr(machine, act)(apdu)
            assert machine.state in {target, State.CLOSED, State.AUTHENTICATING}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("apdu", APDUS, ids=lambda apdu: apdu.wire_name())
@pytest.mark.parametrize("role", Role)
def test_cells_by_the_table(state: State, apdu: Record, role: Role) -> None:
    """The same exhaustively, with the targets that do not depend on content."""
    machine = association(role, state)
    kind = KINDS[type(apdu)]
    target = TRANSITIONS.get((state, kind))
    if target is None or SENDERS[kind] is not role:
        with pytest.raises(LocalProtocolError):
            machine.send(apdu)
        return
    machine.send(apdu)
    assert machine.state is (State.CLOSED if apdu is REFUSED else target)


@given(st.lists(st.sampled_from(APDUS), max_size=30), st.booleans())
def test_both_ends_agree_after_every_step(script: list[Record], hls: bool) -> None:
    mechanism = Mechanism.HLS_GMAC if hls else Mechanism.NONE
    client, server = (association(role, State.CLOSED, mechanism) for role in Role)
    for apdu in script:
        sender, receiver = (client, server) if SENDERS[KINDS[type(apdu)]] is Role.CLIENT else (server, client)
        try:
            sender.send(apdu)
        except LocalProtocolError:
            with pytest.raises(RemoteProtocolError):
                receiver.receive(apdu)
        else:
            receiver.receive(apdu)
        assert client.state is server.state


def test_every_state_is_reached_and_left() -> None:
    reached = {State.CLOSED}
    for _ in State:
        reached |= {target for (state, _), target in TRANSITIONS.items() if state in reached}
    assert reached | {State.AUTHENTICATING} == set(State)
    assert {state for state, _ in TRANSITIONS} == set(State)


def test_every_apdu_that_an_association_carries_has_a_kind() -> None:
    carried = {of for of in RECORDS if not of.wire_name().startswith(("general-", "gateway-", "initiate", "service-"))}
    assert carried <= KINDS.keys()
    assert set(SENDERS) == set(Kind)


def test_hls_is_open_only_after_pass_four() -> None:
    machine = association(Role.CLIENT, State.OPENING, Mechanism.HLS_GMAC)
    machine.receive(ACCEPTED)
    assert machine.state.name == "AUTHENTICATING"
    machine.authenticated()
    assert machine.state.name == "OPEN"
    with pytest.raises(LocalProtocolError, match="nothing to authenticate"):
        machine.authenticated()


def test_a_lost_layer_closes_everything() -> None:
    machine = association(Role.CLIENT, State.OPEN)
    machine.lower_layer_lost()
    assert (machine.state, machine.negotiated) == (State.CLOSED, Negotiated())


# --- conformance --------------------------------------------------------------------------------------------------


def request_of(of: type[Record]) -> Record:
    """One request of a class, without selection."""
    block = DataBlock(True, 1, b"")
    method = CosemMethodDescriptor(3, bytes(6), 1)
    filled: dict[str, Any] = {
        "attribute": ATTRIBUTE,
        "method": method,
        "access": None,
        "block": block,
        "descriptors": [],
        "variables": [],
        "values": [],
        "date_time": b"",
        "value": None,
        "parameters": [],
    }
    return of(**{name: filled.get(name, 0 if "specifications" not in name else []) for name, _ in of.layout})


@pytest.mark.parametrize("of", NEEDS, ids=lambda of: of.wire_name())
@pytest.mark.parametrize("role", Role)
def test_a_service_needs_all_its_bits(of: type[Record], role: Role) -> None:
    request = request_of(of)
    act = "send" if role is Role.CLIENT else "receive"
    error = LocalProtocolError if role is Role.CLIENT else RemoteProtocolError
    machine = association(role, State.OPEN)
    machine.negotiated = Negotiated(NEEDS[of])
    getattr(machine, act)(request)
    for bit in Conformance:
        machine.negotiated = Negotiated(EVERYTHING & ~bit)
        if bit in NEEDS[of]:
            with pytest.raises(error, match=str(bit.name).lower().replace("_", "-")):
                getattr(machine, act)(request)
        else:
            getattr(machine, act)(request)
        assert machine.state is State.OPEN


SELECTION = SelectiveAccess(1, None)
_ELEMENT = CosemAttributeDescriptorWithSelection
SELECTING: list[Record] = [
    services.GetRequestNormal(0, ATTRIBUTE, SELECTION),
    services.SetRequestNormal(0, ATTRIBUTE, SELECTION, None),
    services.SetRequestWithFirstDatablock(0, ATTRIBUTE, SELECTION, DataBlock(True, 1, b"")),
    services.GetRequestWithList(0, [_ELEMENT(ATTRIBUTE), _ELEMENT(ATTRIBUTE, SELECTION)]),
    services.SetRequestWithList(0, [_ELEMENT(ATTRIBUTE, SELECTION)], [None]),
    services.SetRequestWithListAndFirstDatablock(0, [_ELEMENT(ATTRIBUTE, SELECTION)], DataBlock(True, 1, b"")),
]


@pytest.mark.parametrize("request_", SELECTING, ids=lambda request: request.wire_name())
def test_selection_needs_selective_access(request_: Record) -> None:
    machine = association(Role.CLIENT, State.OPEN)
    machine.send(request_)
    machine.negotiated = dataclasses.replace(machine.negotiated, conformance=EVERYTHING & ~Conformance.SELECTIVE_ACCESS)
    with pytest.raises(LocalProtocolError, match="selective-access"):
        machine.send(request_)


METHOD = CosemMethodDescriptor(3, bytes(6), 1)
SPECIFIED = [
    (AccessGet(ATTRIBUTE), Conformance.GET),
    (AccessSet(ATTRIBUTE), Conformance.SET),
    (AccessAction(METHOD), Conformance.ACTION),
    (AccessGetWithSelection(ATTRIBUTE, SELECTION), Conformance.GET | Conformance.SELECTIVE_ACCESS),
    (AccessSetWithSelection(ATTRIBUTE, SELECTION), Conformance.SET | Conformance.SELECTIVE_ACCESS),
]


@pytest.mark.parametrize(("specification", "needs"), SPECIFIED, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("role", Role)
def test_a_specification_of_access_needs_the_service_that_it_stands_for(
    specification: Record, needs: Conformance, role: Role
) -> None:
    request = services.AccessRequest(0, b"", [AccessGet(ATTRIBUTE), specification], [None, None])
    act, error = ("send", LocalProtocolError) if role is Role.CLIENT else ("receive", RemoteProtocolError)
    machine = association(role, State.OPEN)
    machine.negotiated = Negotiated(Conformance.ACCESS | Conformance.GET | needs)
    getattr(machine, act)(request)
    for bit in Conformance.ACCESS | Conformance.GET | needs:
        machine.negotiated = Negotiated(EVERYTHING & ~bit)
        with pytest.raises(error, match=str(bit.name).lower().replace("_", "-")):
            getattr(machine, act)(request)

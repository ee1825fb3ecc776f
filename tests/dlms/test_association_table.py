"""The association's tables once more, written down from the books: no cell and no bit is lost or won unseen."""

from __future__ import annotations

import dataclasses

import pytest

from dlms import apdu as services
from dlms.acse import Aare, Diagnostic, Rlre
from dlms.apdu.attribute import CosemAttributeDescriptor
from dlms.apdu.short_name import ParameterizedAccess, VariableName
from dlms.association import (
    NEEDS,
    NOTIFICATION_NEEDS,
    RESPONSE_NEEDS,
    SENDERS,
    SPECIFICATION_NEEDS,
    TRANSITIONS,
    VARIABLE_NEEDS,
    Association,
    Negotiated,
    Role,
    State,
    foreign,
)
from dlms.codec import Record
from dlms.enums import ApplicationContext, Conformance, Mechanism
from dlms.errors import LocalProtocolError, RemoteProtocolError

STATES = """
closed          aarq opening, refusal closed, notification closed, confirm closed
opening         aare open, refusal closed, notification opening
authenticating  request authenticating, response authenticating, refusal authenticating, notification authenticating
open            request open, response open, refusal open, notification open, confirm open, rlrq releasing
releasing       rlre closed, refusal open, notification releasing
"""
FROM_CLIENT = {"aarq", "request", "confirm", "rlrq"}

BITS = """
get-request-normal                          get
get-request-next                            get block-transfer-with-get-or-read
get-request-with-list                       get multiple-references
set-request-normal                          set
set-request-with-first-datablock            set block-transfer-with-set-or-write
set-request-with-datablock                  set block-transfer-with-set-or-write
set-request-with-list                       set multiple-references
set-request-with-list-and-first-datablock   set multiple-references block-transfer-with-set-or-write
action-request-normal                       action
action-request-next-pblock                  action block-transfer-with-action
action-request-with-list                    action multiple-references
action-request-with-first-pblock            action block-transfer-with-action
action-request-with-pblock                  action block-transfer-with-action
action-request-with-list-and-first-pblock   action multiple-references block-transfer-with-action
read-request                                read
write-request                               write
unconfirmed-write-request                   unconfirmed-write
access-request                              access
data-notification                           data-notification
event-notification-request                  event-notification
information-report-request                  information-report
get-response-with-datablock                 block-transfer-with-get-or-read
set-response-datablock                      block-transfer-with-set-or-write
set-response-last-datablock                 block-transfer-with-set-or-write
set-response-last-datablock-with-list       block-transfer-with-set-or-write
action-response-with-pblock                 block-transfer-with-action
action-response-next-pblock                 block-transfer-with-action
parameterized-access                        parameterized-access
block-number-access                         block-transfer-with-get-or-read
read-data-block-access                      block-transfer-with-get-or-read
write-data-block-access                     block-transfer-with-set-or-write
access-get                                  get
access-set                                  set
access-action                               action
access-get-with-selection                   get selective-access
access-set-with-selection                   set selective-access
"""
SHORT_NAMES_ONLY = "read write unconfirmed-write information-report parameterized-access"
LOGICAL_NAMES_ONLY = (
    "get set action access event-notification selective-access priority-management-supported block-transfer-with-action "
    "attribute-0-supported-with-get attribute-0-supported-with-set"
)
EVERYTHING = Conformance(0x7FFFFF)
ATTRIBUTE = CosemAttributeDescriptor(3, bytes(6), 2)
GET = services.GetRequestNormal(0, ATTRIBUTE)
BLOCK = services.ActionResponseNextPblock(0, 1)
NOTIFICATION = services.DataNotification(0, b"", None)


def words(bits: Conformance) -> set[str]:
    return {str(bit.name).lower().replace("_", "-") for bit in Conformance if bit in bits}


def machine(role: Role, state: State, negotiated: Negotiated | None = None) -> Association:
    made = Association(role)
    made.state, made.negotiated = state, negotiated or Negotiated(EVERYTHING)
    return made


def test_the_states() -> None:
    listed = {}
    for line in STATES.split("\n")[1:-1]:
        state, _, cells = line.partition(" ")
        for cell in cells.split(","):
            kind, target = cell.split()
            listed[state, kind] = target
    assert {(a.name.lower(), b.name.lower()): to.name.lower() for (a, b), to in TRANSITIONS.items()} == listed
    assert {kind.name.lower() for kind, role in SENDERS.items() if role is Role.CLIENT} == FROM_CLIENT


def test_the_bits_of_each_service() -> None:
    listed = {line.split()[0]: set(line.split()[1:]) for line in BITS.split("\n")[1:-1]}
    tables = (NEEDS, NOTIFICATION_NEEDS, RESPONSE_NEEDS, VARIABLE_NEEDS, SPECIFICATION_NEEDS)
    assert {of.wire_name(): words(bits) for table in tables for of, bits in table.items()} == listed


@pytest.mark.parametrize("context", ApplicationContext)
def test_the_bits_of_the_other_names(context: ApplicationContext) -> None:
    other = (
        LOGICAL_NAMES_ONLY if context in (ApplicationContext.SN, ApplicationContext.SN_CIPHERED) else SHORT_NAMES_ONLY
    )
    assert words(foreign(context)) == set(other.split())


@pytest.mark.parametrize("state", [State.AUTHENTICATING, State.OPEN])
def test_bits_count_where_an_association_is_open(state: State) -> None:
    """Passes 3 and 4 need none, and everything needs its own: of whoever sends it."""
    for apdu, sender in ((GET, Role.CLIENT), (NOTIFICATION, Role.SERVER), (BLOCK, Role.SERVER)):
        for role in Role:
            of = machine(role, state, Negotiated())
            act = of.send if role is sender else of.receive
            if state is State.AUTHENTICATING:
                act(apdu)
            else:
                error = LocalProtocolError if role is sender else RemoteProtocolError
                with pytest.raises(error, match="was not negotiated"):
                    act(apdu)
            assert of.state is state


def test_several_variables_are_multiple_references() -> None:
    of = machine(Role.CLIENT, State.OPEN, Negotiated(Conformance.READ))
    of.send(services.ReadRequest([VariableName(8)]))
    with pytest.raises(LocalProtocolError, match="multiple-references"):
        of.send(services.ReadRequest([VariableName(8), VariableName(16)]))


def test_a_variable_needs_its_own_bits() -> None:
    of = machine(Role.CLIENT, State.OPEN, Negotiated(Conformance.READ | Conformance.MULTIPLE_REFERENCES))
    of.send(services.ReadRequest([VariableName(8), VariableName(16)]))
    with pytest.raises(LocalProtocolError, match="parameterized-access"):
        of.send(services.ReadRequest([VariableName(8), ParameterizedAccess(16, 1, None)]))


def test_an_answer_without_blocks_needs_none() -> None:
    for answer in (
        services.GetResponseNormal(0, None),
        services.SetResponseNormal(0, 0),
        services.ExceptionResponse(1, 1),
    ):
        machine(Role.SERVER, State.OPEN, Negotiated()).send(answer)


def test_what_was_agreed_on_is_nothing_at_first_and_does_not_change() -> None:
    agreed = Negotiated()
    assert agreed == Negotiated(Conformance(0), 0, 0, ApplicationContext.LN, Mechanism.NONE, 0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        agreed.max_send = 1  # type: ignore[misc]


@pytest.mark.parametrize("mechanism", Mechanism)
@pytest.mark.parametrize("result", [0, 1, 2])
def test_an_aare_opens_closes_or_waits_for_proof(mechanism: Mechanism, result: int) -> None:
    for role in Role:
        of = machine(role, State.OPENING, Negotiated(EVERYTHING, mechanism=mechanism))
        (of.send if role is Role.SERVER else of.receive)(Aare(result=result, diagnostic=Diagnostic(1, 0)))
        if result:
            assert of.state is State.CLOSED
        else:
            assert of.state is (State.AUTHENTICATING if mechanism >= 2 else State.OPEN)


@pytest.mark.parametrize(
    ("reason", "state"), [(None, State.CLOSED), (0, State.CLOSED), (1, State.OPEN), (30, State.CLOSED)]
)
def test_a_release_that_is_not_finished_leaves_the_association_open(reason: int | None, state: State) -> None:
    of = machine(Role.CLIENT, State.RELEASING)
    of.receive(Rlre(reason))
    assert of.state is state


@pytest.mark.parametrize("state", State)
def test_only_passes_three_and_four_end_in_authenticated(state: State) -> None:
    of = machine(Role.SERVER, state)
    if state is State.AUTHENTICATING:
        of.authenticated()
        assert of.state is State.OPEN
    else:
        with pytest.raises(LocalProtocolError, match=f"nothing to authenticate while {state.name.lower()}"):
            of.authenticated()
        assert of.state is state


@pytest.mark.parametrize("state", State)
def test_what_is_open_without_an_aare_was_not_open_before(state: State) -> None:
    of, agreed = machine(Role.CLIENT, state), Negotiated(Conformance.GET)
    if state in (State.CLOSED, State.OPENING):
        of.opened(agreed)
        assert (of.state, of.negotiated) == (State.OPEN, agreed)
    else:
        before = of.negotiated
        with pytest.raises(LocalProtocolError, match="cannot be opened"):
            of.opened(agreed)
        assert (of.state, of.negotiated) == (state, before)


@pytest.mark.parametrize("apdu", [GET, ATTRIBUTE], ids=lambda apdu: apdu.wire_name())
def test_what_is_forbidden_says_who_sent_what_when(apdu: Record) -> None:
    of = machine(Role.CLIENT, State.OPENING)
    with pytest.raises(
        LocalProtocolError, match=f"{apdu.wire_name()} from the client while the association is opening"
    ):
        of.send(apdu)
    assert of.state is State.OPENING


def test_octets_before_protection() -> None:
    for limit, overhead, plain in (
        (0, 0, 0),
        (0, 21, 0),
        (100, 0, 100),
        (100, 21, 79),
        (20, 21, 1),
        (21, 21, 1),
        (22, 21, 1),
    ):
        assert Negotiated(max_send=limit, overhead=overhead).plain_send == plain
        assert Negotiated(max_receive=limit, overhead=overhead).plain_receive == plain

"""Short names on the server, octet for octet: the abstract test cases, blocks both ways, refusals."""

from __future__ import annotations

import pytest

from dlms.apdu.initiate import VAA_NAME_LN, VAA_NAME_SN
from dlms.association import foreign
from dlms.data import decode as decode_data
from dlms.enums import AccessResult, ApplicationContext, AssociationResult, Conformance, Mechanism
from dlms.ic import AssociationSn, AssociationSnV1, AssociationSnV4
from dlms.operations.associate import LN_CONFORMANCE, SN_CONFORMANCE, AssociationRequest
from tests.dlms.short_name_meter import (
    ALL,
    ENERGY,
    LOGICAL,
    LONG,
    OPERATOR,
    PASSWORD,
    SN,
    TEXT,
    Wire,
    device,
)

C = Conformance
ENERGY_VALUE, TEXT_VALUE, LONG_VALUE = "0138", "0108", "0118"
READ_REFUSED = "0c0101"
SERVICE_UNSUPPORTED = "0302"


@pytest.fixture
def wire() -> Wire:
    made = Wire(device())
    assert made.associate().result == AssociationResult.ACCEPTED
    return made


def test_the_names_that_the_other_tests_write_out() -> None:
    names = device().base_names(device().associations[16, 1])
    assert names.by_object[3, ENERGY.instance] + 8 == int(ENERGY_VALUE, 16)
    assert names.by_object[1, TEXT.instance] + 8 == int(TEXT_VALUE, 16)
    assert names.by_object[1, LONG.instance] + 8 == int(LONG_VALUE, 16)


# association


def test_an_association_with_short_names_has_their_vaa_name_and_only_their_bits() -> None:
    everything = AssociationRequest(context=SN, conformance=LN_CONFORMANCE | SN_CONFORMANCE)
    initiate = Wire(device(conformance=~Conformance(0))).associate(everything).initiate()
    assert initiate.vaa_name == VAA_NAME_SN
    assert initiate.conformance == SN_CONFORMANCE
    assert not initiate.conformance & foreign(SN)


def test_an_association_with_logical_names_gets_no_bit_of_short_names() -> None:
    request = AssociationRequest(conformance=LN_CONFORMANCE | SN_CONFORMANCE)
    initiate = Wire(device(), LOGICAL).associate(request).initiate()
    assert (initiate.vaa_name, initiate.conformance & foreign(ApplicationContext.LN)) == (VAA_NAME_LN, 0)


@pytest.mark.parametrize(
    ("sap", "request_", "diagnostic", "error"),
    [
        (16, AssociationRequest(), 2, None),
        (LOGICAL, AssociationRequest(context=SN), 2, None),
        (16, AssociationRequest(context=SN, conformance=C.GET), 1, "0e010602"),
        (OPERATOR, AssociationRequest(context=SN), 14, None),
        (OPERATOR, AssociationRequest(Mechanism.LLS, b"wrong", SN), 13, None),
        (16, AssociationRequest(context=SN, max_receive=11), 1, "0e010603"),
    ],
)
def test_refused_associations(sap: int, request_: AssociationRequest, diagnostic: int, error: str | None) -> None:
    answer = Wire(device(), sap).associate(request_)
    assert answer.result == AssociationResult.REJECTED_PERMANENT
    assert answer.diagnostic is not None
    assert answer.diagnostic.code == diagnostic
    assert answer.user_information == (None if error is None else bytes.fromhex(error))


def test_appl_idle_n1_a_read_without_association_is_a_confirmed_service_error() -> None:
    wire = Wire(device())
    assert wire.ask("050102fa00") == bytes.fromhex("0e050201")
    assert wire.ask("0601020108010a0178") == bytes.fromhex("0e060201")
    assert wire.ask("1601020108010a0178") == b""
    assert Wire(device(), LOGICAL).ask("050102fa00") == bytes.fromhex("d80101")


def test_appl_data_ln_n4_a_read_in_an_association_with_logical_names_is_refused() -> None:
    wire = Wire(device(), LOGICAL)
    wire.associate()
    wire.associate(AssociationRequest())
    assert wire.ask("050102fa00") == bytes.fromhex("d80101")
    assert wire.ask("c001c1000f0000280000ff0100").hex().startswith("c401c100")


# Read


@pytest.mark.parametrize(
    "request_",
    ["050108fa00", "0501", "050102fa", "050102fa0000", "050104013801", "05ff02fa00"],
    ids=["unknown variable access", "no variable", "half a name", "one octet more", "no parameter", "too many"],
)
def test_appl_data_sn_n1_a_read_that_is_no_read_is_a_data_access_error(wire: Wire, request_: str) -> None:
    assert wire.ask(request_) == bytes.fromhex(READ_REFUSED + "fa")
    assert wire.alive()


@pytest.mark.parametrize("name", ["fa01", "0000", "0101", "ffff", "fa18", "fa28"])
def test_appl_data_sn_n1_a_name_that_names_nothing_is_undefined(wire: Wire, name: str) -> None:
    assert wire.ask("050102" + name) == bytes.fromhex(READ_REFUSED + "04")
    assert wire.alive()


def test_appl_data_sn_n3_a_get_is_a_confirmed_service_error(wire: Wire) -> None:
    assert wire.ask("c001c1000f0000280000ff0100") == bytes.fromhex("0e05" + SERVICE_UNSUPPORTED)
    assert wire.ask("c101c100010000600100ff020009017f") == bytes.fromhex("0e06" + SERVICE_UNSUPPORTED)
    assert wire.ask("c301c100030100010800ff0100") == bytes.fromhex("0e06" + SERVICE_UNSUPPORTED)
    assert wire.ask("ff") == bytes.fromhex("0e06" + SERVICE_UNSUPPORTED)
    assert wire.alive()


def test_a_list_of_variables_with_a_refusal_in_its_place(wire: Wire) -> None:
    answer = wire.ask(f"050302{ENERGY_VALUE}02fffe02{TEXT_VALUE}")
    assert answer == bytes.fromhex("0c0300" + "06000004d2" + "0104" + "00" + "0a05" + b"hello".hex())


def test_a_method_is_called_by_write_but_not_by_a_plain_read(wire: Wire) -> None:
    reset = f"{int(ENERGY_VALUE, 16) - 8 + 0x28:04x}"
    assert wire.ask(f"050102{reset}") == bytes.fromhex(READ_REFUSED + "03")
    assert wire.ask(f"050102{ENERGY_VALUE}").endswith(bytes.fromhex("000004d2"))
    assert wire.ask(f"060102{reset}010f00") == bytes.fromhex("0d0100")
    assert wire.ask(f"050102{ENERGY_VALUE}").endswith(bytes.fromhex("00000000"))


def test_a_method_that_returns_something_is_called_by_read(wire: Wire) -> None:
    energy = "0203120003" + "0906" + bytes(ENERGY.instance).hex() + "0f02"
    unknown = "0203120003" + "0906" + "ff" * 6 + "0f02"
    asked = wire.ask(f"050104fa30000103{energy}{unknown}{energy}")
    assert asked == bytes.fromhex("0c0100" + "0203" + "06000004d2" + "00" + "06000004d2")
    assert wire.ask("050104fa300001011107") == bytes.fromhex("0c01010c")


def test_a_read_of_too_many_variables_is_refused_as_a_whole(wire: Wire) -> None:
    assert wire.ask("0541" + f"02{ENERGY_VALUE}" * 65) == bytes.fromhex(READ_REFUSED + "fa")
    assert wire.alive()


# Write


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ("060102fa01010f00", "04"),
        ("060108fa00010f00", "fa"),
        ("060102fa00", "fa"),
        (f"060102{TEXT_VALUE}00", "fa"),
        (f"060102{TEXT_VALUE}020f000f00", "fa"),
        (f"060102{TEXT_VALUE}010f00", "0c"),
        ("060102fa08010100", "03"),
        ("0601050001010f00", "fa"),
    ],
    ids=["bad name", "unknown access", "truncated", "no value", "two values", "wrong type", "a list of ours", "block"],
)
def test_appl_data_sn_n2_a_write_that_cannot_be_done_is_a_data_access_error(
    wire: Wire, request_: str, code: str
) -> None:
    assert wire.ask(request_) == bytes.fromhex("0d0101" + code)
    assert wire.alive()


def test_a_list_is_written_except_for_what_is_refused(wire: Wire) -> None:
    answer = wire.ask(f"060302{TEXT_VALUE}02fffe02{ENERGY_VALUE}03" + "0a0178" + "0f00" + "0600000007")
    assert answer == bytes.fromhex("0d03000104" + "00")
    assert wire.ask(f"050202{TEXT_VALUE}02{ENERGY_VALUE}") == bytes.fromhex("0c02000a0178" + "000600000007")


def test_an_unconfirmed_write_is_carried_out_and_not_answered(wire: Wire) -> None:
    assert wire.ask(f"160102{TEXT_VALUE}010a0178") == b""
    assert wire.ask(f"050102{TEXT_VALUE}") == bytes.fromhex("0c01000a0178")
    assert wire.ask("1601") == b""
    assert wire.alive()


@pytest.mark.parametrize("missing", [C.READ, C.MULTIPLE_REFERENCES, C.PARAMETERIZED_ACCESS])
def test_what_was_not_negotiated_is_refused(missing: Conformance) -> None:
    wire = Wire(device(conformance=ALL & ~missing))
    wire.associate()
    asked = {C.READ: "050102fa00", C.MULTIPLE_REFERENCES: "050202fa0002fa00", C.PARAMETERIZED_ACCESS: "050104fa000000"}
    assert wire.ask(asked[missing]) == bytes.fromhex("0e05" + SERVICE_UNSUPPORTED)


# blocks


def small(size: int = 30, conformance: Conformance = ALL) -> Wire:
    wire = Wire(device(conformance=conformance))
    wire.associate(AssociationRequest(context=SN, max_receive=size))
    return wire


def test_a_long_answer_comes_in_blocks_of_its_encoded_results() -> None:
    wire = small()
    answer, number, value = wire.ask(f"050102{LONG_VALUE}"), 1, b""
    while True:
        assert len(answer) <= 30
        assert answer[:3] == bytes.fromhex("0c0102")
        assert int.from_bytes(answer[4:6], "big") == number
        assert answer[6] == len(answer) - 7
        value += answer[7:]
        if answer[3]:
            break
        answer = wire.ask(f"050105{number:04x}")
        number += 1
    assert value[:2] == b"\x01\x00"
    assert decode_data(value[2:]) == bytes(range(256)) * 4
    assert wire.ask(f"050105{number:04x}") == bytes.fromhex(READ_REFUSED + "10")


@pytest.mark.parametrize("wrong", ["0000", "0002", "ffff"])
def test_a_wrong_block_number_ends_the_answer(wrong: str) -> None:
    wire = small()
    wire.ask(f"050102{LONG_VALUE}")
    assert wire.ask("050105" + wrong) == bytes.fromhex(READ_REFUSED + "13" if wrong != "ffff" else READ_REFUSED + "10")
    assert wire.ask("0501050001") == bytes.fromhex(READ_REFUSED + "10")
    assert wire.alive()


def test_another_request_ends_the_answer() -> None:
    wire = small()
    wire.ask(f"050102{LONG_VALUE}")
    assert wire.alive()
    assert wire.ask("0501050001") == bytes.fromhex(READ_REFUSED + "10")


def test_without_block_transfer_what_does_not_fit_is_refused_and_the_rest_is_not() -> None:
    wire = small(30, ALL & ~C.BLOCK_TRANSFER_WITH_GET_OR_READ)
    answer = wire.ask(f"050302{LONG_VALUE}02{TEXT_VALUE}02{ENERGY_VALUE}")
    assert answer == bytes.fromhex("0c03010e" + "000a05" + b"hello".hex() + "0006000004d2")


def test_a_long_read_request_comes_in_blocks(wire: Wire) -> None:
    assert wire.ask("05010600000104" + f"0202{ENERGY_VALUE}") == bytes.fromhex("0c01030001")
    assert wire.ask("05010601000203" + f"02{TEXT_VALUE}") == bytes.fromhex("0c020006000004d2000a05" + b"hello".hex())


def test_a_long_write_request_comes_in_blocks(wire: Wire) -> None:
    assert wire.ask("060107000001" + "010904" + f"0102{TEXT_VALUE}") == bytes.fromhex("0d01020001")
    assert wire.ask("060107000002" + "010903" + "010a02") == bytes.fromhex("0d01020002")
    assert wire.ask("060107010003" + "010902" + "4f4b") == bytes.fromhex("0d0100")
    assert wire.ask(f"050102{TEXT_VALUE}") == bytes.fromhex("0c01000a024f4b")


@pytest.mark.parametrize(
    ("last", "code"),
    [
        ("060107010003010901ff", "13"),
        ("06010701000201090107", "fa"),
        ("0601070100020109010a", "fa"),
        ("060107000002010900", "11"),
    ],
    ids=["number", "no data", "half a value", "empty block"],
)
def test_a_long_write_that_goes_wrong_changes_nothing(wire: Wire, last: str, code: str) -> None:
    assert wire.ask("060107000001" + "010905" + f"0102{TEXT_VALUE}01") == bytes.fromhex("0d01020001")
    assert wire.ask(last) == bytes.fromhex("0d0101" + code)
    assert wire.ask(f"050102{TEXT_VALUE}") == bytes.fromhex("0c01000a05" + b"hello".hex())


def test_blocks_hide_nothing_that_was_not_negotiated() -> None:
    wire = Wire(device(conformance=ALL & ~C.PARAMETERIZED_ACCESS))
    wire.associate()
    hidden = "0104fa3000010111" + "07"
    assert wire.ask(f"05010601000109{hidden}") == bytes.fromhex(READ_REFUSED + "0d")
    assert wire.alive()


# Association SN


@pytest.mark.parametrize("version", [AssociationSn, AssociationSnV1, AssociationSnV4])
def test_the_lists_of_an_association(version: type[AssociationSn]) -> None:
    wire = Wire(device(association=version("0.0.40.0.0.255")))
    wire.associate()
    listed = decode_data(wire.ask("050102fa08")[3:])
    assert (-0x600, 12, version.version, bytes.fromhex("0000280000ff")) in listed
    assert (-0x400, 17, 0, bytes.fromhex("0000290000ff")) in listed
    rights = wire.ask("050102fa10")
    if version is AssociationSn:
        assert rights == bytes.fromhex(READ_REFUSED + "04")
        return
    by_name = {base: (attributes, methods) for base, attributes, methods in decode_data(rights[3:])}
    assert by_name.keys() == {element[0] for element in listed}
    assert by_name[0x0130] == ([(1, 3, None), (2, 3, None), (3, 3, None)], [(1, 1)])


def test_the_lists_cannot_be_read_in_part_or_written(wire: Wire) -> None:
    assert wire.ask("050104fa080100") == bytes.fromhex(READ_REFUSED + f"{AccessResult.SCOPE_OF_ACCESS_VIOLATED:02x}")
    assert wire.ask("060102fa10010100") == bytes.fromhex("0d010103")


def test_change_lls_secret() -> None:
    served = device()
    wire = Wire(served, OPERATOR)
    wire.associate(AssociationRequest(Mechanism.LLS, PASSWORD, SN))
    assert wire.ask("060102fa40010f00") == bytes.fromhex("0d01010c")
    assert wire.ask("060102fa40010903" + b"new".hex()) == bytes.fromhex("0d0100")
    again = Wire(served, OPERATOR)
    assert again.associate(AssociationRequest(Mechanism.LLS, PASSWORD, SN)).result == 1
    assert again.associate(AssociationRequest(Mechanism.LLS, b"new", SN)).result == 0


def test_change_lls_secret_without_a_secret_is_denied(wire: Wire) -> None:
    assert wire.ask("060102fa40010903" + b"new".hex()) == bytes.fromhex("0d010103")


def test_what_is_longer_than_agreed_is_refused() -> None:
    wire = Wire(device(max_receive=20))
    wire.associate()
    assert wire.ask("050702" + f"{TEXT_VALUE}02" * 6 + TEXT_VALUE) == bytes.fromhex("0e050301")
    assert wire.alive()

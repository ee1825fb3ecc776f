"""Base names: every attribute and method has a name of its own, the same one whatever the order of the objects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.errors import AccessError, LocalProtocolError
from dlms.ic import AssociationSnV3, Clock, Data, ProfileGeneric, Register, SapAssignment
from dlms.interface import Interface
from dlms.server import Access, Rights, Served
from dlms.server.base_names import SPECIAL, BaseNames, extent
from obis import Obis

CLASSES = (AssociationSnV3, Clock, Data, ProfileGeneric, Register, SapAssignment)
INTERFACES = st.builds(
    lambda of, group: of(Obis(0, 0, 40 + of.class_id % 3, group, 0, 255)), st.sampled_from(CLASSES), st.integers(0, 9)
)


def served(of: Interface, base_name: int | None = None) -> Served:
    return Served(of, Rights({1: Access.READ}), base_name)


def by_key(*of: Interface) -> dict[tuple[int, Obis], Served]:
    return {(one.class_id, one.instance): served(one) for one in of}


@given(st.lists(INTERFACES, max_size=20))
def test_every_member_is_found_under_its_own_name(interfaces: list[Interface]) -> None:
    objects = by_key(*interfaces)
    names = BaseNames(objects)
    taken = set[int]()
    for key, base in names.by_object.items():
        of = objects[key].interface
        members = [of.attribute_ref(index) for index in of.attributes], [of.method_ref(index) for index in of.methods]
        for ref in members[0]:
            assert ref.attribute is not None
            name = base + ref.attribute.short_name_offset
            assert names.find(name) == ref
            assert name % 8 == 0
            assert name not in taken
            taken.add(name)
        for method in members[1]:
            assert method.method is not None
            name = base + method.method.short_name_offset
            assert names.find(name) == method
            assert name not in taken
            taken.add(name)
    assert BaseNames(dict(reversed(objects.items()))).by_object == names.by_object
    assert all(names.by_object[key] == base for key, base in SPECIAL.items() if key in objects)
    for name in {0, 1, 0xFFFF} - taken:
        with pytest.raises(AccessError):
            names.find(name)


def test_the_maker_of_a_meter_sets_names_and_the_others_go_round_them() -> None:
    objects = by_key(Data("0.0.1.0.0.255"), Register("0.0.2.0.0.255"))
    objects[3, Obis("0.0.9.0.0.255")] = served(Register("0.0.9.0.0.255"), 0x0100)
    names = BaseNames(objects).by_object
    assert list(names.values()) == [0x0100, 0x0130, 0x0140]


@pytest.mark.parametrize("base", [0x0101, 0xFFE0, 0x10000, -8, 0xF9F8])
def test_a_name_that_has_no_room_is_refused(base: int) -> None:
    objects = by_key(AssociationSnV3("0.0.40.0.0.255"))
    objects[3, Obis("0.0.9.0.0.255")] = served(Register("0.0.9.0.0.255"), base)
    with pytest.raises(LocalProtocolError, match="does not fit"):
        BaseNames(objects)


def test_too_many_objects_are_refused() -> None:
    many = (Clock(Obis(0, 0, number >> 8, number & 0xFF, 0, 255)) for number in range(500))
    with pytest.raises(LocalProtocolError, match="no short names left"):
        BaseNames(by_key(*many))


def test_an_object_reaches_to_its_last_member() -> None:
    assert extent(served(Data("0.0.1.0.0.255"))) == 0x10
    assert extent(served(Register("0.0.1.0.0.255"))) == 0x30
    assert extent(served(Clock("0.0.1.0.0.255"))) == 0x90

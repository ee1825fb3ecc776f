"""Key pairs, certificates and counters of a meter over a live association; certificates that come with it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.association import Negotiated
from dlms.ciphering import Shape
from dlms.client import INVOCATION_COUNTER, Client, connect
from dlms.enums import ActionCode, ApplicationContext, Mechanism
from dlms.errors import AccessError, AssociationRefused, DlmsError, SecurityError
from dlms.ic import Data, SecuritySetupV1
from dlms.meter_keys import MeterKeys
from dlms.security import points
from dlms.security.bench_authority import BenchAuthority
from dlms.security.certificates import Purpose, read
from dlms.security.counters import MemoryCounterStore
from dlms.security.identification import ByEntity, BySerial, Entity, common_name
from dlms.security.policy import Envelope, Policy, Protection
from dlms.security.signing_request import create_request
from dlms.security.subject import CertificateError
from dlms.security.suite import SUITE_0, SUITE_1, SUITE_2
from dlms.server import Device
from dlms.server.objects import Context
from dlms.server.objects.security_setup import SecuritySetupBehaviour
from dlms.server.security import ServerCiphering
from dlms.values import DoubleLongUnsigned, Enum
from tests.dlms.data_values import values
from tests.dlms.kept import AUTHORITIES, DAYS, HEAD_END, MANAGER, METER, NAME, NOW, OURS, SETUP, Files, device
from tests.dlms.served import memory_name, served
from tests.dlms.server.devices import ENERGY, LONG, PUBLIC, SERVER

KEPT = Files.of(SUITE_1)
SUITES = pytest.mark.parametrize("suite", [SUITE_1, SUITE_2], ids=lambda suite: f"suite {suite.id}")
OBJECT = SecuritySetupV1(SETUP)
ALL = Protection.AUTHENTICATED | Protection.ENCRYPTED | Protection.SIGNED


@contextlib.contextmanager
def talking(to: Device, security: Any = None, **options: Any) -> Iterator[Client]:
    with (
        served(memory_name(), to) as url,
        connect(url, client=MANAGER if security else PUBLIC, server=SERVER, security=security, **options) as client,
    ):
        yield client


def connect_and_close(to: Device, security: Any) -> None:
    with talking(to, security, auth=Mechanism.HLS_ECDSA):
        pass


def issue(suite: int, purpose: Purpose) -> Any:
    return lambda request: AUTHORITIES[suite].issue(request, purpose, NOW, DAYS)


@SUITES
@pytest.mark.parametrize("purpose", Purpose)
def test_a_meter_is_enrolled(suite, purpose):
    files = Files.of(suite)
    setup = files.setup()
    with talking(device(setup), files.security()) as client:
        keys = MeterKeys(client)
        before = setup.keys.device.private_key(purpose.name.lower())
        made = keys.enrol(purpose, issue(suite.id, purpose))
        assert keys.export(ByEntity(Entity.SERVER, purpose.value, METER)) == made
        after = setup.keys.device.private_key(purpose.name.lower())
        assert after not in (None, before)
        assert client.get(ENERGY.value) == 1234, "the association goes on"


def test_a_meter_is_enrolled_in_blocks():
    files = Files.of(SUITE_1)
    with talking(device(files.setup(), max_receive=200), files.security(), max_receive=200) as client:
        assert client.connection.negotiated.max_send == 200
        keys = MeterKeys(client)
        made = keys.enrol(Purpose.SIGNATURE, issue(1, Purpose.SIGNATURE))
        assert len(made) > 200
        assert len(keys.certificates()) == 5


def test_what_the_meter_holds_is_listed():
    files = Files.of(SUITE_1)
    with talking(device(files.setup()), files.security()) as client:
        keys = MeterKeys(client)
        rows = keys.certificates()
        kinds = sorted((row.entity, row.certificate_type) for row in rows)
        assert kinds == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 3)]
        assert {common_name(row.subject) for row in rows} == {
            METER.hex().upper(),
            OURS.hex().upper(),
            "TEST BENCH ONLY bench",
        }
        for row in rows:
            assert read(keys.export(row.identification)).serial_number == row.serial


def test_another_client_is_let_in_and_thrown_out():
    files, other = Files.of(SUITE_1), b"HEA00002"
    setup = files.setup()
    key = points.generate(SUITE_1)
    certificate = issue(1, Purpose.SIGNATURE)(create_request(key, other, SUITE_1))
    second = dataclasses.replace(files.client[HEAD_END], system_title=other, certificates={})
    second = dataclasses.replace(second, signing_key=points.private_secret(key, SUITE_1))
    files.client.devices["second"] = second
    files.client.devices[NAME] = dataclasses.replace(files.client[NAME], identity="second")
    theirs = files.security(system_title=other, protection=ALL)
    files.client.devices[NAME] = dataclasses.replace(files.client[NAME], identity=HEAD_END)
    meter = device(setup, Mechanism.HLS_ECDSA)
    with talking(meter, files.security(), auth=Mechanism.HLS_ECDSA) as client:
        with pytest.raises(AssociationRefused), talking(meter, theirs, auth=Mechanism.HLS_ECDSA):
            pass
        MeterKeys(client).import_certificate(certificate)
        with talking(meter, theirs, auth=Mechanism.HLS_ECDSA) as let_in:
            assert let_in.get(ENERGY.value) == 1234
            MeterKeys(client).remove(ByEntity(Entity.CLIENT, 0, other))
            with pytest.raises(DlmsError):
                let_in.get(ENERGY.value)


REFUSED = {
    "an anchor": lambda files: AUTHORITIES[1].certificate,
    "another authority": lambda files: BenchAuthority.create("other", SUITE_1, NOW, DAYS).certificate,
    "no certificate": lambda files: None,
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_imported(case):
    from cryptography.hazmat.primitives.serialization import Encoding

    files = Files.of(SUITE_1)
    made = REFUSED[case](files)
    with talking(device(files.setup()), files.security()) as client:
        keys = MeterKeys(client)
        before = keys.certificates()
        with pytest.raises(AccessError, match="other-reason"):
            keys.import_certificate(b"nothing" if made is None else made.public_bytes(Encoding.DER))
        assert keys.certificates() == before


def test_an_anchor_is_exported_and_not_removed():
    files = Files.of(SUITE_1)
    with talking(device(files.setup()), files.security()) as client:
        keys = MeterKeys(client)
        (row,) = [row for row in keys.certificates() if row.entity == Entity.AUTHORITY]
        assert read(keys.export(row.identification)) == AUTHORITIES[1].certificate
        with pytest.raises(AccessError):
            keys.remove(row.identification)
        assert row in keys.certificates()


@pytest.mark.parametrize(
    ("method", "parameter", "code"),
    [
        (OBJECT.generate_key_pair, 3, ActionCode.TYPE_UNMATCHED),
        (OBJECT.generate_certificate_request, 3, ActionCode.TYPE_UNMATCHED),
        (OBJECT.generate_certificate_request, 2, ActionCode.OTHER_REASON),
        (OBJECT.export_certificate, BySerial(9, b"x").value(), ActionCode.OTHER_REASON),
        (OBJECT.remove_certificate, ByEntity(Entity.CLIENT, 2, OURS).value(), ActionCode.OTHER_REASON),
        (OBJECT.key_agreement, [], ActionCode.TYPE_UNMATCHED),
        (OBJECT.key_agreement, [(0, bytes(128))], ActionCode.OTHER_REASON),
        (OBJECT.key_agreement, [(4, bytes(128))], ActionCode.SCOPE_OF_ACCESS_VIOLATED),
        (OBJECT.key_agreement, [(0, bytes(128)), (0, bytes(128))], ActionCode.SCOPE_OF_ACCESS_VIOLATED),
    ],
)
def test_calls_that_are_refused(method, parameter, code):
    files = Files.of(SUITE_1)
    setup = files.setup()
    before = setup.keys._file.text()
    with talking(device(setup), files.security()) as client:
        with pytest.raises(AccessError) as refusal:
            client.call(method, parameter)
        assert refusal.value.result == code
        assert client.get(ENERGY.value) == 1234
    assert setup.keys._file.text() == before


def test_a_meter_without_a_key_store_has_no_certificates():
    files = Files.of(SUITE_1)
    setup = files.setup()
    meter = device(setup)
    setup.keys = None
    with talking(meter, files.security()) as client:
        assert MeterKeys(client).certificates() == []
        for method, parameter in ((OBJECT.generate_key_pair, 0), (OBJECT.key_agreement, [(0, bytes(128))])):
            with pytest.raises(AccessError):
                client.call(method, parameter)


def test_no_key_is_agreed_on_with_a_client_that_has_no_name():
    files = Files.of(SUITE_1)
    setup = files.setup()
    meter = device(setup, Mechanism.NONE, ApplicationContext.LN)
    security = files.security(protection=Protection.NONE)
    with (
        talking(meter, security, auth=Mechanism.NONE) as client,
        pytest.raises(AccessError, match="read-write-denied"),
    ):
        client.call(OBJECT.key_agreement, [(0, bytes(128))])


def test_the_policy_is_kept(tmp_path):
    files = Files.of(SUITE_1)
    _, path = files.save(tmp_path)
    wanted = Policy.both(Protection.AUTHENTICATED | Protection.ENCRYPTED) | Policy.SIGNED_REQUEST
    with talking(device(files.setup(path=path)), files.security(protection=ALL)) as client:
        client.call(OBJECT.security_activate, int(wanted))
    assert files.setup(path=path).policy == wanted


def test_a_meter_that_cannot_keep_a_change_says_so_and_does_not_make_it(tmp_path, monkeypatch):
    files = Files.of(SUITE_1)
    _, path = files.save(tmp_path)
    setup = files.setup(path=path)
    with talking(device(setup), files.security()) as client:
        before = setup.keys._file.text()

        def full(*arguments: object) -> None:
            raise OSError(28, "No space left on device")

        for method, parameter in ((OBJECT.generate_key_pair, 0), (OBJECT.security_activate, 0xFC)):
            with monkeypatch.context() as patch:
                patch.setattr(os, "fsync", full)
                with pytest.raises(AccessError, match="temporary-failure"):
                    client.call(method, parameter)
            assert setup.keys._file.text() == before
        assert client.get(ENERGY.value) == 1234


def test_a_request_for_another_meter_is_not_believed():
    files = Files.of(SUITE_1)
    setup = files.setup()
    with talking(device(setup), files.security()) as client:
        setup.keys.request = lambda purpose: create_request(points.generate(SUITE_1), b"MTR00013", SUITE_1)
        with pytest.raises(CertificateError, match="this meter is"):
            MeterKeys(client).request(Purpose.SIGNATURE)


METHODS = [OBJECT.method_ref(index) for index in OBJECT.methods]
PARAMETERS = st.one_of(
    values,
    st.builds(Enum, st.integers(0, 255)),
    st.lists(st.tuples(st.builds(Enum, st.integers(0, 4)), st.binary(max_size=140)), max_size=3),
    st.tuples(st.builds(Enum, st.integers(0, 2)), st.tuples(st.binary(max_size=24), st.binary(max_size=24))),
    st.sampled_from(sorted(Files.of(SUITE_1).client[HEAD_END].certificates.values())).flatmap(
        lambda der: st.tuples(st.integers(0, len(der) - 1), st.integers(1, 255)).map(
            lambda flip: der[: flip[0]] + bytes([der[flip[0]] ^ flip[1]]) + der[flip[0] + 1 :]
        )
    ),
)


@given(method=st.sampled_from(METHODS), parameter=PARAMETERS)
def test_whatever_a_method_is_given_it_is_carried_out_or_refused(method, parameter):
    files = KEPT
    setup = files.setup()
    of = device(setup)
    granted = of.associations[MANAGER, SERVER]
    ciphering = ServerCiphering(setup, setup.ciphering(OURS), Shape())
    context = Context(of, granted, Negotiated(), ciphering)
    with contextlib.suppress(AccessError):
        SecuritySetupBehaviour(None).call(method, parameter, context)
    assert of.security[SETUP].system_title == METER


# certificates that come with the association


@SUITES
@pytest.mark.parametrize("unknown", ["client", "meter", "both"])
def test_who_is_not_on_file_sends_a_certificate(suite, unknown):
    files = Files.of(suite)
    if unknown != "meter":
        files.forget(files.meter, "client")
    if unknown != "client":
        files.forget(files.client, NAME)
    meter, store = device(files.setup(), Mechanism.HLS_ECDSA), MemoryCounterStore()
    for protection in (Protection.AUTHENTICATED | Protection.ENCRYPTED, ALL):
        with talking(meter, files.security(store, protection=protection), auth=Mechanism.HLS_ECDSA) as client:
            assert client.get(ENERGY.value) == 1234
            client.set(LONG.value, b"signed")


def test_who_is_not_on_file_sends_a_certificate_without_ciphering_too():
    files = Files.of(SUITE_1)
    files.forget(files.meter, "client")
    files.forget(files.client, NAME)
    setup = files.setup()
    meter = device(setup, Mechanism.HLS_ECDSA, ApplicationContext.LN)
    with talking(meter, files.security(protection=Protection.NONE), auth=Mechanism.HLS_ECDSA) as client:
        assert client.get(ENERGY.value) == 1234
        assert client.get(OBJECT.client_system_title) == OURS
    setup.client_title = b""
    forged = files.security(protection=Protection.NONE, tell_certificate=False)
    with pytest.raises(AssociationRefused):
        connect_and_close(meter, forged)
    assert setup.client_title == b"", "who did not prove its title did not come"


def test_signed_apdus_need_no_signed_authentication():
    files = Files.of(SUITE_1)
    files.forget(files.meter, "client")
    files.forget(files.client, NAME)
    meter = device(files.setup(), Mechanism.HLS_GMAC)
    with talking(meter, files.security(protection=ALL, envelope=Envelope.GENERAL)) as client:
        assert client.get(ENERGY.value) == 1234


def test_who_sends_no_certificate_and_is_not_on_file_is_refused():
    files = Files.of(SUITE_1)
    files.forget(files.meter, "client")
    meter = device(files.setup(), Mechanism.HLS_ECDSA)
    with (
        pytest.raises(AssociationRefused),
        talking(meter, files.security(tell_certificate=False), auth=Mechanism.HLS_ECDSA),
    ):
        pass


@pytest.mark.parametrize("end", ["client", "meter"])
def test_a_certificate_that_nobody_vouches_for_is_refused(end):
    files, stranger = Files.of(SUITE_1), BenchAuthority.create("stranger", SUITE_1, NOW, DAYS)
    files.forget(files.meter, "client")
    files.forget(files.client, NAME)
    file, name = (files.client, HEAD_END) if end == "client" else (files.meter, NAME)
    own = file[name]
    key = points.private_key(own.signing_key, SUITE_1)
    forged = stranger.issue(create_request(key, own.system_title, SUITE_1), Purpose.SIGNATURE, NOW, DAYS)
    file.devices[name] = dataclasses.replace(own, certificates={"signature": forged})
    meter = device(files.setup(), Mechanism.HLS_ECDSA)
    expected = AssociationRefused if end == "client" else SecurityError
    with pytest.raises(expected), talking(meter, files.security(), auth=Mechanism.HLS_ECDSA):
        pass


def test_a_certificate_of_another_party_is_refused():
    files = Files.of(SUITE_1)
    files.forget(files.meter, "client")
    certificate = issue(1, Purpose.SIGNATURE)(
        create_request(points.private_key(files.client[HEAD_END].signing_key, SUITE_1), b"HEA00009", SUITE_1)
    )
    own = files.client[HEAD_END]
    files.client.devices[HEAD_END] = dataclasses.replace(own, certificates={"signature": certificate})
    meter = device(files.setup(), Mechanism.HLS_ECDSA)
    with pytest.raises(AssociationRefused), talking(meter, files.security(), auth=Mechanism.HLS_ECDSA):
        pass


# what the server shows of itself


def test_the_public_client_reads_the_counter_of_the_meter():
    files = Files.of(SUITE_0)
    setup = files.setup()
    meter, security = device(setup), files.security()
    with talking(meter) as public:
        assert public.get(INVOCATION_COUNTER.value) == 0
        assert public.get(OBJECT.server_system_title) == METER
        assert public.get(OBJECT.client_system_title) == b""
    with talking(meter, security) as client:
        setup.client_title = b"HEA00009"  # another client has come meanwhile
        assert client.get(OBJECT.client_system_title) == OURS
        setup.client_title = OURS
    last = setup.counters.receiving(setup.provider.fingerprint(), OURS).expected - 1
    with talking(meter) as public:
        assert public.get(INVOCATION_COUNTER.value) == last > 0
        assert public.get(OBJECT.client_system_title) == OURS
        with pytest.raises(AccessError):
            public.set(INVOCATION_COUNTER.value, DoubleLongUnsigned(0))


def test_a_client_that_lost_count_asks_the_meter():
    files = Files.of(SUITE_0)
    meter = device(files.setup())
    with talking(meter, files.security()) as client:
        client.get(ENERGY.value)
    with pytest.raises(AssociationRefused), talking(meter, files.security()):
        pass
    with talking(meter, files.security(), max_counter_jump=1000) as client:
        assert client.get(ENERGY.value) == 1234


def test_another_data_object_is_the_stores():
    files = Files.of(SUITE_0)
    with talking(device(files.setup()), files.security()) as client, pytest.raises(AccessError):
        client.get(Data("0.0.43.1.7.255").value)

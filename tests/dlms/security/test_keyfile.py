"""The key file: read only when private, never showing a value."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.security import agreement, points
from dlms.security.keyfile import DeviceKeys, KeyFile, KeyFileError, secrets_of
from dlms.security.keys import KeyMaterialError, KeySet, NextKey, Phase, Secret
from dlms.security.store import PrivateFileError, write_private
from dlms.security.suite import SUITE_0, SUITE_1, SUITE_2, SecurityControl

KEY = "c0ffee00c0ffee11c0ffee22c0ffee33"
TITLE = "4d4d4d0000bc614e"
FULL = {
    "suite": 1,
    "system_title": TITLE,
    **{
        name: f"{number:02x}" * 16
        for number, name in enumerate(("encryption", "broadcast", "authentication", "master", "dedicated"))
    },
    "signing_key": "11" * 32,
    "agreement_key": "22" * 32,
    "tls_key": "33" * 32,
    "secret": "3132333435363738",
    "next": {
        "encryption": {"key": "44" * 16, "phase": "sent"},
        "authentication": {"key": "55" * 32, "phase": "agreeing"},
    },
    "requested": {"signature": "66" * 32},
    "certificates": {"signature": "MAA=", "tls": "MAEA"},
    "public_keys": {"key_agreement": "77" * 64},
}


NAMES = {*FULL, "a", "b", "key", "phase", "tls", "signature", "anchors", "authorities", "devices", "trust"}


def text(devices: object, **changes: object) -> str:
    return json.dumps({"format": "dlms-meters keys", "version": 1, "devices": devices} | changes)


def test_round_trip_through_a_file(tmp_path: Path):
    file = tmp_path / "keys.json"
    KeyFile.parse(text({"a": FULL, "b": {}})).save(file)
    loaded = KeyFile.load(file)
    assert set(loaded.devices) == {"a", "b"}
    assert loaded["b"] == DeviceKeys(KeySet(), SUITE_0)
    device = loaded["a"]
    assert device.suite is SUITE_1
    assert device.system_title == bytes.fromhex(TITLE)
    assert device.keys == KeySet(*(bytes([number]) * 16 for number in range(5)))
    assert (device.signing_key, device.agreement_key) == (Secret(b"\x11" * 32), Secret(b"\x22" * 32))
    assert (device.tls_key, device.private_key("tls")) == (Secret(b"\x33" * 32), Secret(b"\x33" * 32))
    assert (device.private_key("signature"), device.private_key("key_agreement")) == (
        Secret(b"\x11" * 32),
        Secret(b"\x22" * 32),
    )
    assert device.secret == Secret(b"12345678")
    assert device.next == {
        "encryption": NextKey(Secret(b"\x44" * 16), Phase.SENT),
        "authentication": NextKey(Secret(b"\x55" * 32), Phase.AGREEING),
    }
    assert device.requested == {"signature": Secret(b"\x66" * 32)}
    assert device.certificates == {"signature": b"\x30\0", "tls": b"\x30\1\0"}
    assert device.public_keys == {"key_agreement": b"\x77" * 64}
    assert json.loads(loaded.text()) == json.loads(text({"a": FULL, "b": {"suite": 0}}))


def test_files_are_made_private_and_not_replaced_unasked(tmp_path: Path):
    file = tmp_path / "keys.json"
    keys = KeyFile({"a": DeviceKeys(KeySet(bytes.fromhex(KEY)))})
    keys.save(file)
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(PrivateFileError, match="exists"):
        keys.save(file)
    keys.devices["b"] = DeviceKeys(KeySet(), SUITE_2)
    keys.save(file, replace=True)
    assert file.stat().st_mode & 0o777 == 0o600
    assert KeyFile.load(file)["b"].suite is SUITE_2


def test_a_file_that_others_can_read_is_refused(tmp_path: Path):
    file = tmp_path / "keys.json"
    write_private(file, text({"a": {"encryption": KEY}}).encode())
    file.chmod(0o644)
    with pytest.raises(PrivateFileError, match="0644") as refusal:
        KeyFile.load(file)
    assert KEY not in str(refusal.value)


def test_provider_works_with_these_keys():
    device = KeyFile.parse(text({"a": FULL}))["a"]
    provider = device.provider()
    body = provider.protect(b"text", SecurityControl.parse(0x31), device.system_title, 1)
    assert provider.unprotect(body, device.system_title).plaintext == b"text"
    assert len(provider.sign(b"")) == 64
    peer = points.public_octets(points.private_key(Secret(b"\x33" * 32), SUITE_1).public_key(), SUITE_1)
    own = points.private_key(Secret(b"\x22" * 32), SUITE_1)
    titles = device.system_title, bytes(8)
    assert provider.agree(peer, *titles) == agreement.agree(own, peer, SUITE_1, *titles)


def test_an_empty_file_is_a_file():
    assert KeyFile.parse(KeyFile().text()).devices == {}


def test_lookups():
    keys = KeyFile.parse(text({"a": FULL, "b": {}}))
    assert keys.by_title(bytes.fromhex(TITLE)) is keys["a"]
    assert keys.by_title(bytes(8)) is None
    with pytest.raises(KeyMaterialError, match="no device 'c'"):
        _ = keys["c"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "not JSON"),
        (KEY, "not JSON"),
        (b"\xff\xfe\xff", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not JSON"),
        (text({}, format="other"), "not JSON"),
        (text({}, version=2), "version 1"),
        (text([]), "no devices"),
        (text({"a": KEY}), "'a' is not an object"),
        (text({"a": {"encription": KEY}}), "unknown field 'encription'"),
        (text({"a": {"encryption": KEY + "0"}}), "encryption is not hex"),
        (text({"a": {"encryption": 12}}), "encryption is not hex"),
        (text({"a": {"encryption": None}}), "encryption is not hex"),
        (text({"a": {"encryption": KEY[:-2]}}), "15 octets; security suite 0 wants 16"),
        (text({"a": {"dedicated": KEY, "suite": 2}}), "16 octets; security suite 2 wants 32"),
        (text({"a": {"suite": 3}}), "suite 3 is not defined"),
        (text({"a": {"suite": "0"}}), "suite -1"),
        (text({"a": {"suite": True}}), "suite -1"),
        (text({"a": {"system_title": TITLE[:-2]}}), "8 octets, this one 7"),
        (text({"a": {"system_title": "xx"}}), "system_title is not hex"),
        (text({"a": {"system_title": 5}}), "system_title is not hex"),
        (text({}, devises={}), "unknown field 'devises'"),
        (text({}, trust=[]), "trust is an object"),
        (text({}, trust={"anchor": []}), "trust is an object"),
        (text({}, trust={"anchors": {}}), "are lists"),
        (text({}, trust={"anchors": [KEY + "*"]}), "trust is not base64"),
        (text({}, trust={"authorities": [5]}), "trust is not base64"),
        (text({"a": {"identity": 5}}), "identity is not the name"),
        (text({"a": {"identity": "b"}}), "'b' is no other entry"),
        (text({"a": {"identity": "a"}}), "'a' is no other entry"),
        (text({"a": {"identity": "b"}, "b": {"identity": "c"}, "c": {}}), "'b' is no other entry"),
        *(
            (text({"a": {"identity": "b", key: "11" * 32}, "b": {}}), "private keys stand with the entry")
            for key in ("signing_key", "agreement_key", "tls_key")
        ),
        (text({"a": {"next": [KEY]}}), "next is an object with the names"),
        (text({"a": {"next": {"dedicated": {"key": KEY, "phase": "sent"}}}}), "next is an object with the names"),
        (text({"a": {"next": {"master": KEY}}}), "next master is an object of key and phase"),
        (text({"a": {"next": {"master": {"key": KEY}}}}), "next master is an object of key and phase"),
        (text({"a": {"next": {"master": {"key": KEY, "phase": "lost"}}}}), "next master is an object of key and phase"),
        (text({"a": {"next": {"master": {"key": KEY, "phase": []}}}}), "next master is an object of key and phase"),
        (text({"a": {"next": {"master": {"key": KEY + "0", "phase": "sent"}}}}), "next master is not hex"),
        (text({"a": {"next": {"master": {"key": KEY[2:], "phase": "sent"}}}}), "15 octets; security suite 0 wants 16"),
        (text({"a": {"next": {"master": {"key": "", "phase": "agreeing"}}}}), "0 octets; security suite 0 wants 0"),
        (
            text({"a": {"suite": 1, "next": {"master": {"key": KEY, "phase": "agreeing"}}}}),
            "16 octets; security suite 1 wants 32",
        ),
        (text({"a": {"requested": {"sign": KEY}}}), "requested is an object with the names signature"),
        (text({"a": {"requested": {"tls": KEY + "0"}}}), "requested tls is not hex"),
        (text({"a": {"certificates": {"tls": KEY + "*"}}}), "certificates tls is not base64"),
        (text({"a": {"certificates": {"tls": 5}}}), "certificates tls is not base64"),
        (text({"a": {"suite": 1, "public_keys": {"tls": KEY}}}), "16 octets; security suite 1 wants 64"),
        (text({"a": {"public_keys": {"tls": ""}}}), "0 octets; security suite 0 wants 0"),
        (text({"a": {"public_keys": {"tls": KEY + "0"}}}), "public_keys tls is not hex"),
        (text({"a": {}})[:-2] + ', "a": {"encryption": "' + KEY + '"}}}', "each name once"),
        (text({"a": {"encryption": KEY}}).replace(f'"{KEY}"', f'"{KEY}", "encryption": "{KEY}"'), "each name once"),
    ],
)
def test_bad_files_are_refused_and_not_quoted(content, reason):
    with pytest.raises(KeyFileError, match=reason) as refusal:
        KeyFile.parse(content)
    chain = [refusal.value, refusal.value.__cause__, refusal.value.__context__]
    for link in chain:
        assert "c0ffee" not in f"{link!r} {vars(link) if link else ''}".lower()


def test_nothing_shows_a_value():
    keys = KeyFile.parse(text({"a": {"encryption": KEY, "secret": KEY}}))
    for shown in (repr(keys), repr(keys["a"]), repr(keys["a"].provider()), repr(keys.devices)):
        assert "c0ffee" not in shown.lower()
        assert repr(bytes.fromhex(KEY))[2:-1] not in shown


def test_secrets_have_names_for_people():
    held = KeyFile.parse(text({"a": FULL}))["a"]
    found = secrets_of(held)
    assert list(found)[:5] == ["encryption", "broadcast", "authentication", "master", "dedicated"]
    assert list(found)[5:] == [
        "signing_key",
        "agreement_key",
        "tls_key",
        "secret",
        "next encryption",
        "next authentication",
        "requested signature",
    ]
    assert found["next encryption"] == Secret(b"\x44" * 16)
    assert secrets_of(DeviceKeys(KeySet())) == {}


def test_an_identity_is_another_entry():
    meter = {"suite": 1, "system_title": TITLE, "identity": "we", "encryption": KEY, "authentication": KEY}
    us = {"suite": 1, "system_title": "00" * 8, "signing_key": "11" * 32, "encryption": "99" * 16}
    file = KeyFile.parse(text({"meter": meter, "we": us}))
    assert file.identity("meter") is file["we"]
    assert file.identity("we") is file["we"]
    provider = file.provider("meter")
    assert len(provider.sign(b"")) == 64
    assert provider.fingerprint() == Secret.from_hex(KEY).fingerprint(b"invocation counter")
    file.devices["old"] = dataclasses.replace(file["meter"], suite=SUITE_0)
    assert file.provider("old").suite is SUITE_0, "the suite is that of the meter, and not ours"
    assert json.loads(file.text())["devices"]["meter"]["identity"] == "we"
    file.devices["we"] = dataclasses.replace(file["we"], identity="meter")
    with pytest.raises(KeyFileError, match="identity"):
        file.save(Path("never written"))


def test_editing_keeps_what_the_body_changes_and_nothing_when_it_fails(tmp_path: Path):
    path = tmp_path / "keys.json"
    KeyFile.parse(text({"a": {}})).save(path)
    with KeyFile.edit(path) as file:
        file.devices["b"] = DeviceKeys(KeySet(), SUITE_2)
    assert set(KeyFile.load(path).devices) == {"a", "b"}
    before = path.stat()
    with KeyFile.edit(path):
        pass
    edit = KeyFile.edit(path)
    edit.__enter__().devices.clear()
    fault = KeyMaterialError("the body failed")
    assert not edit.__exit__(KeyMaterialError, fault, None)
    assert set(KeyFile.load(path).devices) == {"a", "b"}
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_editors_wait_for_each_other(tmp_path: Path):
    path = tmp_path / "keys.json"
    KeyFile().save(path)

    def add(names: range) -> None:
        for name in names:
            with KeyFile.edit(path) as file:
                file.devices[str(name)] = DeviceKeys(KeySet())

    with ThreadPoolExecutor() as pool:
        list(pool.map(add, (range(start, start + 10) for start in range(0, 50, 10))))
    assert set(KeyFile.load(path).devices) == set(map(str, range(50)))


def test_a_link_to_a_key_file_is_the_key_file(tmp_path: Path):
    path, link = tmp_path / "keys.json", tmp_path / "elsewhere" / "link.json"
    link.parent.mkdir()
    link.symlink_to(path)
    KeyFile().save(path)

    def add(names: range) -> None:
        for name in names:
            with KeyFile.edit((path, link)[name % 2]) as file:
                file.devices[str(name)] = DeviceKeys(KeySet())

    with ThreadPoolExecutor() as pool:
        list(pool.map(add, (range(start, start + 10) for start in range(0, 50, 10))))
    assert set(KeyFile.load(path).devices) == set(map(str, range(50)))
    assert list(link.parent.iterdir()) == [link], "the lock is beside the file itself"
    assert link.is_symlink()


def test_links_that_go_round_are_refused(tmp_path: Path):
    link = tmp_path / "link.json"
    link.symlink_to(link)
    with pytest.raises(PrivateFileError), KeyFile.edit(link):
        pass


def test_an_editor_that_was_killed_leaves_nothing_behind(tmp_path: Path):
    path = tmp_path / "keys.json"
    KeyFile().save(path)
    left, others = path.with_name(".keys.json.0123456789abcdef"), path.with_name(".keys.json.mine")
    for file in (left, others):
        file.write_text("half")
    with KeyFile.edit(path):
        pass
    assert sorted(file.name for file in tmp_path.iterdir()) == [".keys.json.lock", ".keys.json.mine", "keys.json"]
    assert (tmp_path / ".keys.json.lock").stat().st_mode & 0o777 == 0o600


def test_trust_round_trip(tmp_path: Path):
    given = KeyFile({}, (b"\x30\0", b"\x30\1\0"), (b"\x30\2\0\0",))
    given.save(tmp_path / "keys.json")
    loaded = KeyFile.load(tmp_path / "keys.json")
    assert (loaded.anchors, loaded.authorities) == (given.anchors, given.authorities)
    assert json.loads(given.text())["trust"] == {"anchors": ["MAA=", "MAEA"], "authorities": ["MAIAAA=="]}
    assert "trust" not in json.loads(KeyFile().text())
    for alone in (KeyFile({}, (b"\x30\0",)), KeyFile({}, (), (b"\x30\0",))):
        again = KeyFile.parse(alone.text())
        assert (again.anchors, again.authorities) == (alone.anchors, alone.authorities)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([KEY, "sent", "MAA="]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(NAMES)), inner, max_size=4),
    max_leaves=12,
)


@given(device=st.dictionaries(st.sampled_from(sorted(FULL)), JSON, max_size=6), trust=JSON, more=JSON)
def test_any_json_gives_our_errors_only(device, trust, more):
    for document in (text({"a": device}), text({"a": device, "b": more}, trust=trust), json.dumps(more)):
        try:
            found = KeyFile.parse(document)
        except KeyFileError:
            continue
        assert KeyFile.parse(found.text()).text() == found.text()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("encryption", b"k" * 15, "15 octets; security suite 1 wants 16"),
        ("signing_key", b"k" * 31, "not a private key"),
        ("agreement_key", bytes(32), "not a private key"),
        ("tls_key", b"\xff" * 32, "not a private key"),
        ("next", b"k" * 16, "'next' is no secret of an entry: encryption,"),
    ],
)
def test_a_secret_that_an_entry_cannot_have(name, value, reason):
    with pytest.raises(KeyMaterialError, match=reason):
        DeviceKeys(KeySet(), SUITE_1).with_secret(name, Secret(value))


@pytest.mark.parametrize("name", [name for name in FULL if isinstance(FULL[name], str) and name != "system_title"])
def test_one_secret_more(name):
    made = DeviceKeys(KeySet(), SUITE_1).with_secret(name, Secret.from_hex(FULL[name]))
    assert secrets_of(made) == {name: Secret.from_hex(FULL[name])}

"""`dlms keys`: what each command does to the key file, what it prints, how it ends, and that no key is ever shown."""

from __future__ import annotations

import base64
import datetime
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from dlms.cli.app import execute
from dlms.security import points
from dlms.security.certificates import Purpose
from dlms.security.keyfile import DeviceKeys, KeyFile, secrets_of
from dlms.security.keys import KeySet, Phase, Secret
from dlms.security.providers import COUNTER_PURPOSE
from dlms.security.store import SqliteCounterStore, write_private
from dlms.security.suite import SUITE_1, SUITE_2
from dlms.security.wrap import unwrap
from tests.dlms.security.certificate_forge import NOW, authority, device

KEY, OTHER, MASTER = (letter * 32 for letter in "abc")
TITLE, OURS = "4d4d4d0000bc614e", "4d4d4d0000000001"


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`dlms keys` in an empty folder, nobody at the terminal; no output may hold a secret that was not asked for."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    for name, value in (("KEY", KEY), ("OTHER", OTHER), ("MASTER", MASTER), ("WORD", "Geheim-ü")):
        monkeypatch.setenv(name, value)

    def keys(*arguments: str) -> Done:
        code = execute(["keys", *arguments])
        done = Done(code, *capsys.readouterr())
        known = {KEY, OTHER, MASTER, "Geheim", *held_secrets(tmp_path)}
        if "--reveal" not in arguments:
            assert not [key for key in known if key in (done.out + done.err).lower() or key in done.out + done.err]
        assert sum("warning" not in line for line in done.err.splitlines()) <= (code != 0)
        assert "Traceback" not in done.err
        return done

    return keys


def held_secrets(folder: Path) -> set[str]:
    """Every secret of the key files of a folder, in hex."""
    found = set()
    for path in folder.glob("*.json"):
        try:
            entries = KeyFile.load(path).devices.values()
        except Exception:
            continue  # a test has spoilt it
        found |= {key.reveal().hex() for entry in entries for key in secrets_of(entry).values()}
    return found


def make(run: Run, *more: str, suite: str = "0") -> Done:
    keys = [f"--key={name}=env:{where}" for name, where in (("encryption", "KEY"), ("authentication", "OTHER"))]
    arguments = ("create", "k.json", "m", "--suite", suite, "--title", TITLE, *keys, "--key=master=env:MASTER", *more)
    done = run(*arguments)
    assert done.code == 0, done.err
    return done


def entry(name: str = "m") -> DeviceKeys:
    return KeyFile.load(Path("k.json"))[name]


def test_create_and_show(run):
    done = make(run, "--key=secret=env:WORD", "--json")
    shown = json.loads(done.out)["m"]
    assert (shown["suite"], shown["system_title"], shown["identity"]) == (0, TITLE, None)
    assert shown["secrets"]["encryption"] == {"fingerprint": Secret.from_hex(KEY).fingerprint().hex()}
    assert shown["secrets"]["secret"] == {}, "a fingerprint of a password is a way to guess it"
    assert Path("k.json").stat().st_mode & 0o777 == 0o600
    assert entry().keys == KeySet(*map(bytes.fromhex, (KEY,)), authentication=bytes.fromhex(OTHER), master=b"\xcc" * 16)
    assert entry().secret == Secret("Geheim-ü".encode("latin-1"))
    again = run("show", "k.json", "--json")
    assert json.loads(again.out) == json.loads(done.out)
    text = run("show", "k.json", "m")
    assert text.out.splitlines()[0] == f"m: suite 0, system title {TITLE}"
    assert text.out.splitlines()[-1] == "  secret                     set"


def test_reveal_is_asked_for_and_warned_of(run):
    make(run)
    done = run("show", "k.json", "m", "--reveal", "--json")
    assert json.loads(done.out)["m"]["secrets"]["encryption"]["value"] == KEY
    assert done.err.startswith("dlms: warning: keys are shown in clear")
    assert KEY in run("show", "k.json", "--reveal").out


@pytest.mark.parametrize("suite", ["0", "1", "2"])
def test_random_keys_have_the_length_of_the_suite(run, suite):
    done = run("create", "k.json", "m", "--suite", suite, "--key=encryption=random", "--key=broadcast=random")
    assert done.code == 0
    assert {len(key) for key in secrets_of(entry()).values()} == {32 if suite == "2" else 16}
    assert len({key.reveal() for key in secrets_of(entry()).values()}) == 2


def test_random_private_keys(run):
    fields = ("signing_key", "agreement_key", "tls_key")
    done = run("create", "k.json", "we", "--suite", "2", *(f"--key={name}=random" for name in fields))
    assert done.code == 0
    for name in fields:
        points.private_key(getattr(entry("we"), name), SUITE_2)


def test_sources(run, tmp_path, monkeypatch):
    write_private(tmp_path / "key.hex", f"{KEY}\n".encode())
    done = run("create", "k.json", "a", "--key=encryption=file:key.hex")
    assert (done.code, entry("a").keys.encryption, done.err) == (0, Secret.from_hex(KEY), "")
    seen = run("create", "k.json", "b", f"--key=encryption=hex:{KEY}")
    assert (seen.code, entry("b").keys.encryption) == (0, Secret.from_hex(KEY))
    assert seen.err == "dlms: warning: the encryption on the command line can be seen by others\n"
    (tmp_path / "key.hex").chmod(0o644)
    refused = run("create", "k.json", "c", "--key=encryption=file:key.hex")
    assert (refused.code, "0644" in refused.err) == (1, True)
    asked = {}

    def prompt(text: str, **options: object) -> str:
        asked[text] = options
        return OTHER

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("typer.prompt", prompt)
    assert run("create", "k.json", "d", "--key=encryption=prompt").code == 0
    assert entry("d").keys.encryption == Secret.from_hex(OTHER)
    assert asked["Encryption"]["hide_input"] is True
    assert asked["Encryption"]["err"] is True


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--key=encryption"], 2, "not NAME=SOURCE with a name of encryption, "),
        ([f"--key={KEY}"], 2, "not NAME=SOURCE"),
        ([f"--key={KEY}=encryption"], 2, "not NAME=SOURCE"),
        (["--key=encryption=random", "--key=encryption=random"], 2, "given twice"),
        (["--key=encription=random"], 2, "not NAME=SOURCE"),
        (["--key=encryption=nonsense"], 2, "its source is one of random, prompt"),
        ([f"--key=encryption={KEY}"], 2, "its source is one of random, prompt"),
        (["--key=encryption=env:NOWHERE"], 2, "NOWHERE is not set"),
        (["--key=encryption=env:WORD"], 2, "encryption: what env gives cannot be taken"),
        (["--key=encryption=prompt"], 2, "nobody to ask"),
        (["--key=encryption=file:nowhere"], 1, "No such file"),
        (["--key=encryption=env:KEY", "--suite=2"], 1, "16 octets; security suite 2 wants 32"),
        (["--key=signing_key=env:KEY", "--suite=1"], 1, "not a private key"),
        (["--key=signing_key=random"], 1, "suite 0 has no public key"),
        (["--key=secret=random"], 2, "a password is agreed with the meter"),
        (["--title=4d4d"], 2, "'4d4d' is not a system title"),
        (["--identity=nobody"], 1, "'nobody' is no other entry"),
        (["--suite=3"], 2, "--suite"),
        (["--public-key=signature=00", "--suite=1"], 1, "64 octets, this one 1"),
        (["--public-key=signature=xx", "--suite=1"], 2, "written in hex"),
        (["--public-key=sign=00", "--suite=1"], 2, "a name of signature, key_agreement, tls"),
        ([f"--public-key=signature={'01' * 64}", "--suite=1"], 1, "not a point"),
    ],
)
def test_what_cannot_be_created(run, arguments, code, said):
    done = run("create", "k.json", "m", *arguments)
    assert (done.code, said in done.err) == (code, True), done.err
    assert not Path("k.json").exists() or KeyFile.load(Path("k.json")).devices == {}


def test_entries_are_not_replaced_unasked(run):
    make(run)
    again = run("create", "k.json", "m", "--key=encryption=random")
    assert (again.code, "has an entry 'm' already" in again.err) == (1, True)
    refused = run("set", "k.json", "m", "--key=encryption=random")
    assert (refused.code, "rotate it, or say --replace" in refused.err) == (1, True)
    assert entry().keys.encryption == Secret.from_hex(KEY)
    assert run("set", "k.json", "m", "--key=broadcast=env:OTHER", "--title=0011223344556677").code == 0
    assert entry().keys.broadcast == Secret.from_hex(OTHER)
    assert entry().system_title == bytes.fromhex("0011223344556677")
    assert run("set", "k.json", "m", "--key=encryption=env:OTHER", "--replace").code == 0
    assert entry().keys.encryption == Secret.from_hex(OTHER)


def test_a_key_that_is_being_changed_is_not_replaced(run):
    make(run)
    run("rotate", "begin", "k.json", "m", "encryption")
    sent = run("rotate", "transfer", "k.json", "m").out.split()[2]
    before = entry()
    for arguments in (
        ("set", "k.json", "m", "--key=encryption=env:OTHER", "--replace"),
        ("unwrap", "k.json", "m", sent, "--store=encryption", "--replace"),
    ):
        refused = run(*arguments)
        assert (refused.code, "what the meter accepts would be lost" in refused.err) == (1, True), refused.err
        assert entry() == before
    assert run("set", "k.json", "m", "--key=broadcast=env:OTHER").code == 0


def test_public_keys_are_shown(run):
    point = points.public_octets(points.private_key(Secret(b"\1" * 32), SUITE_1).public_key(), SUITE_1)
    done = run("create", "k.json", "m", "--suite=1", f"--public-key=key_agreement={point.hex()}")
    assert done.out.splitlines()[1] == f"  {'public key_agreement':26} {point.hex()}"
    assert entry().public_keys == {"key_agreement": point}


def test_remove(run):
    make(run)
    run("rotate", "begin", "k.json", "m", "encryption")
    refused = run("remove", "k.json", "m")
    assert (refused.code, "what the meter accepts would be lost" in refused.err) == (1, True)
    assert run("remove", "k.json", "m", "--force").code == 0
    assert KeyFile.load(Path("k.json")).devices == {}
    assert run("remove", "k.json", "m").code == 1
    run("create", "k.json", "we")
    run("create", "k.json", "m", "--identity=we")
    assert "identity" in run("remove", "k.json", "we").err
    assert set(KeyFile.load(Path("k.json")).devices) == {"we", "m"}


def test_wrap_and_unwrap(run):
    make(run)
    wrapped = run("wrap", "k.json", "m", "encryption").out.strip()
    assert unwrap(Secret(b"\xcc" * 16), bytes.fromhex(wrapped), entry().suite) == Secret.from_hex(KEY)
    assert run("wrap", "k.json", "m", "env:KEY").out.strip() == wrapped
    as_json = json.loads(run("wrap", "k.json", "m", "encryption", "--json").out)
    assert as_json == {"wrapped": wrapped, "fingerprint": Secret.from_hex(KEY).fingerprint().hex()}
    done = run("unwrap", "k.json", "m", wrapped)
    assert (done.code, done.out.strip()) == (0, as_json["fingerprint"])
    assert run("unwrap", "k.json", "m", wrapped, "--reveal").out.split()[1] == KEY
    assert json.loads(run("unwrap", "k.json", "m", wrapped, "--reveal", "--json").out)["value"] == KEY
    assert run("unwrap", "k.json", "m", wrapped, "--store", "broadcast").code == 0
    assert entry().keys.broadcast == Secret.from_hex(KEY)
    refused = run("unwrap", "k.json", "m", wrapped, "--store", "authentication")
    assert (refused.code, "has a authentication key already" in refused.err) == (1, True)
    assert run("unwrap", "k.json", "m", wrapped, "--store", "authentication", "--replace").code == 0
    assert entry().keys.authentication == Secret.from_hex(KEY)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["unwrap", "k.json", "m", "00" * 24], 1, "does not fit the master key"),
        (["unwrap", "k.json", "m", "00"], 1, "24 octets, this one 1"),
        (["unwrap", "k.json", "m", "xx"], 2, "written in hex"),
        (["unwrap", "k.json", "m", "00", "--store", "signing_key"], 2, "'signing_key' is none of"),
        (["wrap", "k.json", "m", "broadcast"], 1, "no broadcast key"),
        (["wrap", "k.json", "m", "nonsense"], 2, "its source is one of"),
        (["wrap", "k.json", "n", "encryption"], 1, "no device 'n'"),
        (["show", "k.json", "n"], 1, "no device 'n'"),
        (["show", "nowhere.json"], 1, "No such file"),
        (["rotate", "begin", "k.json", "m", "dedicated"], 2, "a name of encryption, broadcast, authentication, master"),
        (["rotate", "begin", "k.json", "m", KEY], 2, "a name of encryption"),
        (["rotate", "transfer", "k.json", "m", "dedicated"], 1, "'dedicated' is no key that can be changed"),
        (["rotate", "begin", "k.json", "m", "master", "encryption"], 1, "changed alone"),
        (["rotate", "begin", "k.json", "m", "encryption=env:KEY"], 1, "not new"),
        (["rotate", "activate", "k.json", "m"], 1, "none is being changed"),
        (["rotate", "proven", "k.json", "m", "encryption"], 1, "encryption key is not being changed"),
        (["rotate", "transfer", "k.json", "m"], 1, "none is being changed"),
        (["rotate", "status", "k.json", "n"], 1, "no device 'n'"),
        (["certificate", "request", "k.json", "m", "signature"], 1, "suite 0 has no public key"),
        (["certificate", "import", "k.json", "nowhere"], 1, "No such file"),
        (["certificate", "export", "k.json"], 1, "0 certificates fit"),
        (["certificate", "export", "k.json", "--title", "4d"], 2, "'4d' is not a system title"),
        (["certificate", "export", "k.json", "--serial", "xyz"], 2, "'xyz' is not a serial number"),
        (["certificate", "verify", "k.json", "--at", "tomorrow"], 2, "'tomorrow' is not a time"),
        (["counters", "show", "nowhere"], 1, "missing"),
        (["counters", "adopt", "nowhere", "--skip", "0"], 2, "--skip"),
    ],
)
def test_refusals(run, arguments, code, said):
    make(run)
    before = Path("k.json").read_bytes()
    done = run(*arguments)
    assert (done.code, said in done.err) == (code, True), done.err
    assert Path("k.json").read_bytes() == before


def test_a_file_that_others_can_read_is_refused(run):
    make(run)
    Path("k.json").chmod(0o640)
    for arguments in (["show", "k.json"], ["rotate", "begin", "k.json", "m", "encryption"], ["remove", "k.json", "m"]):
        done = run(*arguments)
        assert (done.code, "mode 0640 lets others in" in done.err) == (1, True)


def test_a_file_that_is_none(run):
    write_private(Path("k.json"), b"nothing")
    done = run("show", "k.json")
    assert (done.code, "not JSON" in done.err) == (1, True)


def test_rotation(run):
    make(run)
    begun = run("rotate", "begin", "k.json", "m", "encryption", "authentication=env:MASTER", "--json")
    assert begun.code == 1, "the master key is not new"
    begun = run("rotate", "begin", "k.json", "m", "encryption", "authentication=random", "--json")
    assert json.loads(begun.out) == {
        "phases": {"encryption": "stored", "authentication": "stored"},
        "candidates": [{"next": []}],
    }
    new = {name: one.key for name, one in entry().next.items()}
    rows = json.loads(run("rotate", "transfer", "k.json", "m", "--json").out)
    assert [(row["key_id"], row["name"]) for row in rows] == [(0, "encryption"), (2, "authentication")]
    for row in rows:
        assert unwrap(Secret(b"\xcc" * 16), bytes.fromhex(row["wrapped"]), entry().suite) == new[row["name"]]
    status = json.loads(run("rotate", "status", "k.json", "m", "--json").out)
    assert status["candidates"][:2] == [{"next": ["authentication", "encryption"]}, {"next": []}]
    assert run("rotate", "proven", "k.json", "m", "encryption").code == 0
    assert run("rotate", "unchanged", "k.json", "m", "authentication").code == 0
    assert {name: one.phase for name, one in entry().next.items()} == {
        "encryption": Phase.PROVEN,
        "authentication": Phase.STORED,
    }
    assert run("show", "k.json").out.splitlines()[-2].split()[::2] == ["next", new["encryption"].fingerprint().hex()]
    assert run("rotate", "activate", "k.json", "m").code == 0
    assert run("rotate", "cancel", "k.json", "m").out == "no key is being changed\n"
    assert entry().keys.encryption == new["encryption"]
    assert entry().keys.authentication == Secret.from_hex(OTHER)


def test_rotation_of_the_master_key(run):
    make(run)
    run("rotate", "begin", "k.json", "m", "master")
    new = entry().next["master"].key
    for under, arguments in ((Secret(b"\xcc" * 16), []), (new, ["--under-next"])):
        (row,) = json.loads(run("rotate", "transfer", "k.json", "m", "--json", *arguments).out)
        assert row["key_id"] == 3
        assert unwrap(under, bytes.fromhex(row["wrapped"]), entry().suite) == new
    assert run("rotate", "proven", "k.json", "m").out == "master         proven\n"


@pytest.fixture
def bench(run: Run) -> Run:
    """A key file with ourselves and a meter, and an authority that it trusts."""
    for name, title in (("we", OURS), ("m", TITLE)):
        assert run("create", "k.json", name, "--suite=1", "--title", title).code == 0
    assert run("certificate", "authority", "ca.pem", "--name", "b", "-o", "ca.crt").code == 0
    assert run("certificate", "import", "k.json", "ca.crt", "--as", "anchor").out == "imported as anchor\n"
    return run


def certify(run: Run, name: str, use: str = "signature", output: str = "c.crt") -> None:
    for leftover in ("r.csr", output):
        Path(leftover).unlink(missing_ok=True)
    assert run("certificate", "request", "k.json", name, use, "-o", "r.csr").code == 0
    assert run("certificate", "issue", "ca.pem", "r.csr", use, "--days", "10", "-o", output).code == 0


def test_from_a_key_pair_to_a_certificate_in_force(bench):
    for number, use in enumerate(("signature", "key-agreement", "tls"), 1):
        certify(bench, "we", use)
        purpose = use.replace("-", "_")
        waiting = entry("we").requested[purpose]
        assert entry("we").private_key(purpose) is None
        assert bench("certificate", "import", "k.json", "c.crt").out == "imported for we\n"
        assert entry("we").private_key(purpose) == waiting
        assert (entry("we").requested, len(entry("we").certificates)) == ({}, number)
    provider = KeyFile.load(Path("k.json")).provider("we")
    assert provider.certificate(Purpose.SIGNATURE)
    peers = KeyFile.load(Path("k.json")).peers(datetime.datetime.now(datetime.UTC))
    peers.verify(bytes.fromhex(OURS), SUITE_1, provider.sign(b"text"), b"text")
    rows = json.loads(bench("certificate", "list", "k.json", "--device", "we", "--json").out)
    assert [row["purpose"] for row in rows] == ["signature", "key_agreement", "tls"]
    assert all(row["issuer"] == "CN=TEST BENCH ONLY b" for row in rows)


def test_a_request_is_repeated_for_the_key_that_waits(bench):
    certify(bench, "we")
    before = entry("we").requested
    certify(bench, "we")
    assert entry("we").requested == before


def test_renewal_and_a_new_key(bench):
    certify(bench, "we")
    bench("certificate", "import", "k.json", "c.crt")
    first = entry("we")
    certify(bench, "we", output="new.crt")
    # the old certificate again: the old key stays in force, and the new one waits
    assert bench("certificate", "import", "k.json", "c.crt").code == 0
    assert (entry("we").signing_key, set(entry("we").requested)) == (first.signing_key, {"signature"})
    assert bench("certificate", "import", "k.json", "new.crt").code == 0
    assert entry("we").signing_key != first.signing_key
    refused = bench("certificate", "import", "k.json", "c.crt")
    assert (refused.code, "another signature key than the one held" in refused.err) == (1, True)


def test_a_certificate_for_another_key_than_the_waiting_one(bench):
    certify(bench, "we")
    file = KeyFile.load(Path("k.json"))
    file.devices["we"] = DeviceKeys(KeySet(), SUITE_1, bytes.fromhex(OURS), requested={"signature": Secret(b"\1" * 32)})
    file.save(Path("k.json"), replace=True)
    refused = bench("certificate", "import", "k.json", "c.crt")
    assert (refused.code, "another signature key" in refused.err) == (1, True)


def test_a_meters_certificate_is_taken_by_its_title(bench):
    """A meter's request comes from elsewhere: another key file."""
    assert bench("create", "meter.json", "itself", "--suite=1", "--title", TITLE).code == 0
    assert bench("certificate", "request", "meter.json", "itself", "key-agreement", "-o", "m.csr").code == 0
    assert bench("certificate", "issue", "ca.pem", "m.csr", "key-agreement", "-o", "m.der").code == 0
    assert bench("certificate", "import", "k.json", "m.der").out == "imported for m\n"
    assert bench("certificate", "import", "k.json", "m.der", "--device", "we").code == 1
    assert bench("create", "k.json", "twin", "--suite=1", "--title", TITLE).code == 0
    refused = bench("certificate", "import", "k.json", "m.der")
    assert (refused.code, "2 entries have the certificate's system title" in refused.err) == (1, True)
    assert bench("certificate", "verify", "k.json", "m.der").out == f"{'m.der':36} ok\n"


def test_choosing_exporting_and_removing(bench):
    for name in ("we", "m"):
        certify(bench, name)
        assert bench("certificate", "import", "k.json", "c.crt").code == 0
    serial = x509.load_pem_x509_certificate(Path("c.crt").read_bytes()).serial_number
    ways = (["--title", TITLE], ["--serial", f"{serial:x}"], ["--device", "m"])
    for way in ways:
        (row,) = json.loads(bench("certificate", "list", "k.json", *way, "--json").out)
        assert (row["device"], row["serial"], row["role"]) == ("m", f"{serial:x}", "device")
        assert bench("certificate", "export", "k.json", *way).out == Path("c.crt").read_text()
    assert bench("certificate", "export", "k.json", "--serial", f"0x{serial:x}", "-o", "c.der").code == 0
    assert Path("c.der").read_bytes() == entry("m").certificates["signature"]
    assert bench("certificate", "export", "k.json", "--role", "anchor").out == Path("ca.crt").read_text()
    many = bench("certificate", "export", "k.json", "--purpose", "signature")
    assert (many.code, "2 certificates fit" in many.err) == (1, True)
    assert bench("certificate", "export", "k.json", "--device", "m", "-o", "c.der").code == 1, "files are not replaced"
    assert bench("certificate", "remove", "k.json", "--title", TITLE).code == 0
    assert (entry("m").certificates, entry("m").signing_key is None) == ({}, False)
    assert bench("certificate", "remove", "k.json", "--role", "anchor").code == 0
    assert KeyFile.load(Path("k.json")).anchors == ()
    lines = bench("certificate", "list", "k.json").out.splitlines()
    assert [line.split()[:2] for line in lines] == [["we", "signature"]]


def test_the_private_key_of_a_certificate(bench):
    certify(bench, "we", "tls")
    assert bench("certificate", "import", "k.json", "c.crt").code == 0
    done = bench("certificate", "export", "k.json", "--device", "we", "--private-key", "tls.pem")
    assert done.err == "dlms: warning: a private key is written in clear\n"
    assert Path("tls.pem").stat().st_mode & 0o777 == 0o600
    made = load_pem_private_key(Path("tls.pem").read_bytes(), None)
    assert made.public_key() == x509.load_pem_x509_certificate(done.out.encode()).public_key()
    refused = bench("certificate", "export", "k.json", "--role", "anchor", "--private-key", "other.pem")
    assert (refused.code, "not in the key file" in refused.err) == (1, True)


def test_verify_names_the_rule(bench):
    certify(bench, "we")
    bench("certificate", "import", "k.json", "c.crt")
    assert bench("certificate", "verify", "k.json").code == 0
    late = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=20)
    done = bench("certificate", "verify", "k.json", "--at", late.isoformat(), "--json")
    rows = json.loads(done.out)
    assert done.code == 1
    assert [row["broken"] for row in rows] == [None, "the certificate is not valid at this time"]
    assert done.err == "dlms: 1 of 2 certificates break a rule\n"
    bench("certificate", "authority", "evil.pem", "-o", "evil.crt")
    bench("certificate", "issue", "evil.pem", "r.csr", "signature", "-o", "e.crt")
    done = bench("certificate", "verify", "k.json", "c.crt", "e.crt")
    assert (done.code, [line.split(maxsplit=1)[1] for line in done.out.splitlines()]) == (
        1,
        ["ok", "no trust anchor vouches for the certificate"],
    )


def test_authorities_below_an_anchor_are_imported(bench):
    root = authority()
    below = authority("below", above=root)
    for name, certificate in (("root", root.certificate), ("below", below.certificate), ("meter", device(below))):
        Path(f"{name}.der").write_bytes(certificate.public_bytes(Encoding.DER))
    at = ["--at", NOW.isoformat()]
    refused = bench("certificate", "import", "k.json", "below.der", "--as", "authority", *at)
    assert (refused.code, "not valid at this time" in refused.err) == (1, True)
    assert bench("certificate", "remove", "k.json", "--role", "anchor").code == 0
    refused = bench("certificate", "import", "k.json", "below.der", "--as", "authority", *at)
    assert (refused.code, "no trust anchor vouches" in refused.err) == (1, True)
    assert bench("certificate", "import", "k.json", "root.der", "--as", "anchor", *at).code == 0
    refused = bench("certificate", "import", "k.json", "meter.der", *at)
    assert (refused.code, "no trust anchor vouches" in refused.err) == (1, True)
    assert bench("certificate", "import", "k.json", "below.der", "--as", "authority", *at).code == 0
    assert bench("certificate", "import", "k.json", "meter.der", *at).out == "imported for m\n"
    assert bench("certificate", "import", "k.json", "below.der", "--as", "authority", *at).code == 0
    assert (len(KeyFile.load(Path("k.json")).anchors), len(KeyFile.load(Path("k.json")).authorities)) == (1, 1)
    rows = json.loads(bench("certificate", "verify", "k.json", "--json", *at).out)
    assert [row["broken"] for row in rows] == [None, None, None]
    assert bench("certificate", "remove", "k.json", "--role", "authority").code == 0
    rows = json.loads(bench("certificate", "verify", "k.json", "--json", *at).out)
    assert [row["broken"] for row in rows] == [None, "no trust anchor vouches for the certificate"]


def test_the_bench_authority_is_refused_where_it_cannot_be_one(bench):
    for content, said in ((b"no pem", "not the private key"), (Path("ca.pem").read_bytes(), None)):
        Path("x.pem").unlink(missing_ok=True)
        write_private(Path("x.pem"), content)
        Path("r.csr").unlink(missing_ok=True)
        bench("certificate", "request", "k.json", "we", "signature", "-o", "r.csr")
        done = bench("certificate", "issue", "x.pem", "r.csr", "signature")
        assert (done.code == 0) if said is None else said in done.err
    Path("x.pem").chmod(0o644)
    assert "0644" in bench("certificate", "issue", "x.pem", "r.csr", "signature").err
    bench("certificate", "authority", "two.pem", "--suite=2", "-o", "two.crt")
    private = Path("two.pem").read_text().split("-----BEGIN CERT")[0] + Path("ca.crt").read_text()
    write_private(Path("mixed.pem"), private.encode())
    assert "not that of the authority's certificate" in bench(
        "certificate", "issue", "mixed.pem", "r.csr", "signature"
    ).err  # fmt: skip
    long = bench("certificate", "authority", "l.pem", "--name", "x" * 64)
    assert (long.code, "1 to 64 characters" in long.err) == (1, True)


def test_p384_needs_an_authority_on_p384(bench):
    bench("create", "k.json", "two", "--suite=2", "--title", "00" * 8)
    bench("certificate", "request", "k.json", "two", "signature", "-o", "r.csr")
    refused = bench("certificate", "issue", "ca.pem", "r.csr", "signature")
    assert (refused.code, "certified by a key on P-384 only" in refused.err) == (1, True)


def test_a_hardware_type_travels_into_the_certificate(bench):
    bench(
        "certificate", "request", "k.json", "we", "signature", "--hardware-type", "1.3.6.1.4.1.99999.1", "-o", "r.csr"
    )
    bench("certificate", "issue", "ca.pem", "r.csr", "signature", "-o", "c.crt")
    found = x509.load_pem_x509_certificate(Path("c.crt").read_bytes())
    other = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value[0]
    assert other.value[-8:] == bytes.fromhex(OURS)
    assert bench("certificate", "import", "k.json", "c.crt").code == 0


@pytest.mark.parametrize("content", [b"", b"\x30\0", b"-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate(bench, content):
    Path("x.crt").write_bytes(content)
    for arguments in (["import", "k.json", "x.crt"], ["issue", "ca.pem", "x.crt", "tls"]):
        done = bench("certificate", *arguments)
        assert done.code == 1
        assert done.err


def test_counters(run):
    make(run)
    assert run("counters", "create", "c.db").code == 0
    assert run("counters", "create", "c.db").code == 1
    title, ours = bytes.fromhex(TITLE), bytes.fromhex(OURS)
    fingerprint = Secret.from_hex(KEY).fingerprint(COUNTER_PURPOSE)
    with SqliteCounterStore.open(Path("c.db")) as store:
        from dlms.security.counters import CounterName, Direction

        store.lease(CounterName(fingerprint, Direction.SENT, ours), 64)
        store.accept(CounterName(fingerprint, Direction.ACCEPTED, title), 7)
    done = run("counters", "show", "c.db", "--keys", "k.json", "--json")
    assert json.loads(done.out) == [
        {"key": "m encryption", "direction": "accepted", "system_title": TITLE, "value": 7},
        {"key": "m encryption", "direction": "sent", "system_title": OURS, "value": 64},
    ]
    assert run("counters", "show", "c.db").out.splitlines()[1].split() == [
        fingerprint.hex(),
        "sent",
        OURS,
        "next",
        "64",
    ]
    Path("copy.db").write_bytes(Path("c.db").read_bytes())
    Path("copy.db.witness").write_bytes(Path("c.db.witness").read_bytes())
    refused = run("counters", "show", "copy.db")
    assert (refused.code, "copied or moved" in refused.err) == (1, True)
    assert run("counters", "adopt", "copy.db", "--skip", "1000000").code == 0
    assert "next 1000064" in run("counters", "show", "copy.db").out
    assert run("counters", "adopt", "copy.db", "--skip", "2000000000").code == 0
    worn = run("counters", "show", "copy.db", "--keys", "k.json")
    assert worn.err == "dlms: warning: m encryption: counter at 2001000064, change the key\n"


def test_a_witness_elsewhere(run):
    Path("far").mkdir()
    assert run("counters", "create", "c.db", "--witness", "far/w").code == 0
    assert run("counters", "show", "c.db").code == 1
    assert run("counters", "show", "c.db", "--witness", "far/w").code == 0
    assert run("counters", "adopt", "c.db", "--witness", "far/w", "--skip", "5").code == 0
    assert run("counters", "show", "c.db", "--witness", "far/w").code == 0


def commands() -> dict[str, Any]:
    """Every command by its words."""
    import typer.main

    from dlms.cli.keys import app

    def inside(group: Any, words: str) -> dict[str, Any]:
        found = {}
        for name, command in getattr(group, "commands", {}).items():
            found |= inside(command, f"{words} {name}".strip())
        return found or {words: group}

    return inside(typer.main.get_command(app), "")


def test_every_command_has_a_test_and_json():
    """The names of all commands stand in this file or in that of the live ones, so that a new one cannot be forgotten."""
    here = Path(__file__)
    text = here.read_text() + here.with_name("test_live_keys_commands.py").read_text()
    assert len(commands()) == 32
    for words, command in commands().items():
        assert all(f'"{word}"' in text for word in words.split())
        assert "--json" in [option for parameter in command.params for option in parameter.opts], words


def test_json_of_what_prints_little(bench):
    """Commands whose text is a document or a word."""

    def said(*arguments: str) -> Any:
        done = bench(*arguments, "--json")
        assert done.code == 0, done.err
        return json.loads(done.out)

    asked = said("certificate", "request", "k.json", "we", "signature", "-o", "r.csr")
    assert asked["file"] == "r.csr"
    made = said("certificate", "issue", "ca.pem", "r.csr", "signature")
    assert made["file"] is None
    Path("c.der").write_bytes(base64.b64decode(made["der"]))
    assert said("certificate", "import", "k.json", "c.der") == {"role": "device", "device": "we"}
    assert (
        base64.b64decode(said("certificate", "export", "k.json", "--device", "we")["der"]) == Path("c.der").read_bytes()
    )
    assert base64.b64decode(said("certificate", "authority", "other.pem")["der"])
    assert said("certificate", "remove", "k.json", "--device", "we")["purpose"] == "signature"
    assert said("remove", "k.json", "m") == {"removed": "m"}
    assert bench("remove", "k.json", "we").out == "removed we\n"
    assert said("counters", "create", "c.db") == []
    assert said("counters", "adopt", "c.db", "--skip", "1") == []

"""`dlms keys meter` and `dlms keys rotate live` against a meter whose keys are in a key file."""

from __future__ import annotations

import contextlib
import datetime
import io
import json
from pathlib import Path
from typing import Any

import pytest

from dlms.cli import protected
from dlms.cli.app import execute
from dlms.enums import Mechanism
from dlms.security.counters import Counters, MemoryCounterStore
from dlms.security.key_store import KeyStore
from dlms.security.keyfile import DeviceKeys, KeyFile
from dlms.security.keys import Phase
from dlms.security.rotation import Rotation
from dlms.security.suite import SUITE_1
from dlms.server.security import SecuritySetup
from tests.dlms.kept import METER, OURS, SECRET, device
from tests.dlms.served import served


class Desk:
    """A folder with the key file of a client, its counters, an authority, and the key file of a meter."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.keys, self.meter = folder, folder / "keys.json", folder / "meter.json"
        self.store = MemoryCounterStore()
        for words in (
            ("create", self.keys, "head end", "--suite", "1", "--title", OURS.hex()),
            ("create", self.keys, "meter", "--suite", "1", "--title", METER.hex(), "--identity", "head end",
             *(f"--key={name}=random" for name in ("encryption", "broadcast", "authentication", "master"))),
            ("counters", "create", folder / "counters.db"),
            ("certificate", "authority", folder / "bench.pem", "--output", folder / "bench.crt"),
            ("certificate", "import", self.keys, folder / "bench.crt", "--as", "anchor"),
            ("certificate", "request", self.keys, "head end", "signature", "--output", folder / "us.csr"),
            ("certificate", "issue", folder / "bench.pem", folder / "us.csr", "signature", "--output", folder / "us.crt"),
            ("certificate", "import", self.keys, folder / "us.crt"),
        ):  # fmt: skip
            self.run(*words)
        held = KeyFile.load(self.keys)
        own = DeviceKeys(held["meter"].keys, SUITE_1, METER, secret=SECRET)
        KeyFile({"meter": own}, held.anchors).save(self.meter)

    def run(self, *words: object, expected: int = 0) -> str:
        """One command, in this process: what it keeps until the end of its own is let go after it."""
        said, ends = io.StringIO(), []
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            patch.setattr(protected.atexit, "register", ends.append)
            code = execute(["keys", *map(str, words)])
            for end in ends:
                end()
        assert code == expected, said.getvalue()
        return said.getvalue()

    def live(self, group: str, verb: str, url: str, *words: object, **options: Any) -> str:
        access = "--client", 1, "--keys", self.keys, "--counters", self.folder / "counters.db", "--timeout", 10
        return self.run(group, verb, url, *words, *access, **options)

    def serving(self, mechanism: Mechanism) -> Any:
        keys = KeyStore.open(self.meter, "meter", lambda: datetime.datetime.now(datetime.UTC))
        return served("tcp://127.0.0.1:0", device(SecuritySetup.of(keys, Counters(self.store)), mechanism))

    def same(self) -> bool:
        return KeyFile.load(self.keys)["meter"].keys == KeyFile.load(self.meter)["meter"].keys


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


def test_a_meter_is_enrolled_and_its_keys_are_changed(desk: Desk) -> None:
    folder = desk.folder
    with desk.serving(Mechanism.HLS_GMAC) as url:
        assert desk.live("meter", "list", url).split()[0] == "authority"
        enrolled = desk.live("meter", "enrol", url, folder / "bench.pem", "signature")
        assert enrolled == "meter: signature enrolled\n"
        desk.live("meter", "generate", url, "key-agreement")
        desk.live("meter", "request", url, "key-agreement", "--output", folder / "ka.csr")
        desk.run(
            "certificate", "issue", folder / "bench.pem", folder / "ka.csr", "key-agreement", "-o", folder / "ka.crt"
        )
        desk.live("meter", "import", url, folder / "ka.crt")
        desk.live("meter", "import", url, folder / "us.crt")
        rows = json.loads(desk.live("meter", "list", url, "--json"))
        kinds = sorted((row["entity"], row["purpose"]) for row in rows)
        assert kinds == [
            ("authority", "other"),
            ("client", "signature"),
            ("meter", "key_agreement"),
            ("meter", "signature"),
        ]
        desk.live("meter", "export", url, "--title", METER.hex(), "--purpose", "signature", "-o", folder / "back.crt")
        mine = folder / "mine.crt"
        desk.run("certificate", "export", desk.keys, "--device", "meter", "--purpose", "signature", "-o", mine)
        assert (folder / "back.crt").read_bytes() == mine.read_bytes()
        desk.live("meter", "remove", url, "--title", OURS.hex())
        assert "0 certificates fit" in desk.live("meter", "remove", url, "--title", OURS.hex(), expected=1)
        before = KeyFile.load(desk.keys)["meter"].keys
        changed = desk.live("rotate", "live", url, "encryption", "authentication", "--json")
        assert json.loads(changed) == {"in_force": ["encryption", "authentication"]}
        assert desk.same()
        assert KeyFile.load(desk.keys)["meter"].keys.encryption != before.encryption
    with desk.serving(Mechanism.HLS_ECDSA) as url:
        before = KeyFile.load(desk.keys)["meter"].keys
        desk.live("rotate", "live", url, "encryption", "master", "--agree", "--auth", "hls-ecdsa")
        after = KeyFile.load(desk.keys)["meter"].keys
        assert desk.same()
        assert after.encryption != before.encryption
        assert after.master != before.master


def test_a_change_that_was_cut_short_is_finished(desk: Desk) -> None:
    rotation = Rotation(desk.keys, "meter")
    rotation.begin(["broadcast"])
    rotation.transfer()
    assert rotation.phases() == {"broadcast": Phase.SENT}
    with desk.serving(Mechanism.HLS_GMAC) as url:
        assert desk.live("rotate", "live", url) == "broadcast      in force\n"
        assert desk.same()
        assert desk.live("rotate", "live", url) == "no key was being changed\n"
        assert "no way leads back" in desk.live("rotate", "live", url, "authentication", "--agree", expected=1)
        for words in (("encryption=hex:00", "--agree"), ("nonsense",)):
            desk.live("rotate", "live", url, *words, expected=2)
    assert "say --keys" in desk.run("rotate", "live", "tcp://127.0.0.1:1", "encryption", expected=2)


def test_the_secret_is_changed(desk: Desk) -> None:
    desk.run("set", desk.keys, "meter", "--key", f"secret=file:{_private(desk.folder / 'secret', SECRET.reveal())}")
    with desk.serving(Mechanism.HLS_SHA256) as url:
        told = desk.live("rotate", "live", url, "secret", "--auth", "hls-sha256")
    assert told == "secret         in force\n"
    held = [KeyFile.load(path)["meter"].secret for path in (desk.keys, desk.meter)]
    assert held[0] == held[1] != SECRET


def _private(path: Path, content: bytes) -> Path:
    path.touch(0o600)
    path.write_bytes(content)
    return path

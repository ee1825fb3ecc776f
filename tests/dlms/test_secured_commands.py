"""`dlms read` with a key file and a counter store, against a device that holds the same keys; nothing secret is printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dlms.enums import ApplicationContext, Mechanism
from dlms.security.suite import SUITE_0, SUITE_2, SecuritySuite
from tests.dlms.secured import CLIENT_TITLE, SECRET, SERVER_TITLE, key_set, world
from tests.dlms.served import served
from tests.dlms.test_commands import dlms

NAMES = ("encryption", "authentication", "master")


def key_file(folder: Path, suite: SecuritySuite) -> tuple[str, str]:
    """A key file with one meter and ourselves, and a counter store."""
    keys, counters = str(folder / "keys.json"), str(folder / "counters.sqlite")
    held = key_set(suite)
    sources = [f"--key={name}=env:K_{name}" for name in NAMES]
    values = {f"K_{name}": getattr(held, name).reveal().hex() for name in NAMES}
    one = ("--suite", str(suite.id))
    made = [
        dlms("keys", "create", keys, "us", *one, "--title", CLIENT_TITLE.hex()),
        dlms("keys", "create", keys, "meter", *one, "--title", SERVER_TITLE.hex(), "--identity", "us", *sources,
             environment=values),
        dlms("keys", "counters", "create", counters),
    ]  # fmt: skip
    assert [done.returncode for done in made] == [0, 0, 0], made
    return keys, counters


@pytest.mark.parametrize("suite", [SUITE_0, SUITE_2], ids=["suite0", "suite2"])
def test_read(suite: SecuritySuite, tmp_path: Path) -> None:
    keys, counters = key_file(tmp_path, suite)
    of = world(suite=suite)
    with served("tcp://127.0.0.1:0", of.device) as url:
        common = "read", url, "--client", "1", "--keys", keys, "--counters", counters, "1.0.1.8.0.255", "--trace"
        for options in ((), ("--dedicated",), ("--envelope", "general"), ("--envelope", "wrapped")):
            done = dlms_traced(*common, *options)
            assert (done[0], done[1].split()[1:3]) == (0, ["12.34", "kWh"]), done
            for name in NAMES:
                assert getattr(key_set(suite), name).reveal().hex() not in done[1] + done[2]
        weak = dlms_traced(*common, "--protect", "authenticated")
        assert weak[0] == 1
        assert re.search(r"deciphering|authentication", weak[2].splitlines()[-1])


def test_passwords_of_hls(tmp_path: Path) -> None:
    of = world(Mechanism.HLS_SHA256, context=ApplicationContext.LN)
    (tmp_path / "secret").write_bytes(SECRET)
    with served("tcp://127.0.0.1:0", of.device) as url:
        common = "read", url, "--client", "1", "1.0.1.8.0.255", "--auth", "hls-sha256"
        title = "--system-title", CLIENT_TITLE.hex()
        assert dlms(*common, *title, "--password-file", str(tmp_path / "secret")).returncode == 0
        assert dlms(*common, *title, environment={"DLMS_PASSWORD": "another"}).returncode == 1


def test_wrong_use(tmp_path: Path) -> None:
    keys, _ = key_file(tmp_path, SUITE_0)
    url = "tcp://127.0.0.1:1"
    for options in (("--auth", "hls-gmac"), ("--counters", keys), ("--keys", keys), ("--dedicated",)):
        done = dlms("read", url, "1.0.1.8.0.255", *options)
        assert done.returncode == 2, options
    missing = dlms("read", url, "1.0.1.8.0.255", "--keys", keys, "--counters", str(tmp_path / "none"))
    assert missing.returncode == 1
    assert "missing" in missing.stderr


def dlms_traced(*arguments: str) -> tuple[int, str, str]:
    """One command whose trace is wanted."""
    done = subprocess.run(
        [sys.executable, "-m", "dlms.cli.app", *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL,
        timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr

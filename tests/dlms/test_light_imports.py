"""What an import loads: a reader of one register does not wait for numpy."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("numpy", "asyncio", "construct", "serial", "rich", "typer", "cryptography", "matplotlib", "pyarrow", "meters")


def loaded_by(code: str) -> set[str]:
    """The top-level modules that are there after running `code` in a fresh interpreter."""
    report = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    run = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


READ = """
from dlms.client import connect
from dlms.ic import Register
from tests.dlms.served import memory_name, served
with served(memory_name()) as url, connect(url) as client:
    client.read(Register("1.0.1.8.0.255"))
    client.profile("1.0.99.1.0.255").rows()
"""


@pytest.mark.parametrize(
    "code",
    [
        "import dlms",
        "import dlms.server",
        "import dlms.ic, dlms.apdu, dlms.data, dlms.rows",
        "import dlms.framing.hdlc",
        READ,
    ],
    ids=["dlms", "server", "data", "hdlc", "read"],
)
def test_light(code: str) -> None:
    assert loaded_by(code).isdisjoint(HEAVY)


@pytest.mark.parametrize("package", ["obis", "hdlc"])
def test_packages_that_stand_alone(package: str) -> None:
    assert loaded_by(f"import {package}").isdisjoint({"dlms", *HEAVY})


def test_the_probe_sees_what_is_loaded() -> None:
    assert "numpy" in loaded_by("import dlms.columns")

"""`dlms write` and `dlms call`: what is read back, what cannot be, what a meter makes of it; the exit code says it."""

from __future__ import annotations

from typing import Any

import pytest

from dlms.cli.app import execute
from dlms.errors import AccessError
from dlms.server import Access, Device, LogicalDevice, MemoryStore, Rights, Served, ServerAssociation
from dlms.values import DoubleLongUnsigned, Float32, Unsigned
from tests.dlms import short_name_meter
from tests.dlms.served import memory_name, served
from tests.dlms.server.devices import ENERGY, EVERYTHING, NAME, PUBLIC, SERVER

TEXT = NAME.value


class Wilful(MemoryStore):
    """Keeps another value than it was given when it is `deaf`."""

    deaf = False

    def set(self, ref: Any, value: Any) -> None:
        if not self.deaf:
            super().set(ref, value)


def meter(value: Any, access: Access = Access.READ_WRITE) -> tuple[Device, Wilful]:
    held = Wilful({ENERGY.value: DoubleLongUnsigned(7), ENERGY.scaler_unit: (0, 30), TEXT: value})
    objects = {
        (1, NAME.instance): Served(NAME, Rights({1: Access.READ, 2: access})),
        (3, ENERGY.instance): Served(ENERGY, Rights(dict.fromkeys((1, 2, 3), Access.READ), frozenset({1}))),
    }
    granted = ServerAssociation(PUBLIC, SERVER, objects, EVERYTHING)
    return Device(held, (LogicalDevice(SERVER, b"TST0000000000001"),), (granted,)), held


def command(of: Device, *arguments: str) -> int:
    name, *rest = arguments
    with served(memory_name(), of) as url:
        return execute([name, url, *rest])


@pytest.mark.parametrize(
    ("held", "text", "becomes"),
    [
        (Float32(1.5), "0.1", Float32(0.1)),
        (Unsigned(1), "255", 255),
        ("one", "another", "another"),
        (b"\1\2", "03 04", b"\3\4"),
        (True, "false", False),
        ([Unsigned(1)], '{"type": "array", "value": [{"type": "unsigned", "value": 2}]}', [2]),
    ],
)
def test_a_value_is_read_back(held: Any, text: str, becomes: Any, capsys: pytest.CaptureFixture[str]) -> None:
    of, store = meter(held)
    assert command(of, "write", f"1/{NAME.instance}", text) == 0
    assert store.values[TEXT] == becomes
    assert " -> " in capsys.readouterr().out


def test_a_meter_that_keeps_another_value(capsys: pytest.CaptureFixture[str]) -> None:
    of, store = meter(Unsigned(1))
    store.deaf = True
    assert command(of, "write", f"1/{NAME.instance}", "2") == 1
    assert capsys.readouterr().err == f"dlms: {TEXT}: 1 was read back, 2 was written\n"


def test_what_may_be_written_and_not_read(capsys: pytest.CaptureFixture[str]) -> None:
    of, store = meter(Unsigned(1), Access.WRITE)
    assert command(of, "write", f"1/{NAME.instance}", '{"type": "unsigned", "value": 2}') == 0
    assert "written, cannot be read back" in capsys.readouterr().out
    assert store.values[TEXT] == 2
    assert command(of, "write", str(NAME.instance), "2") == 1, "without the class nothing tells its type"
    assert "read-write-denied" in capsys.readouterr().err


def test_refusals_are_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    of, store = meter(Unsigned(1), Access.READ)
    assert command(of, "write", f"1/{NAME.instance}", "2") == 1
    assert "read-write-denied" in capsys.readouterr().err

    def refuse(_: Any) -> Any:
        raise AccessError(16)

    store.methods[ENERGY.reset] = refuse
    assert command(of, "call", f"3/{ENERGY.instance}", "reset") == 1
    assert capsys.readouterr().err == f"dlms: no-long-action-in-progress: {ENERGY.reset}\n"
    store.methods[ENERGY.reset] = lambda parameter: parameter
    assert command(of, "call", f"3/{ENERGY.instance}", "reset", "5") == 0
    assert "done, returned Integer(5)" in capsys.readouterr().out


def test_short_names(capsys: pytest.CaptureFixture[str]) -> None:
    of = short_name_meter.device()
    text = short_name_meter.TEXT.instance
    assert command(of, "write", f"1/{text}", "good bye", "--sn") == 0
    assert "hello -> good bye" in capsys.readouterr().out
    assert command(of, "call", f"3/{short_name_meter.ENERGY.instance}", "reset", "--sn") == 0
    assert command(of, "read", f"3/{short_name_meter.ENERGY.instance}", "--sn") == 0
    assert "0.00 kWh" in capsys.readouterr().out

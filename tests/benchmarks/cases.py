"""The cases, and who takes part.  A further case is a row here and an entry in the tables of those who can do it."""

from __future__ import annotations

import importlib
import importlib.util

from tests.benchmarks import messages as m
from tests.benchmarks import ours, protected
from tests.benchmarks.case import Case, Table
from tests.benchmarks.floor import FLOOR

RATES = (
    Case("HDLC decode", "frames", (0x30, m.INFO), target=10, note="I frame, 128 octets of information, HCS and FCS"),
    Case("HDLC encode", "frames", m.SENT_FRAME, target=10, note="the same"),
    Case("GET-response decode", "messages", m.GET_VALUE, target=4, note="double-long-unsigned"),
    Case("GET-response with list", "messages", m.LIST_VALUES, note="32 of double-long-unsigned"),
    Case("SET-request encode", "messages", m.SET_REQUEST, note="an octet-string of 4096 octets"),
    Case("profile to rows", "rows", m.VALUES, target=12, count=m.ROWS, note="1000 rows of 46 octets"),
    Case("profile to columns", "rows", m.VALUES, target=60, count=m.ROWS, note="numpy; the peers give rows"),
    Case("profile encode", "rows", m.PROFILE, count=m.ROWS, note="from plain values by a template"),
    Case("profile encode, typed", "rows", m.PROFILE, count=m.ROWS, note="from values that carry their type"),
    Case("AARQ encode", "messages", m.AARQ, note="low level security"),
    Case("AARE decode", "messages", (0, m.CONFORMANCE, m.AARE_MAX_PDU), target=2),
    Case(
        "glo-get-response", "messages", m.PROTECTED_VALUE, target=2, note="suite 0: verify, decrypt, parse, 197 octets"
    ),
    Case("general-glo-ciphering", "messages", m.PROTECTED_VALUE, target=2, note="the same with a system title"),
    *protected.CASES,
)

PEERS = {"gurux-dlms": ("gurux_dlms", "gurux"), "dlms-cosem": ("dlms_cosem", "cosem")}
"""Distribution -> (its package, our module with its table)."""

OURS, FLOOR_NAME = "ours", "floor"


def contestants() -> dict[str, Table]:
    """Us, the floor, and the peers that are installed."""
    tables: dict[str, Table] = {OURS: {**ours.OURS, **protected.OURS}, FLOOR_NAME: {**FLOOR, **protected.FLOOR}}
    for name, (package, module) in PEERS.items():
        if importlib.util.find_spec(package) is not None:
            tables[name] = importlib.import_module(f"tests.benchmarks.{module}").TABLE
    return tables

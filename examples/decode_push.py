"""Understand what a meter pushes: pairs of code and value in a DataNotification.

python examples/decode_push.py 7EA0...7E
"""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any

from dlms.apdu import decode_apdu
from dlms.apdu.notification import DataNotification
from dlms.cosem_time import DateTime
from dlms.framing.llc import RESPONSE, strip
from hdlc import FrameReader, Kind
from obis import Obis, describe


def pairs(body: tuple[Any, ...]) -> list[tuple[Obis, Any]]:
    """(code, value) of a flat list in which octet-strings of six name what follows."""
    found = []
    for name, value in pairwise(body):
        if isinstance(name, bytes) and len(name) == 6:
            found.append((Obis(name), value))
    return found


def main(capture: bytes) -> None:
    """Print what each frame of the capture says."""
    reader = FrameReader()
    reader.feed(capture)
    while (frame := reader.next_frame()) is not None:
        apdu = strip(frame.info, RESPONSE)
        if frame.kind is not Kind.UI or apdu is None:
            continue
        notification = decode_apdu(apdu)
        if isinstance(notification, DataNotification) and isinstance(notification.body, tuple):
            print(DateTime(notification.date_time) if notification.date_time else "no time")
            for code, value in pairs(notification.body):
                print(f"{code!s:16} {value!s:>10}  {describe(code)}")


if __name__ == "__main__":
    main(bytes.fromhex(sys.argv[1]))

"""Read every energy register that a meter's association offers, with its unit and meaning.

python examples/read_registers.py hdlc://127.0.0.1:4060 19 16 12345
"""

from __future__ import annotations

import sys

from dlms import AccessError, connect
from dlms.ic import Register
from obis import describe


def main(url: str, client_sap: int, server_sap: int, password: str) -> None:
    """Print the registers whose unit is an energy and which do not stand at zero."""
    with connect(url, client=client_sap, server=server_sap, password=password) as client:
        for one in client.objects():
            if one.class_id != Register.class_id or one.instance.d != 8:
                continue
            try:
                reading = client.read(Register(one.instance))
            except AccessError as refusal:
                print(one.instance, refusal)
                continue
            if reading.raw:
                print(f"{one.instance!s:16} {reading.kilo():>16}  {describe(one.instance)}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])

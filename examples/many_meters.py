"""A street of virtual meters behind one port, told apart by their physical addresses, and the day's import of each."""

from __future__ import annotations

import meters
from dlms import connect
from dlms.ic import Register


def main(count: int = 5) -> None:
    """Run `count` meters on a free port and read them one after the other."""
    with meters.run("kamstrup-382", serial=20000000, count=count, listen="hdlc://127.0.0.1:0") as running:
        for number in range(count):
            physical = 32 + number
            with connect(running.url, client=19, server=16, physical=physical, password="12345") as client:
                print(physical, client.read(Register("1.1.1.8.0.255")).kilo())


if __name__ == "__main__":
    main()

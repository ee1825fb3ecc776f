"""`dlms decode`: anything captured, from the command line, a file or a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, NamedTuple

import typer

from dlms.limits import MAX_TRANSFER

if TYPE_CHECKING:
    from collections.abc import Callable

    from dlms.decode import Decoded, Keys
    from dlms.decode.conversations import Conversation

KINDS_HELP = "hdlc, wrapper, mbus, llc, apdu, data or iec62056-21"
MAX_LINE = 3 * MAX_TRANSFER
"""Characters of one line: two hex digits and a space for each octet."""
MAX_FILE = 5 * MAX_TRANSFER
"""Octets of a file of text or octets: a dump takes nearly five for each."""


class Message(NamedTuple):
    """Octets to be understood, and the conversation of a capture file that they are."""

    octets: bytes
    conversation: Conversation | None = None


def decode(
    messages: Annotated[
        list[str], typer.Argument(metavar="HEX...|FILE|-", help="Octets in hex, a file, or - for hex lines on stdin.")
    ],
    keys: Annotated[Path | None, typer.Option("--keys", help="JSON file of keys, see dlms.decode.Keys.parse.")] = None,
    kind: Annotated[str | None, typer.Option("--as", metavar="KIND", help=f"Read as {KINDS_HELP}.")] = None,
    unverified: Annotated[bool, typer.Option("--unverified", help="Decipher also what no tag proves.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a message.")] = False,
    as_xml: Annotated[
        bool, typer.Option("--xml", help="The APDUs, or bare Data, as XML: one document each, with - one line each.")
    ] = False,
    inner: Annotated[
        bool, typer.Option("--innermost", help="With --xml: what was deciphered or joined, not what is around it.")
    ] = False,
) -> None:
    """Tell what captured octets are: frames, ciphered and plain APDUs, values.

    Several HEX are one message. A FILE holds octets, hex text with one message a line, a dump with offsets, base64, or
    packets (pcap, pcapng). With - every line of stdin is a message in hex, and its JSON object a line of stdout; blank
    lines and those with # in front are left out.
    """
    from dlms.decode import KINDS
    from dlms.decode import decode as understand

    if kind is not None and kind not in KINDS:
        raise typer.BadParameter(f"{kind!r} is none of {', '.join(KINDS)}", param_hint="--as")
    if as_xml and as_json:
        raise typer.BadParameter("not with --json", param_hint="--xml")
    if inner and not as_xml:
        raise typer.BadParameter("only with --xml", param_hint="--innermost")
    reading = partial(understand, keys=_keys(keys), kind=kind, verify=not unverified)
    if messages == ["-"]:
        outcomes = [_stream(sys.stdin.buffer, reading, as_xml, inner)]
    else:
        given = _messages(messages)
        outcomes = [
            _show_xml(reading(one.octets), one.octets, inner) if as_xml else _show(reading(one.octets), one, as_json)
            for one in given
        ]
    if not all(outcomes):
        raise typer.Exit(1)


def _keys(path: Path | None) -> Keys | None:
    from dlms.decode import Keys
    from dlms.errors import DlmsError

    if path is None:
        return None
    try:
        return Keys.load(path)
    except (DlmsError, OSError) as fault:
        raise typer.BadParameter(str(fault), param_hint="--keys") from None


def _messages(given: list[str]) -> Iterator[Message]:
    """The messages that the arguments are, or that the file they name holds."""
    from dlms.decode.dumps import hex_octets

    octets = hex_octets(" ".join(given))
    if octets is not None:
        yield Message(octets)
    elif len(given) == 1 and Path(given[0]).is_file():
        yield from _in_file(Path(given[0]))
    else:
        raise typer.BadParameter(f"{' '.join(given)[:60]!r} is neither hex nor a file")


def _in_file(path: Path) -> Iterator[Message]:
    from dlms.decode.dumps import messages
    from dlms.decode.pcap import byte_order

    with path.open("rb") as file:
        captured = byte_order(file.read(4)) is not None
        file.seek(0)
        if captured:
            yield from _conversations(file)
            return
        content = file.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        raise typer.BadParameter(f"more than {MAX_FILE} octets, and no capture of packets")
    yield from map(Message, messages(content))


def _conversations(file: BinaryIO) -> Iterator[Message]:
    """The conversations of a file of packets; what is wrong with it is told behind them, and makes the exit code 1."""
    from dlms.decode.conversations import read_capture
    from dlms.decode.tree import counted

    capture = read_capture(file)
    for one in capture.conversations:
        yield Message(bytes(one.octets), one)
    if capture.others:
        typer.echo(f"dlms: warning: {counted(capture.others, 'conversation')} of something else", err=True)
    problem = capture.problem
    if not capture.conversations:
        problem = problem or f"no conversation of DLMS in {counted(capture.packets, 'packet')}"
    if problem is not None:
        typer.echo(f"dlms: {problem}", err=True)
        raise typer.Exit(1)


def _show(decoded: Decoded, message: Message, as_json: bool) -> bool:
    from dlms.decode.text import tree

    conversation = message.conversation
    if as_json:
        told = {} if conversation is None else {"capture": conversation.to_json()}
        print(json.dumps(decoded.to_json() | told))
    else:
        places = {} if conversation is None else dict(_places(conversation))
        lines = [] if conversation is None else [conversation.title, *(f"  {one}" for one in conversation.problems)]
        # a meter may send any text, and the terminal may know none of it
        charset = sys.stdout.encoding or "utf-8"
        print("\n".join([*lines, *tree(decoded, places)]).encode(charset, "backslashreplace").decode(charset))
    return decoded.ok and not (conversation is not None and conversation.problems)


def _places(conversation: Conversation) -> Iterator[tuple[int, str]]:
    from dlms.decode.conversations import moment

    for chunk in conversation.chunks:
        time = moment(chunk.time_s)
        yield chunk.offset, f"packet {chunk.packet} of {chunk.sender}{f' at {time}' if time else ''}"


def _show_xml(decoded: Decoded, message: bytes, inner: bool, line: int = 0) -> bool:
    """The documents of one message, of one line each where it came in a line."""
    from dlms.decode.records import Captured, innermost, outermost
    from dlms.decode.text import lacking
    from dlms.decode.xml import data_to_xml, to_xml

    if inner:
        found = [Captured(apdu, []) for apdu in innermost(decoded, message)]
    else:
        found = outermost(decoded, message)
    documents = [to_xml(apdu, inside, indent=not line) for apdu, inside in found]
    if decoded.ok and decoded.kind == "data":
        documents = [data_to_xml(message, indent=not line)]
    print("".join(documents), end="")
    where = f"line {line}: " if line else ""
    for told in lacking(decoded):
        typer.echo(f"dlms: warning: {where}{told}", err=True)
    if not (decoded.ok and documents):
        typer.echo(f"dlms: {where}{decoded.error or 'no APDU in the message'}", err=True)
    return decoded.ok and bool(documents)


def _stream(lines: BinaryIO, reading: Callable[[bytes], Decoded], as_xml: bool, inner: bool) -> bool:
    """The answer to every line that has a message, at once; whether all were understood."""
    every = True
    for number, octets, fault in _lines(lines):
        if as_xml and octets is not None:
            understood = _show_xml(reading(octets), octets, inner, number)
        elif as_xml:
            typer.echo(f"dlms: line {number}: {fault}", err=True)
            understood = False
        else:
            answer = {"ok": False, "error": fault, "layers": []} if octets is None else reading(octets).to_json()
            print(json.dumps(answer))
            understood = bool(answer["ok"])
        sys.stdout.flush()
        every = every and understood
    return every


def _lines(lines: BinaryIO) -> Iterator[tuple[int, bytes | None, str]]:
    """Line after line that is neither blank nor a comment: its number, its octets, and why there are none."""
    from dlms.decode.dumps import hex_octets

    number = 0
    while line := lines.readline(MAX_LINE):
        number += 1
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            while (rest := lines.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                pass
            yield number, None, f"a line of more than {MAX_LINE} characters"
        elif line.strip() and not line.lstrip().startswith(b"#"):
            yield (
                number,
                hex_octets(line.decode("latin-1")),
                f"not hex: {line[:40].decode('ascii', 'replace').strip()!r}",
            )

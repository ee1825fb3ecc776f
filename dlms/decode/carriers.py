"""What carries APDUs beside HDLC - the wrapper and wired M-Bus - and the identification line of IEC 62056-21."""

from __future__ import annotations

import re

from dlms.decode.application import Application
from dlms.decode.tree import REASSEMBLED, Layer, Piece, Reading, counted
from dlms.errors import DecodeError
from dlms.framing import mbus
from dlms.framing.wrapper import HEADER, VERSION

MAX_FRAMES = 10_000
"""Frames of one input that are looked at."""

IDENTIFICATION = re.compile(
    rb"/(?P<manufacturer>[A-Z]{2}[A-Za-z])(?P<baud_id>[0-9A-Za-z])(?P<type>[ -.0-~]{0,32})\r\n", re.DOTALL
)
"""A meter's answer to a request message.  IEC 62056-21, identification message; real ones exceed its 16 characters."""

BAUDS = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
"""Baud rate identification of protocol modes C and E."""


def read_wrapper(piece: Piece, application: Application) -> None:
    """Wrapped APDUs, one behind the other.  Where the octets stop being that, the reading fails."""
    at, data, reading = 0, piece.data, application.reading
    while at < len(data):
        if len(reading.layers) > MAX_FRAMES:
            reading.fail(None, f"more than {MAX_FRAMES} layers")
            return
        if len(data) - at < HEADER.size:
            reading.fail(None, f"wrapper: {len(data) - at} octets left over at offset {at}")
            return
        version, source, destination, size = HEADER.unpack_from(data, at)
        payload = piece.part(at + HEADER.size, at + HEADER.size + size)
        fields = {"version": version, "source_wport": source, "destination_wport": destination, "length": size}
        layer = Layer.of("wrapper", piece.part(at, at + HEADER.size + size), fields)
        fields["payload"] = payload.data.hex()
        reading.layers.append(layer)
        if version != VERSION or not size:
            reading.fail(layer, f"wrapper: version {version}, length {size}; version {VERSION} and a length are wanted")
            return
        if len(payload.data) < size:
            reading.fail(layer, f"wrapper: {size} octets announced, {len(payload.data)} are there")
            return
        application.sender = f"{source}>{destination}"
        application.content(payload, fields)
        at += HEADER.size + size


def read_mbus(piece: Piece, application: Application) -> bool:
    """M-Bus long frames and the messages in them; whether there was any frame, good or damaged."""
    reader, joiner, reading = mbus.FrameReader(), mbus.Joiner(), application.reading
    reader.feed(piece.data)
    layer: Layer | None = None
    at = covered = count = 0
    while (item := reader.next_item() or reader.drop_partial()) is not None:
        count += 1
        if count > MAX_FRAMES:
            reading.fail(layer, f"more than {MAX_FRAMES} frames")
            break
        octets = item.encode() if isinstance(item, mbus.Frame) else item.data
        start = piece.data.index(octets, at)
        layer = Layer.of("mbus", piece.part(start, start + len(octets)), {})
        reading.layers.append(layer)
        reading.noise(piece.data[covered:start], layer, "before")
        at, covered = len(piece.data) - reader.pending, max(covered, start + len(octets))
        if isinstance(item, mbus.Frame):
            _mbus_frame(item, layer, joiner, application)
        else:
            layer.fields |= {"checksum_ok": False, "octets": octets.hex()}
            reading.fail(layer, f"M-Bus: {item.reason}")
    if layer is not None:
        reading.noise(piece.data[covered:], layer, "behind")
        if joiner.unfinished:
            layer.notes.append(f"the message goes on: {counted(joiner.unfinished, 'piece')} without the last")
            reading.incomplete = True
    return layer is not None


def _mbus_frame(frame: mbus.Frame, layer: Layer, joiner: mbus.Joiner, application: Application) -> None:
    layer.fields |= {"control": frame.control, "address": frame.address, "ci": frame.ci, "data": frame.data.hex()}
    layer.fields |= {"checksum_ok": True, "frame_length": layer.length - mbus.OVERHEAD}
    if not frame.carries_dlms:
        layer.notes.append(f"CI {frame.ci:02x} is not of the DLMS application")
        application.reading.carriers.append(layer.fields)
        return
    layer.fields |= {"sequence": frame.sequence, "final": frame.final}
    layer.fields |= {"source_sap": frame.data[0], "destination_sap": frame.data[1]}
    dropped = joiner.dropped
    message = joiner.add(frame)
    if joiner.dropped > dropped:
        layer.notes.append(f"{counted(joiner.dropped - dropped, 'piece')} of a message that is not complete")
        application.reading.incomplete = True
        application.reading.carriers.append(layer.fields)
    if message is None:
        return
    apdu = Piece(message.apdu, layer.offset + 9) if message.frames == 1 else Piece(message.apdu, 0, REASSEMBLED)
    fields = {"frames": message.frames, "checksums_ok": True, "apdu": message.apdu.hex()}
    fields |= {"source_sap": message.source, "destination_sap": message.destination}
    application.reading.layers.append(Layer.of("mbus-message", apdu, fields))
    application.sender = f"{message.source}>{message.destination}"
    application.content(apdu, fields)


def read_identification(piece: Piece, reading: Reading) -> None:
    """The identification line of a meter.  Raises DecodeError for other octets."""
    match = IDENTIFICATION.fullmatch(piece.data)
    if match is None:
        raise DecodeError("no identification line of IEC 62056-21: /XXXb type CR LF", piece.data, 0)
    manufacturer, baud_id, kind = (match[name].decode("ascii") for name in ("manufacturer", "baud_id", "type"))
    fields: dict[str, str | int] = {
        "identification_line": piece.data[:-2].decode("ascii"),
        "manufacturer": manufacturer,
        "baud_id": baud_id,
        "type": kind.strip(),
    }
    if baud_id in BAUDS:
        fields["baud"] = BAUDS[baud_id]
    reading.layers.append(Layer.of("iec62056-21", piece, dict(fields)))
    reading.values.append(fields)

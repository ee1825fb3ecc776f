"""HDLC frames in a capture: several, damaged ones, octets between them, and messages that span more than one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

from dlms.decode.application import Application
from dlms.decode.hdlc_fields import LLC, frame_fields, length_subfield, parameter_fields
from dlms.decode.sequence import Sequence
from dlms.decode.tree import REASSEMBLED, Layer, Piece, counted
from dlms.limits import MAX_TRANSFER
from hdlc.errors import Fault, ParameterError
from hdlc.frame import FLAG, Frame, Kind
from hdlc.reader import Damaged, FrameReader

MAX_FRAMES = 10_000
"""Frames of one input that are looked at."""

RESTARTS = (Kind.SNRM, Kind.UA, Kind.DISC, Kind.DM)
"""Frames behind which sequence numbers begin at 0."""


class Found(NamedTuple):
    """One frame in the input: `start` is its opening flag, `end` behind its closing flag or its last octet."""

    start: int
    end: int
    body: bytes
    item: Frame | Damaged


def find_frames(data: bytes) -> Iterator[Found]:
    """Every frame in `data`, good or damaged, in order."""
    reader, at = FrameReader(), 0
    reader.feed(data)
    silent = False
    while True:
        item = reader.next_item()
        if item is None:
            if silent:
                return
            silent = True
            reader.drop_partial()
            continue
        body = item.encode()[1:-1] if isinstance(item, Frame) else item.data
        start = data.index(FLAG + body, at)
        if isinstance(item, Damaged) and item.fault is Fault.HCS:
            body = _claimed(data, start, body)
        at = start + 1 + len(body)
        yield Found(start, at + (data[at : at + 1] == FLAG), body, item)
        if isinstance(item, Damaged):
            at = start + 1 + len(item.data)


def _claimed(data: bytes, start: int, body: bytes) -> bytes:
    """A frame whose header check is wrong, up to the flag that stands where its length says, if one does."""
    end = start + 1 + length_subfield(body)
    return data[start + 1 : end] if data[end : end + 1] == FLAG else body


@dataclasses.dataclass(slots=True)
class Segments:
    """The segments of one sender that wait for the last one, and the fields of their frames.

    `broken` says that one is missing, so that they never make a message.
    """

    parts: list[bytes] = dataclasses.field(default_factory=list)
    carriers: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    octets: int = 0
    broken: bool = False

    def add(self, info: bytes, carrier: dict[str, Any]) -> bool:
        """Take one segment; False where the message becomes too large."""
        self.parts.append(info)
        self.carriers.append(carrier)
        self.octets += len(info)
        return self.octets <= MAX_TRANSFER


class HdlcLayers:
    """Reads the frames of one input into the reading of `application`."""

    def __init__(self, application: Application) -> None:
        self.application, self.reading = application, application.reading
        self._segments: dict[str, Segments] = {}
        self._sequences: dict[str, Sequence] = {}

    def read(self, piece: Piece) -> bool:
        """Whether there was any frame, good or damaged."""
        covered, count = 0, 0
        before: Layer | None = None
        for count, found in enumerate(find_frames(piece.data), 1):
            if count > MAX_FRAMES:
                self.reading.fail(before, f"more than {MAX_FRAMES} frames")
                break
            layer = self._frame(piece, found)
            self.reading.noise(piece.data[covered : found.start].strip(FLAG), layer, "before")
            covered, before = max(covered, found.end), layer
        if before is not None:
            self.reading.noise(piece.data[covered:].strip(FLAG), before, "behind")
        self._unfinished()
        return count > 0

    def _frame(self, piece: Piece, found: Found) -> Layer:
        fields = frame_fields(found.body)
        layer = Layer.of("hdlc", piece.part(found.start, found.end), fields)
        self.reading.layers.append(layer)
        kind = fields.get("control", {}).get("type")
        info_at = found.start + 1 + len(found.body) - 2 - fields.get("info_len", 0)
        info = piece.part(info_at, info_at + fields.get("info_len", 0))
        if isinstance(found.item, Damaged):
            self._damaged(layer, found.item, kind, info)
        else:
            self._content(layer, found.item, info)
        return layer

    def _damaged(self, layer: Layer, item: Damaged, kind: str | None, info: Piece) -> None:
        layer.fields["ok"] = False
        self.reading.fail(layer, f"HDLC: {item.reason}")
        readable = item.fault is Fault.FCS and layer.fields.get("hcs_ok") and not layer.fields["segmented"]
        if readable and kind in (Kind.I.name, Kind.UI.name):
            self.application.content(info, layer.fields)

    def _content(self, layer: Layer, frame: Frame, info: Piece) -> None:
        sender = f"{frame.source}>{frame.destination} {frame.kind.name}"
        if frame.kind == Kind.I and not self._in_sequence(layer, frame, sender):
            return
        if frame.kind in (Kind.I, Kind.UI) and (info.data or frame.segmented or sender in self._segments):
            self._message(layer, frame, info, sender)
            return
        self.reading.carriers.append(layer.fields)
        if frame.kind in RESTARTS:
            self._restart(layer, frame)
        if frame.kind in (Kind.SNRM, Kind.UA):
            try:
                layer.fields["parameters"] = parameter_fields(frame.info)
            except ParameterError as fault:
                layer.notes.append(f"link parameters: {fault}")
        elif info.data:
            size = counted(len(info.data), "octet")
            layer.notes.append(f"{size} of information in a frame of kind {frame.kind.name}")

    def _restart(self, layer: Layer, frame: Frame) -> None:
        """Numbers of both directions begin at 0 again, and segments that wait are given up."""
        for source, destination in ((frame.source, frame.destination), (frame.destination, frame.source)):
            sender = f"{source}>{destination} {Kind.I.name}"
            self._sequences[sender] = Sequence(0)
            if sender in self._segments:
                self._give_up(layer, self._segments.pop(sender))

    def _in_sequence(self, layer: Layer, frame: Frame, sender: str) -> bool:
        """Take account of the number of an I frame; False where the frame came before.

        A gap within a message is an error, one between two messages is not: LLC octets begin a message.
        """
        sequence = self._sequences.setdefault(sender, Sequence())
        if sequence.repeats(frame):
            layer.notes.append(f"N(S) {frame.send_sequence}: this frame came before, and is left out")
            return False
        missing = sequence.take(frame)
        if missing is None:
            return True
        told = f"N(S) {missing} is missing before N(S) {frame.send_sequence}"
        waiting = self._segments.get(sender)
        if waiting is None and (frame.info[:3] in LLC or not frame.segmented):
            layer.notes.append(told)
            return True
        self.reading.fail(layer, f"HDLC: {told} in a segmented message")
        self._segments.setdefault(sender, Segments()).broken = True
        return True

    def _message(self, layer: Layer, frame: Frame, info: Piece, sender: str) -> None:
        """A message in one frame, or one of its segments."""
        self.application.sender = sender
        waiting = self._segments.get(sender)
        if waiting is not None and waiting.broken and info.data[:3] in LLC:
            self.reading.carriers += self._segments.pop(sender).carriers  # another message begins here
            waiting = None
        if frame.segmented:
            waiting = self._segments.setdefault(sender, Segments())
            if not waiting.add(info.data, layer.fields):
                waiting.broken = True
                self.reading.fail(layer, "HDLC: a segmented message is too large")
        elif waiting is not None:
            del self._segments[sender]
            waiting.add(info.data, layer.fields)
            self._joined(layer, waiting)
        else:
            self.application.content(info, layer.fields)

    def _joined(self, layer: Layer, segments: Segments) -> None:
        """All segments of a message are there, or are known to be not."""
        if segments.broken:
            self.reading.carriers += segments.carriers
            return
        whole = Piece(b"".join(segments.parts), 0, REASSEMBLED)
        fields = {"frames": len(segments.parts), "octets": whole.data.hex()}
        self.reading.layers.append(Layer.of("reassembled", whole, fields))
        self.application.content(whole, layer.fields)

    def _unfinished(self) -> None:
        for segments in self._segments.values():
            self._give_up(self.reading.layers[-1], segments)

    def _give_up(self, layer: Layer, segments: Segments) -> None:
        layer.notes.append(f"the message goes on: {counted(len(segments.parts), 'segment')} without the last")
        self.reading.incomplete = True
        self.reading.carriers += segments.carriers

"""From octets to APDUs and values: LLC, xDLMS and ACSE APDUs, what they carry inside, and bare Data."""

from __future__ import annotations

import dataclasses
from typing import Any

from dlms import data as cosem_data
from dlms.acse import Aare, Aarq, BerRecord, Rlre, Rlrq
from dlms.apdu.block_transfer import GeneralBlockTransfer
from dlms.apdu.gateway import GatewayRequest, GatewayResponse
from dlms.apdu.notification import DataNotification, UntaggedPush
from dlms.apdu.protected import GeneralSigning, ServiceCiphered
from dlms.codec import Record, TaggedTime, encode
from dlms.cosem_time import ANY, ANY_YEAR, NO_DEVIATION, NO_STATUS, DateTime
from dlms.decode.blocks import Blocks
from dlms.decode.ciphering import ENVELOPES, Envelope, Opened, expected_tag, open_envelope
from dlms.decode.faithful import encoding_of
from dlms.decode.hdlc_fields import LLC
from dlms.decode.keys import Keys
from dlms.decode.records import MAX_NESTING, BareData, decode_record, name_of
from dlms.decode.tree import PLAINTEXT, REASSEMBLED, Layer, Piece, Reading, counted
from dlms.errors import DecodeError, LocalProtocolError, SecurityError

NOT_CANONICAL = "not the canonical encoding, such as lengths that are longer than needed"
KEEPS_SECRETS = (b"\x60", b"\x01\x01")
"""How APDUs begin that may hold a password or a key: AARQ, and an initiate-request with a dedicated key."""


@dataclasses.dataclass(slots=True)
class Application:
    """Reads APDUs into one `Reading`; `sender` tells apart whose blocks belong together."""

    reading: Reading
    keys: Keys
    verify: bool = True
    strict: bool = False
    sender: str = ""
    blocks: dict[str, Blocks] = dataclasses.field(default_factory=dict)

    def content(self, piece: Piece, carrier: dict[str, Any]) -> None:
        """What a frame carries: LLC and APDU, or just an APDU; octets with a note where it is neither."""
        try:
            if piece.data[:3] in LLC:
                self.llc(piece)
            else:
                self.apdu(piece)
        except DecodeError as fault:
            inside = piece.part(3) if piece.data[:3] in LLC else piece
            layer = Layer.of("octets", inside, {"octets": inside.data.hex()})
            layer.notes.append(f"no APDU: {told(fault, inside.data)}")
            self.reading.layers.append(layer)
            self.reading.carriers.append(carrier)
            self.reading.undecoded = True

    def llc(self, piece: Piece) -> None:
        """LLC octets and the APDU behind them.  Raises DecodeError when it is none."""
        if piece.data[:3] not in LLC:
            raise DecodeError("no LLC octets E6 E6 00 or E6 E7 00", piece.data, 0)
        names = ("destination_lsap", "source_lsap", "quality")
        self.reading.layers.append(Layer.of("llc", piece.part(0, 3), dict(zip(names, piece.data[:3], strict=True))))
        self.apdu(piece.part(3))

    def apdu(self, piece: Piece, depth: int = 0) -> None:
        """One APDU and everything inside.  Raises DecodeError when the octets are none, having added nothing."""
        strict = self.strict and depth == 0
        record = decode_record(piece.data, strict=strict)
        layer = Layer.of("apdu", piece, fields_of(record, piece.data))
        layer.inside = depth > 0
        layer.notes += notes_on(record, piece.data)
        self.reading.layers.append(layer)
        self._inside(record, piece, layer, depth)

    def finish(self) -> None:
        """Take account of transfers that have not ended."""
        for blocks in self.blocks.values():
            if not blocks.ended:
                self._give_up(blocks, self.reading.layers[-1])
        self.blocks.clear()

    def _inside(self, record: Record, piece: Piece, layer: Layer, depth: int) -> None:
        match record:
            case Aarq() | Aare() | Rlrq() | Rlre():
                self._user_information(record, layer)
                self.reading.values.append(layer.fields)
            case GatewayRequest() | GatewayResponse():
                self._nested(piece.part(len(piece.data) - len(record.apdu)), layer, depth)
            case GeneralSigning():
                layer.notes.append("the signature was not checked")
                self._nested(Piece(record.content, 0, PLAINTEXT), layer, depth)
            case GeneralBlockTransfer():
                self._block(record, layer, depth)
            case _ if isinstance(record, ENVELOPES):
                self._envelope(record, layer, depth)
            case _:
                self.reading.values.append(layer.fields)

    def _nested(self, piece: Piece, layer: Layer, depth: int) -> None:
        """The APDU inside another; when it is none, the outer one is as far as it goes, and that is an error."""
        try:
            if depth >= MAX_NESTING:
                raise DecodeError(f"APDUs nested more than {MAX_NESTING} deep")
            self.apdu(piece, depth + 1)
        except DecodeError as fault:
            self.reading.fail(layer, f"inside {layer.fields['apdu']}: {told(fault, piece.data)}")

    def _envelope(self, envelope: Envelope, layer: Layer, depth: int) -> None:
        opened = self._opened(envelope, layer.fields, layer, ())
        if opened is None or opened.plaintext is None:
            self.reading.values.append(layer.fields)
        else:
            self._nested(Piece(opened.plaintext, 0, PLAINTEXT), layer, depth)

    def _opened(
        self, envelope: Envelope, fields: dict[str, Any], layer: Layer, titles: tuple[bytes, ...]
    ) -> Opened | None:
        """What `open_envelope` says, put into `fields`; None, and the reading failed, where the protection is wrong."""
        try:
            opened = open_envelope(envelope, self.keys, titles or self.keys.candidates(), self.verify)
            if opened.plaintext is not None:
                check_tag(envelope, opened.plaintext)
        except SecurityError as fault:
            self.reading.fail(layer, f"{name_of(envelope)}: {fault}")
            return None
        if opened.note is not None:
            layer.notes.append(opened.note)
        if opened.plaintext is None:
            self.reading.encrypted = fields["encrypted"] = True
        else:
            self.reading.tag_checked(opened.verified)
            fields |= {"tag_verified": opened.verified, "plaintext": opened.plaintext.hex()}
        return opened

    def _user_information(self, record: Aarq | Aare | Rlrq | Rlre, layer: Layer) -> None:
        """Replace the octets of user-information by what they say."""
        octets = record.user_information
        if octets is None:
            return
        try:
            inner = decode_record(octets, strict=False)
        except DecodeError as fault:
            layer.fields["user_information"] = {"octets": octets.hex()}
            layer.notes.append(f"user-information: {fault.what}")
            self.reading.undecoded = True
            return
        fields = fields_of(inner, octets)
        layer.fields["user_information"] = fields
        layer.notes += [f"user-information: {note}" for note in notes_on(inner, octets)]
        if isinstance(inner, ServiceCiphered):
            self._ciphered_information(inner, fields, layer, _sender_title(record))

    def _ciphered_information(
        self, inner: ServiceCiphered, fields: dict[str, Any], layer: Layer, titles: tuple[bytes, ...]
    ) -> None:
        opened = self._opened(inner, fields, layer, titles)
        if opened is None or opened.plaintext is None:
            return
        try:
            plain = decode_record(opened.plaintext, strict=False)
        except DecodeError as fault:
            self.reading.fail(layer, f"inside {name_of(inner)}: {fault.what}")
            return
        fields["plaintext_apdu"] = fields_of(plain, opened.plaintext)

    def _block(self, block: GeneralBlockTransfer, layer: Layer, depth: int) -> None:
        blocks = self.blocks.get(self.sender)
        if not block.block_data:
            self._empty_block(block, layer, blocks)
            return
        if blocks is None or not blocks.continues(block):
            blocks = self._begin(block, layer, blocks)
        refused = blocks.add(block)
        if refused is not None:
            layer.notes.append(refused)
            if block.block_number > blocks.due and blocks.behind_gap is None:
                blocks.behind_gap = layer
            return
        blocks.last, blocks.behind_gap = layer.fields, None
        if blocks.ended:
            self._joined(blocks, layer, depth)

    def _empty_block(self, block: GeneralBlockTransfer, layer: Layer, blocks: Blocks | None) -> None:
        """A block without data acknowledges the other end's; as the last one of a transfer it breaks that off."""
        self.reading.values.append(layer.fields)
        if blocks is not None and not blocks.ended and block.last_block and block.block_number == blocks.due:
            layer.notes.append("the sender breaks the transfer off")
            self._give_up(self.blocks.pop(self.sender), layer)

    def _begin(self, block: GeneralBlockTransfer, layer: Layer, before: Blocks | None) -> Blocks:
        """Another transfer of the sender, perhaps from its middle on."""
        if before is not None and not before.ended:
            if before.contradicted_by(block):
                error = f"block {block.block_number} came before, with other content"
                self.reading.fail(layer, f"general-block-transfer: {error}")
            self._give_up(before, layer)
        if block.block_number != 1:
            layer.notes.append("block 1 is missing")
            self.reading.incomplete = True
        self.blocks[self.sender] = blocks = Blocks(block.block_number)
        return blocks

    def _give_up(self, blocks: Blocks, layer: Layer) -> None:
        """A transfer has not ended; where a block in its middle never came, that is an error."""
        layer.notes.append(f"a transfer has not ended: {counted(len(blocks.data), 'block')}")
        self.reading.incomplete = True
        self.reading.values.append(blocks.last)
        if blocks.behind_gap is not None:
            self.reading.fail(blocks.behind_gap, f"general-block-transfer: block {blocks.due} is missing")

    def _joined(self, blocks: Blocks, layer: Layer, depth: int) -> None:
        """The last block has come."""
        if blocks.first != 1:
            self.reading.values.append(layer.fields)
            return
        joined = Piece(b"".join(blocks.data), 0, REASSEMBLED)
        fields = {"blocks": len(blocks.data), "octets": joined.data.hex()}
        self.reading.layers.append(Layer.of("reassembled", joined, fields))
        self._nested(joined, layer, depth)


def fields_of(record: Record, data: bytes) -> dict[str, Any]:
    """Name and fields of an APDU and what they do not say of its encoding, the octets of an APDU inside another included."""
    shown = record.to_json()
    fields = {"apdu": name_of(record), **{name: value for name, value in shown.items() if name != "apdu"}}
    if isinstance(record, GatewayRequest | GatewayResponse):
        fields["carried_apdu"] = {"octets": shown["apdu"]}
    if isinstance(record, DataNotification) and record.date_time:
        fields["date_time_fields"] = date_time_fields(record.date_time)
    if isinstance(record, DataNotification) and isinstance(record.body, UntaggedPush):
        # The collections of captures list such a push beside the head; nothing trails it, or the codec had refused it.
        fields |= {**fields.pop("body"), "trailing": ""}
    return fields | encoding_of(record, shown, data)


def notes_on(record: Record, data: bytes) -> list[str]:
    """What is unusual about an APDU: its meaning, a known deviation, or an encoding that is not the shortest."""
    notes = record.problems()
    if isinstance(record, DataNotification):
        if isinstance(record.date_time, TaggedTime):
            notes.append("the date-time is a tagged octet-string (09 0C) where a bare length is due")
        if isinstance(record.body, UntaggedPush):
            notes.append("the attribute descriptors of the body have no Data tags")
    try:
        canonical = encode(record) == data
    except LocalProtocolError as fault:
        return [*notes, f"decoded, but not encodable again: {fault}"]
    return notes if canonical else [*notes, NOT_CANONICAL]


def check_tag(envelope: Envelope, plaintext: bytes) -> None:
    """The APDU inside must be the service that the envelope names.  Raises SecurityError."""
    wanted = expected_tag(envelope)
    if wanted is not None and plaintext[:1] != bytes((wanted,)):
        found = plaintext[:1].hex() or "nothing"
        raise SecurityError(f"an APDU {wanted:02x} is announced, and {found} is inside")


def told(fault: DecodeError, data: bytes) -> str:
    """A fault in words; without the octets around it where they may be those of a password or a key."""
    if not data[3 if data[:3] in LLC else 0 :].startswith(KEEPS_SECRETS):
        return str(fault)
    return fault.what if fault.offset is None else f"{fault.what} at offset {fault.offset}"


def date_time_fields(octets: bytes) -> dict[str, int | None]:
    """The fields of a date-time, None for what is not specified."""
    time = DateTime(bytes(octets))
    shown: dict[str, int | None] = {"year": None if time.year == ANY_YEAR else time.year}
    octet_fields = {"month": time.month, "day": time.day, "weekday": time.day_of_week}
    octet_fields |= {"hour": time.hour, "minute": time.minute, "second": time.second, "hundredths": time.hundredths}
    shown |= {name: None if value == ANY else value for name, value in octet_fields.items()}
    shown["deviation"] = None if time.deviation == NO_DEVIATION else time.deviation
    shown["status"] = None if time.status == NO_STATUS else time.status
    return shown


def read_data(piece: Piece, reading: Reading) -> None:
    """One bare Data value.  Raises DecodeError when the octets are none."""
    record = BareData(cosem_data.decode(piece.data))
    shown = record.to_json()
    layer = Layer.of("data", piece, shown["value"] | encoding_of(record, shown, piece.data))
    if encode(record) != piece.data:
        layer.notes.append(NOT_CANONICAL)
    reading.layers.append(layer)
    reading.values.append(shown["value"])


def _sender_title(record: BerRecord) -> tuple[bytes, ...]:
    title = None
    if isinstance(record, Aarq):
        title = record.calling_ap_title
    elif isinstance(record, Aare):
        title = record.responding_ap_title
    return () if title is None else (title,)

"""XML of every APDU: lossless, with the standard's names, and safe against hostile documents."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dlms import codec as c
from dlms import data as cosem_data
from dlms.acse import ACSE, Aare, Aarq, Diagnostic, context_oid
from dlms.apdu import (
    APDUS,
    AccessRequest,
    DataNotification,
    ExceptionResponse,
    GatewayRequest,
    GetRequestNormal,
    GetResponseNormal,
    InitiateRequest,
    ReadRequest,
    SetRequestWithDatablock,
    SetResponseWithList,
)
from dlms.apdu.access import AccessAction
from dlms.apdu.attribute import CosemAttributeDescriptor, DataBlock
from dlms.apdu.errors import ConfirmedServiceError
from dlms.apdu.get import GetResponseRaw
from dlms.apdu.notification import UntaggedPush
from dlms.apdu.protected import PLAIN, ServiceCiphered
from dlms.apdu.short_name import Success, VariableName
from dlms.codec import Record, TaggedTime, encode
from dlms.data import BitString, Unsigned, Utf8String
from dlms.decode import asn1_names
from dlms.decode.records import decode_record
from dlms.decode.xml import from_xml, to_xml
from dlms.decode.xml_text import MAX_CHARACTERS, MAX_ELEMENTS, MAX_LEVELS, NAMESPACE, XmlError, _Builder
from dlms.enums import Conformance
from dlms.errors import DecodeError, DlmsError, LocalProtocolError
from dlms.limits import MAX_DEPTH
from dlms.values import SCALARS
from tests.dlms import data_values
from tests.dlms.strategies import RECORDS, records

FEW = settings(max_examples=max(10, settings().max_examples // 5))
EACH = pytest.mark.parametrize("of", RECORDS, ids=lambda of: of.wire_name())

GET = """
<x:xDLMS-APDU xmlns:x="http://www.dlms.com/COSEMpdu">
  <x:get-request>
    <x:get-request-normal>
      <x:invoke-id-and-priority>193</x:invoke-id-and-priority>
      <x:cosem-attribute-descriptor>
        <x:class-id>8</x:class-id>
        <x:instance-id>0000010000FF</x:instance-id>
        <x:attribute-id>2</x:attribute-id>
      </x:cosem-attribute-descriptor>
    </x:get-request-normal>
  </x:get-request>
</x:xDLMS-APDU>
"""


def response(value: str) -> str:
    """A get-response with one value."""
    return (
        f'<x:get-response xmlns:x="{NAMESPACE}"><x:get-response-normal>'
        "<x:invoke-id-and-priority>193</x:invoke-id-and-priority>"
        f"<x:result><x:data>{value}</x:data></x:result></x:get-response-normal></x:get-response>"
    )


def value_of(text: str) -> Any:
    """The value of a get-response."""
    record = decode_record(from_xml(response(text)), strict=False)
    assert isinstance(record, GetResponseNormal)
    return record.result


# --- lossless ---------------------------------------------------------------------------------------------------------


@EACH
@FEW
@given(data=st.data())
def test_round_trip(of: type[Record], data: st.DataObject) -> None:
    wire = encode(data.draw(records(of)))
    assert type(decode_record(wire, strict=False)) is of
    assert from_xml(to_xml(wire)) == wire


@given(data_values.values)
@example("")
@example("\x00\x0b\r\n\t\x7f\x85\xff")
@example(" leading and trailing \n")
@example("<&>'\"]]>")
@example(Utf8String.from_octets(b"\xff\xfe\x80"))
@example(Utf8String("\r\ufffe\uffff\U0001f600"))
@example(Utf8String("\u2028 \ufeff"))
@example(BitString(b"\xff", 3))
def test_every_value_survives(value: Any) -> None:
    wire = encode(GetResponseNormal(0xC1, value))
    assert from_xml(to_xml(wire)) == wire


def test_the_deepest_value_survives() -> None:
    value: Any = None
    for _ in range(MAX_DEPTH):
        value = [value]
    wire = encode(GetResponseNormal(1, value))
    assert from_xml(to_xml(wire)) == wire


@given(st.sampled_from((2, 0x80, 0xFF)))
def test_a_boolean_keeps_its_octet(octet: int) -> None:
    wire = encode(SetRequestWithDatablock(1, DataBlock(octet, 1, b"")))  # type: ignore[arg-type]
    assert f'<x:last-block hex="{octet:02X}">1</x:last-block>' in to_xml(wire)
    assert from_xml(to_xml(wire)) == wire


def test_a_time_sent_as_data_keeps_its_tag() -> None:
    wire = encode(DataNotification(1, TaggedTime(bytes(12)), None))
    assert 'tagged="true"' in to_xml(wire)
    assert from_xml(to_xml(wire)) == wire


def test_a_record_of_raw_octets_is_shown_as_the_apdu_that_it_is() -> None:
    raw = GetResponseRaw(0xC1, bytes.fromhex("001105"))
    assert from_xml(to_xml(raw)) == encode(raw)


def test_other_namespaces_prefixes_and_roots() -> None:
    wire = "c001c100080000010000ff0200"
    assert from_xml(GET).hex() == wire
    assert from_xml(re.sub("x:", "", GET).replace("xmlns:x", "xmlns")).hex() == wire
    assert from_xml(GET.replace("x:", "cosem:").replace("xmlns:x", "xmlns:cosem")).hex() == wire
    assert from_xml(re.sub("</?x:xDLMS.*>", "", GET).replace("x:", "")).hex() == wire


# --- what it looks like -----------------------------------------------------------------------------------------------


def test_a_get_request_in_the_form_of_the_standard() -> None:
    text = to_xml(bytes.fromhex("c001c100080000010000ff0200"))
    assert text == '<?xml version="1.0" encoding="utf-8"?>' + GET
    assert from_xml(text) == bytes.fromhex("c001c100080000010000ff0200")


def test_an_aarq_opens_its_plain_user_information() -> None:
    initiate = bytes.fromhex("01000000065f1f040000181f0100")
    text = to_xml(Aarq(application_context_name=context_oid(1), user_information=initiate))
    assert "<x:application-context-name>1</x:application-context-name>" in text
    assert "<x:initiateRequest>" in text
    assert "get set selective-access event-notification action</x:proposed-conformance>" in text
    assert from_xml(text)[-14:] == initiate


def test_ciphered_and_other_user_information_stays_octets() -> None:
    for octets in ("2103300000", "21053000000001", "ff00", "", "0100000006"):
        aarq = Aarq(user_information=bytes.fromhex(octets))
        text = to_xml(aarq)
        shown = ET.fromstring(text)[0][0]
        assert (shown.text or "", len(shown)) == (octets.upper(), 0)
        assert from_xml(text) == encode(aarq)


def test_unknown_identifiers_are_shown_as_octets() -> None:
    aare = Aare(application_context_name=b"\x2a", mechanism_name=b"", responder_acse_requirements=b"\x06\x40")
    assert '<x:application-context-name hex="2A" />' in to_xml(aare)
    assert from_xml(to_xml(aare)) == encode(aare)


def test_a_diagnostic_names_its_source() -> None:
    aare = Aare(result=1, diagnostic=Diagnostic(2, 2))
    assert "<x:acse-service-provider>2</x:acse-service-provider>" in to_xml(aare)
    assert from_xml(to_xml(aare)) == encode(aare)


@pytest.mark.parametrize(
    ("octets", "shown"),
    [
        ("0e010601", "<x:initiate>dlms-version-too-low</x:initiate>"),
        ("0e060502", "<x:access>object-access-violated</x:access>"),
        ("0e020502", "<x:service>2</x:service>"),
        ("0e010801", "<x:error-type>8</x:error-type>"),
        ("d80206000000ff", "<x:invocation-counter>255</x:invocation-counter>"),
        ("d8014d", "<x:service-error>77</x:service-error>"),
        ("c7018103 00", "<x:result>read-write-denied</x:result>"),
        ("c701810f 00", "<x:result>long-action-aborted</x:result>"),
        ("c401c1010f", "<x:data-access-result>long-get-aborted</x:data-access-result>"),
        ("0d020001 03", "<x:data-access-error>read-write-denied</x:data-access-error>"),
        ("c803300000", "<x:glo-get-request>300000</x:glo-get-request>"),
        ("2103300000", "<x:glo-initiate-request>300000</x:glo-initiate-request>"),
        ("6303800100", "<x:reason>normal</x:reason>"),
    ],
)
def test_names(octets: str, shown: str) -> None:
    wire = bytes.fromhex(octets)
    assert shown in to_xml(wire)
    assert from_xml(to_xml(wire)) == wire


def test_every_class_and_field_has_an_element_name() -> None:
    assert len(asn1_names.BY_NAME) == len(APDUS) + len(ACSE)
    assert len(asn1_names.CIPHERED) == len(PLAIN)
    name = re.compile("[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*")
    for of in RECORDS:
        fields = [asn1_names.field_name(of, field) for field, _ in of.layout]
        assert len(set(fields)) == len(fields)
        assert all(name.fullmatch(one) for one in (asn1_names.element_name(of), *fields))
    for of, exceptions in asn1_names._FIELDS_OF.items():
        assert exceptions.keys() & {field for field, _ in of.layout}, of
    assert asn1_names.field_name(Aarq, "calling_ap_title") == "CallingAPTitle"
    assert asn1_names.element_name(AccessAction) == "access-request-action"


def test_items_without_a_name_are_refused() -> None:
    with pytest.raises(LocalProtocolError, match="no name"):
        asn1_names.item_name(c.Boolean())


def test_what_is_no_apdu_has_no_xml() -> None:
    with pytest.raises(DecodeError):
        to_xml(b"\x99")
    with pytest.raises(DecodeError):
        to_xml(Success())
    with pytest.raises(LocalProtocolError):
        to_xml(GetRequestNormal(0x1C1, None))  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError):
        to_xml(ServiceCiphered(0x99, b""))


def test_apdus_within_apdus_are_opened_up_to_a_depth() -> None:
    wire = bytes.fromhex("c001c100080000010000ff0200")
    for _ in range(30):
        wire = encode(GatewayRequest(1, b"\x02", wire))
    text = to_xml(wire)
    assert text.count("<x:gateway-request>") == 9
    assert from_xml(text) == wire


# --- hostile documents ------------------------------------------------------------------------------------------------

LAUGHS = '<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("declaration", [LAUGHS, OUTSIDE, "<!DOCTYPE x>", "<!doctype x>", "<!ENTITY a 'b'>"])
def test_document_types_and_entities_are_refused(declaration: str) -> None:
    with pytest.raises(XmlError, match="declaration is refused"):
        from_xml(f'<?xml version="1.0"?>{declaration}{GET.strip()}')
    with pytest.raises(XmlError):
        from_xml(response(f"<x:visible-string>&b;</x:visible-string>{declaration}"))


def test_the_parser_itself_refuses_a_document_type_too() -> None:
    parser = ET.XMLParser(target=_Builder())
    with pytest.raises(XmlError, match="declaration is refused"):
        parser.feed(LAUGHS + "<x>&b;</x>")


def test_bounds() -> None:
    with pytest.raises(XmlError, match="levels"):
        from_xml("<a>" * (MAX_LEVELS + 1))
    with pytest.raises(XmlError, match="levels"):
        from_xml(response("<x:array>" * 10_000))
    with pytest.raises(XmlError, match="nested more than"):
        from_xml(response("<x:array>" * (MAX_DEPTH + 1) + "</x:array>" * (MAX_DEPTH + 1)))
    with pytest.raises(XmlError, match="elements"):
        from_xml("<a>" + "<b/>" * (MAX_ELEMENTS + 1))
    with pytest.raises(XmlError, match="characters"):
        from_xml(" " * (MAX_CHARACTERS + 1))


SCALAR = "<x:{0}>{1}</x:{0}>"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "0 elements"),
        ("<x:null-data/><x:null-data/>", "2 elements"),
        ("<x:null-data>1</x:null-data>", "null-data: text"),
        ("<x:strange/>", "strange: no type"),
        ("<x:unsigned>256</x:unsigned>", "data/unsigned: no unsigned"),
        ("<x:unsigned>-1</x:unsigned>", "unsigned"),
        ("<x:unsigned>1.5</x:unsigned>", "unsigned"),
        ("<x:unsigned>٣</x:unsigned>", "unsigned"),
        (f"<x:unsigned>{'9' * 5000}</x:unsigned>", "unsigned"),
        ("<x:unsigned/>", "unsigned"),
        ("<x:unsigned>1<x:unsigned/></x:unsigned>", "text wanted"),
        ("<x:unsigned value='1'/>", "attribute 'value' is unknown"),
        ("<x:unsigned Value='1'>1</x:unsigned>", "text beside the attribute Value"),
        ("<x:unsigned Value='xy'/>", "no number in hex"),
        ("<x:unsigned Value='100'/>", "no unsigned"),
        ("<x:structure Qty='2'><x:null-data/></x:structure>", "1 elements inside, Qty says '2'"),
        ("<x:structure Qty='x'/>", "0 elements inside, Qty says 'x'"),
        ("<x:boolean>maybe</x:boolean>", "boolean"),
        ("<x:octet-string>0</x:octet-string>", "not octets"),
        ("<x:octet-string>zz</x:octet-string>", "not octets"),
        ("<x:visible-string>\u0416</x:visible-string>", "visible-string"),
        ("<x:visible-string hex='00'>a</x:visible-string>", "beside the attribute"),
        ("<x:visible-string hex='0'/>", "not octets"),
        ("<x:bit-string>012</x:bit-string>", "bit-string"),
        ("<x:bit-string unused='1'>01</x:bit-string>", "unused"),
        ("<x:float32>00</x:float32>", "float32"),
        ("<x:float64>00</x:float64>", "float64"),
        ("<x:date-time>00</x:date-time>", "date-time"),
        ("<x:array>text</x:array>", "text beside"),
        ("<x:structure><x:null-data/>text</x:structure>", "text beside"),
        ("<x:structure><x:array><x:enum>900</x:enum></x:array></x:structure>", "structure/array/enum"),
        ("<x:compact-array/>", "wanted"),
    ],
)
def test_wrong_data_is_refused_at_its_place(text: str, place: str) -> None:
    with pytest.raises(XmlError, match=re.escape(place)) as refused:
        from_xml(response(text))
    assert refused.value.place[:2] == ("get-response", "get-response-normal")
    assert "result" in refused.value.place


@pytest.mark.parametrize(
    "description",
    [
        "<x:compact-array/>",
        "<x:array/>",
        "<x:null-data/>",
        "<x:unsigned>1</x:unsigned>",
        "<x:array><x:number-of-elements>70000</x:number-of-elements><x:type-description><x:unsigned/>"
        "</x:type-description></x:array>",
        "<x:structure>" * (MAX_DEPTH + 1) + "</x:structure>" * (MAX_DEPTH + 1),
    ],
)
def test_wrong_descriptions_of_compact_arrays_are_refused(description: str) -> None:
    with pytest.raises(XmlError, match="compact-array"):
        value_of(
            f"<x:compact-array><x:contents-description>{description}</x:contents-description>"
            "<x:array-contents/></x:compact-array>"
        )


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("</x:xDLMS-APDU>", "", "no XML"),
        ("<x:get-request>", "<x:get-request>&ent;", "no XML"),
        ("x:class-id", "x:class", "class-id> is missing"),
        ("<x:class-id>8</x:class-id>", "", "cosem-attribute-descriptor: <class-id> is missing"),
        ("<x:class-id>8</x:class-id>", "<x:class-id>8</x:class-id><x:class-id>8</x:class-id>", "repeated"),
        ("<x:class-id>8</x:class-id>", "<x:class-id>8</x:class-id><x:other/>", "<other> is unknown here"),
        (">8<", ">65536<", "class-id: "),
        (">8<", ">x<", "class-id: 'x' is no decimal number"),
        ("0000010000FF", "00000100FF", "instance-id: 6 octets wanted"),
        (">193<", ">256<", "invoke-id-and-priority"),
        ("x:get-request-normal", "x:set-request-normal", "no APDU here"),
        ("x:get-request-normal", "x:initiateRequest", "no APDU here"),
        ("x:get-request>", "x:strange>", "no APDU here"),
        ("x:xDLMS-APDU", "x:aCSE-APDU", "other root"),
        ("x:xDLMS-APDU", "x:other", "no APDU here"),
        (NAMESPACE, "http://example.org/", "wanted"),
        ("<x:get-request>", "<x:get-request>text", "text beside"),
        ("<x:class-id>8", "<x:class-id>\ud800", "surrogate"),
    ],
)
def test_wrong_documents_are_refused(old: str, new: str, told: str) -> None:
    assert old in GET
    with pytest.raises(XmlError, match=re.escape(told)):
        from_xml(GET.replace(old, new))


PUSH = DataNotification(1, b"", UntaggedPush(5, ((CosemAttributeDescriptor(1, bytes(6), 2), Unsigned(1)),)))


@pytest.mark.parametrize(
    ("record", "old", "new"),
    [
        (ExceptionResponse(1, 6, 5), "<x:invocation-counter>5</x:invocation-counter>", ""),
        (ExceptionResponse(1, 6, 5), "invocation-counter-error", "1"),
        (ConfirmedServiceError(1, 6, 4), ">refused-by-the-VDE-Handler<", ">256<"),
        (ConfirmedServiceError(1, 6, 4), "initiateError", "initiateErrors"),
        (Aare(diagnostic=Diagnostic(1, 1)), "acse-service-user", "acse-service-nobody"),
        (Aare(application_context_name=context_oid(1)), ">1<", ">256<"),
        (Aare(mechanism_name=b"\1"), 'hex="01"', 'hex="1"'),
        (Aarq(calling_authentication_value=b"1"), "x:charstring", "x:bitstring"),
        (Aarq(sender_acse_requirements=b"\x07\x80"), ">1<", ">0<"),
        (DataNotification(1, b"", 1 == 1), "data-value", "data"),
        (DataNotification(1, bytes(12), None), "00" * 12, "00"),
        (SetRequestWithDatablock(1, DataBlock(True, 1, b"")), ">1</x:last", ' hex="01">1</x:last'),
        (SetResponseWithList(1, [0]), "x:data-access-result", "x:data"),
        (GetResponseNormal(1, None), "x:data>", "x:date>"),
        (ReadRequest([VariableName(8)]), "x:variable-name", "x:name"),
        (AccessRequest(1, b"", [], []), "<x:access-request-body>", "<x:access-request-body><x:date-time />"),
        (AccessRequest(1, b"", [], []), "access-request-body", "access-response-body"),
        (PUSH, "x:enum>", "x:kind>"),
        (PUSH, ">5</x:enum>", ">256</x:enum>"),
        (PUSH, "x:value>", "x:data>"),
        (PUSH, "x:entry>", "x:item>"),
        (InitiateRequest(None, True, None, 6, Conformance.GET, 0), ">get<", ">got<"),
    ],
)
def test_wrong_fields_are_refused(record: Record, old: str, new: str) -> None:
    text = to_xml(record)
    assert old in text
    with pytest.raises(XmlError):
        from_xml(text.replace(old, new))


@given(st.data())
def test_a_mutilated_document_gives_a_record_or_our_error(data: st.DataObject) -> None:
    text = to_xml(encode(data.draw(records(data.draw(st.sampled_from(RECORDS))))))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 30)))
    junk = data.draw(st.sampled_from(("", "x", "0", "<x:a/>", "</x:data>", "<x:data>", "-1", "FF", '"', "&#0;")))
    try:
        again = from_xml(text[:start] + junk + text[end:])
    except DlmsError:
        return
    decode_record(again, strict=False)


def test_octets_that_may_be_secret_are_not_told() -> None:
    text = to_xml(Aarq(calling_authentication_value=b"secret"))
    with pytest.raises(XmlError) as refused:
        from_xml(text.replace(b"secret".hex().upper(), "my password"))
    assert "password" not in str(refused.value)


def test_the_types_of_data_are_all_there() -> None:
    for tag in SCALARS:
        assert tag in (0, 255) or cosem_data.TYPE_NAMES[tag]
    assert value_of("<x:null-data/>") is None
    assert value_of("<x:dont-care/>") is cosem_data.DONT_CARE
    assert value_of("<x:utf8-string>\u0416</x:utf8-string>") == "\u0416"
    assert value_of(SCALAR.format("enum", " 27 ")) == 27
    assert value_of(SCALAR.format("octet-string", "01 02\n03")) == b"\1\2\3"

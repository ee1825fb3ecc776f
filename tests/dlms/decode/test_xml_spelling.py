"""Documents in the spellings of other tools: both dialects come to the octets that ours come to."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from dlms.apdu import APDUS
from dlms.codec import encode
from dlms.decode import asn1_names as names
from dlms.decode.xml import from_xml, to_xml
from dlms.decode.xml_spelling import LABELS, SYNONYMS, _known, respell, squashed, value_named
from dlms.decode.xml_text import NAMESPACE, XmlError
from tests.dlms.apdu_samples import SAMPLES

WIRE = {name: encode(record) for name, record in SAMPLES.items()}


def document(inside: str, root: str = "xDLMS-APDU") -> str:
    """A document of the standard dialect."""
    return f'<x:{root} xmlns:x="{NAMESPACE}">{inside}</x:{root}>'


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_comes_back(name: str) -> None:
    assert from_xml(to_xml(WIRE[name])) == WIRE[name]


RENAMED = {
    "get-response-with-data-block": ("get-response-with-datablock", "get-response-with-datablock"),
    "set-request-first-data-block": ("set-request-with-first-datablock", "set-request-with-first-datablock"),
    "set-response-data-block": ("set-response-datablock", "set-response-datablock"),
    "set-response-with-last-data-block": ("set-response-last-datablock", "set-response-last-datablock"),
    "ActionRequestForNextDataBlock": ("action-request-next-pblock", "action-request-next-pblock"),
    "BlockNumberAccess": ("block-number-access", "read-request block number"),
    "ReadDataBlockAccess": ("read-data-block-access", "read-request data block"),
    "WriteDataBlockAccess": ("write-data-block-access", "write-request data block"),
    "DataBlockResult": ("data-block-result", "read-response data block"),
    "Success": ("success", "write-response success"),
    "CallingAPTitle": ("calling-AP-title", "aarq ciphered"),
    "RespondingAPTitle": ("responding-AP-title", "aare challenge"),
    "called-ap-title": ("called-AP-title", "aarq called"),
    "called-ae-qualifier": ("called-AE-qualifier", "aarq called"),
    "called-ap-invocation-id": ("called-AP-invocation-id", "aarq called"),
    "called-ae-invocation-id": ("called-AE-invocation-id", "aarq called"),
    "calling-ap-invocation-id": ("calling-AP-invocation-id", "aarq called"),
    "calling-Ae-qualifier": ("calling-AE-qualifier", "aarq certificate"),
    "glo-initiate-request": ("glo-initiateRequest", "glo-initiate-request"),
    "ded-read-response": ("ded-readResponse", "ded-read-response"),
}
"""Name that is written, as the tools write it -> the name in the ASN.1 module, and a sample with it."""


@pytest.mark.parametrize("written", RENAMED)
def test_names_of_the_tools_are_written_and_those_of_the_module_read(written: str) -> None:
    formal, sample = RENAMED[written]
    text = to_xml(WIRE[sample])
    assert f"x:{written}" in text
    assert from_xml(re.sub(rf"x:{written}\b", f"x:{formal}", text)) == WIRE[sample]


def test_elements_that_tools_leave_out() -> None:
    for sample, around in (
        ("get-response-with-list refusal", ""),
        ("read-response refusal", "CHOICE"),
        ("write-response refusal", "CHOICE"),
        ("read-request block number", "Variable-Access-Specification"),
        ("set-request-with-list", "Data"),
    ):
        text = to_xml(WIRE[sample])
        assert (f"<x:{around}>" in text) == bool(around)
        assert from_xml(re.sub(f"</?x:{around or 'none'}>", "", text)) == WIRE[sample]
    listed = to_xml(WIRE["get-response-with-list"])
    wrapped = listed.replace("<x:data>", "<x:Get-Data-Result><x:data>")
    wrapped = wrapped.replace("</x:data>", "</x:data></x:Get-Data-Result>")
    assert from_xml(wrapped) == WIRE["get-response-with-list"]


def test_a_gateway_has_its_apdu_with_and_without_an_element_around() -> None:
    text = to_xml(WIRE["gateway-request"])
    assert "<x:apdu>" not in text
    around = text.replace("<x:get-request>", "<x:apdu><x:get-request>").replace(
        "</x:get-request>", "</x:get-request></x:apdu>"
    )
    assert from_xml(around) == WIRE["gateway-request"]
    assert "<x:apdu>FFFF</x:apdu>" in to_xml(WIRE["gateway-response octets"])


def test_short_names_may_be_signed_as_in_the_module() -> None:
    text = to_xml(WIRE["read-request parameterized"])
    assert "<x:variable-name>64008</x:variable-name>" in text
    assert from_xml(text.replace("64008", "-1528")) == WIRE["read-request parameterized"]
    for wrong in ("-32769", "65536"):
        with pytest.raises(XmlError, match="variable-name"):
            from_xml(text.replace("64008", wrong))


def test_a_method_that_is_called_an_attribute() -> None:
    text = to_xml(WIRE["access-request action"]).replace("method", "attribute")
    assert from_xml(text) == WIRE["access-request action"]


SIMPLE: dict[str, str] = {
    "get-request-normal selection": """
        <GetRequest><GetRequestNormal><InvokeIdAndPriority Value="C1" />
        <AttributeDescriptor><ClassId Value="0003" /><InstanceId Value="0100010800FF" /><AttributeId Value="02" />
        </AttributeDescriptor><AccessSelection><AccessSelector Value="02" /><AccessParameters>
        <Structure Qty="02"><UInt32 Value="00000001" /><UInt16 Value="0003" /></Structure>
        </AccessParameters></AccessSelection></GetRequestNormal></GetRequest>""",
    "set-response-normal refusal": """
        <Pdu><SetResponse><SetResponseNormal><InvokeIdAndPriority Value="C1" /><Result Value="ReadWriteDenied" />
        </SetResponseNormal></SetResponse></Pdu>""",
    "action-response-normal data": """
        <ActionResponse><ActionResponseNormal><InvokeIdAndPriority Value="C1" /><Result Value="Success" />
        <ReturnParameters><Data><UInt8 Value="05" /></Data></ReturnParameters>
        </ActionResponseNormal></ActionResponse>""",
    "access-request action": """
        <AccessRequest><LongInvokeIdAndPriority Value="40000001" /><DateTime Value="" /><AccessRequestBody>
        <AccessRequestSpecification Qty="01"><_AccessRequestSpecification><AccessRequestAction>
        <MethodDescriptor><ClassId Value="0003" /><InstanceId Value="0100010800FF" /><MethodId Value="01" />
        </MethodDescriptor></AccessRequestAction></_AccessRequestSpecification></AccessRequestSpecification>
        <AccessRequestListOfData Qty="01"><Int8 Value="00" /></AccessRequestListOfData>
        </AccessRequestBody></AccessRequest>""",
    "write-response refusal": """
        <WriteResponse Qty="02"><Success /><DataAccessError Value="ReadWriteDenied" /></WriteResponse>""",
    "confirmed-service-error read": """
        <ConfirmedServiceError><Service Value="05" /><ServiceError><Access Value="ObjectAccessInvalid" />
        </ServiceError></ConfirmedServiceError>""",
    "glo-initiate-request": '<glo_InitiateRequest Value="30000000017878787878787878787878787878787878787878" />',
    "aarq password": """
        <AssociationRequest><ApplicationContextName Value="SN" /><SenderACSERequirements Value="1" />
        <MechanismName Value="Low" /><CallingAuthentication Value="3132333435363738" />
        <InitiateRequest><ProposedDlmsVersionNumber Value="06" /><ProposedConformance>
        <ConformanceBit Name="BlockTransferWithGetOrRead" /><ConformanceBit Name="BlockTransferWithSetOrWrite" />
        <ConformanceBit Name="BlockTransferWithAction" /><ConformanceBit Name="MultipleReferences" />
        <ConformanceBit Name="Get" /><ConformanceBit Name="Set" /><ConformanceBit Name="SelectiveAccess" />
        <ConformanceBit Name="Action" /></ProposedConformance><ProposedMaxPduSize Value="04B0" />
        </InitiateRequest></AssociationRequest>""",
}
"""Documents of the simple dialect."""


@pytest.mark.parametrize("name", SIMPLE)
def test_the_simple_dialect(name: str) -> None:
    assert from_xml(SIMPLE[name]).hex() == WIRE[name].hex()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('Qty="02"', 'Qty="03"', "Qty says '03'"),
        ('<ClassId Value="0003" />', "", "<class-id> is missing"),
        ('<ClassId Value="0003" />', '<ClassId Value="0003" /><class-id>3</class-id>', "repeated"),
        ('Value="0003" /><Inst', 'Value="3.5" /><Inst', "no number in hex"),
        ("GetRequestNormal", "GetRequestStrange", "<GetRequestStrange> is no APDU here"),
        ("UInt32", "UInt99", "no type of Data"),
    ],
)
def test_wrong_documents_of_the_simple_dialect(old: str, new: str, told: str) -> None:
    text = SIMPLE["get-request-normal selection"]
    assert old in text
    with pytest.raises(XmlError, match=re.escape(told)):
        from_xml(text.replace(old, new))


@pytest.mark.parametrize(
    ("kind", "value", "wire"),
    [("Int8", "FF", "0fff"), ("Int16", "FFFE", "10fffe"), ("Int32", "80000000", "0580000000"), ("Int8", "7F", "0f7f"),
     ("Int64", "FFFFFFFFFFFFFFFD", "14fffffffffffffffd"), ("UInt64", "FFFFFFFFFFFFFFFF", "15ffffffffffffffff"),
     ("Boolean", "01", "0301"), ("String", "abc", "0a03616263"), ("StringUTF8", "\u0416", "0c02d096"), ("None", "", "00"),
     ("BitString", "10101", "0405a8"), ("BCD", "12", "0d12"), ("Enum", "C9", "16c9")],
)  # fmt: skip
def test_values_of_the_simple_dialect(kind: str, value: str, wire: str) -> None:
    text = (
        '<GetResponse><GetResponseNormal><InvokeIdAndPriority Value="C1" /><Result><Data>'
        f"<{kind}{f' Value={chr(34)}{value}{chr(34)}' if value else ''} />"
        "</Data></Result></GetResponseNormal></GetResponse>"
    )
    came = from_xml(text).hex()
    assert came.removeprefix("c401c100").replace("03ff", "0301") == wire


def test_two_spellings_of_one_field_are_a_repetition() -> None:
    text = to_xml(WIRE["aarq ciphered"])
    title = re.search("<x:CallingAPTitle>.*</x:CallingAPTitle>", text)
    assert title is not None
    with pytest.raises(XmlError, match="repeated"):
        from_xml(text.replace(title[0], title[0] + title[0].replace("CallingAPTitle", "calling-AP-title")))


def test_names_that_are_known_stay_and_unknown_ones_are_told_as_they_were() -> None:
    known, spellings = _known()
    assert {names.element_name(of) for of in APDUS} <= known
    assert set(SYNONYMS.values()) - {"ConformanceBit"} <= known
    assert all(squashed(word) == word for word in (*SYNONYMS, *LABELS, *LABELS.values(), *spellings))
    root = ET.fromstring("<strange-root><Data/><data/><Strange/></strange-root>")
    respell(root)
    assert [element.tag for element in root.iter()] == ["strange-root", "Data", "data", "Strange"]


def test_every_synonym_of_a_value_is_one_of_a_label_that_there_is() -> None:
    labels: dict[Any, str] = {}
    for table in (names.ACCESS_RESULTS, *names.SERVICE_ERRORS.values()):
        labels |= {(id(table), value): name for value, name in table.items()}
    meant = {squashed(name) for name in labels.values()}
    assert set(LABELS.values()) <= meant
    assert value_named("UnavailableObject", names.ACCESS_RESULTS) == 11
    assert value_named("nobody", names.ACCESS_RESULTS) is None

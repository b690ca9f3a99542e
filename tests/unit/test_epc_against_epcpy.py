"""EPC decoding against epcpy, an independent implementation, where that is right.

epcpy is left out where it is known to be wrong: it refuses correct GIAI-202, GRAI-170 and SGTIN-198 with some
characters, fails on ADI-var, writes (254)0 for a location without extension, and knows neither GDTI-113 nor any `+`
scheme.
"""

from typing import Any

from epcpy import hex_to_tag_encodable
from epcpy.epc_schemes.giai import GIAI, GIAIFilterValue
from epcpy.epc_schemes.grai import GRAI, GRAIFilterValue
from epcpy.epc_schemes.sgln import SGLN, SGLNFilterValue
from epcpy.epc_schemes.sgtin import SGTIN, SGTINFilterValue
from epcpy.epc_schemes.sscc import SSCC, SSCCFilterValue
from hypothesis import given
from hypothesis import strategies as st

from rfid_gateway.epc.decode import decode

ENCODERS: dict[str, tuple[Any, Any]] = {
    "sgtin-96": (SGTIN, SGTINFilterValue),
    "sscc-96": (SSCC, SSCCFilterValue),
    "grai-96": (GRAI, GRAIFilterValue),
    "giai-96": (GIAI, GIAIFilterValue),
    "sgln-96": (SGLN, SGLNFilterValue),
}
DIGITS_OF_KEY = {"sgtin-96": 13, "sscc-96": 17, "grai-96": 12, "sgln-96": 12}


@st.composite
def tag_uris(draw: st.DrawFn) -> tuple[str, str, str]:
    """Draw scheme, filter value and the components as they stand in both URIs."""
    scheme = draw(st.sampled_from(sorted(ENCODERS)))
    prefix = draw(st.text("0123456789", min_size=6, max_size=12))
    components = [prefix]
    if scheme in DIGITS_OF_KEY:
        left = DIGITS_OF_KEY[scheme] - len(prefix)
        components.append(draw(st.text("0123456789", min_size=left, max_size=left)))
    if scheme != "sscc-96":
        components.append(str(draw(st.integers(1, 2**38 - 1))))
    return scheme, draw(st.sampled_from("01234567")), ".".join(components)


@given(tag_uris())
def test_what_epcpy_encodes_decodes_to_the_same_urn_tag_uri_and_key(parts: tuple[str, str, str]) -> None:
    scheme, filter_value, components = parts
    encoder, filters = ENCODERS[scheme]
    epc = encoder(f"urn:epc:id:{scheme.removesuffix('-96')}:{components}")
    coding = encoder.BinaryCodingScheme(scheme)
    decoded = decode(epc.hex(binary_coding_scheme=coding, filter_value=filters(filter_value)))
    assert decoded.error is None
    assert decoded.epc_uri == epc.epc_uri
    assert decoded.tag_uri == f"urn:epc:tag:{scheme}:{filter_value}.{components}"
    assert decoded.filter == int(filter_value)
    assert decoded.element_string == epc.gs1_element_string()


@given(st.sampled_from(["30", "31", "32", "33", "34", "35"]), st.binary(min_size=11, max_size=11))
def test_what_both_decode_is_the_same(header: str, content: bytes) -> None:
    epc_hex = header + content.hex().upper()
    decoded = decode(epc_hex)
    if decoded.error is None:
        assert hex_to_tag_encodable(epc_hex).epc_uri == decoded.epc_uri

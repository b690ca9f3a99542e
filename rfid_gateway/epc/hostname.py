"""The hostname behind the serial number of a `++` EPC (TDS 2.3 14.5.16)."""

from collections.abc import Iterator

from rfid_gateway.epc.bits import BitReader, CannotDecodeError
from rfid_gateway.epc.text import SERIAL_CHARACTERS, read_code_40

_SINGLE = {ord(character): character for character in SERIAL_CHARACTERS | {"#"}} | {
    0x1E: "qr.",
    0x1F: "www.",
    0x20: "id.",
    0x5B: ".com",
    0x5C: ".org",
    0x5D: ".net",
    0x5E: ".int",
    0x60: ".edu",
    0x7B: ".gov",
    0x7C: ".mil",
    0x7D: ".biz",
    0x7E: ".eco",
    0x7F: ".med",
}

_COUNTRIES = (
    "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn "
    "bo bq br bs bt bw by bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de "
    "dj dk dm do dz ec ee eg eh er es et eu fi fj fk fm fo fr ga gd ge gf gg gh gi gl gm "  # codespell:ignore fo
    "gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo "
    "jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg "
    "mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu "
    "nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg "
    "sh si sk sl sm sn sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv "
    "tw tz ua ug us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw"
)
_SECOND_LEVELS = (
    "com.au net.au org.au co.at com.bd co.bd com.br net.br co.nz com.ng com.pk co.in com.in co.il co.jp co.za "
    "co.kr com.es com.lk co.th co.tt com.tt com.tr biz.tr com.ua co.uk co.zm com.zm com.cn org.cn net.cn "
    "gov.cn"
)
_ENDINGS = (_COUNTRIES.split()[:128], _COUNTRIES.split()[128:], _SECOND_LEVELS.split(), ["tech"])
"""Endings, without their dot, that take two sequences: the first chooses the row, the second the ending."""


def read_hostname(reader: BitReader) -> str:
    """Return the hostname, in lower case as RFC 3986 6.2.2.1 has it.

    Raises:
        CannotDecodeError: the bits are no hostname.
    """
    seven_bit, length = reader.take(1), reader.take(6)
    name = (_read_sequences if seven_bit else read_code_40)(reader, length).lower()
    if not name.strip("."):
        raise CannotDecodeError("the hostname is empty")
    return name


def _read_sequences(reader: BitReader, length: int) -> str:
    # The length counts 7-bit sequences, not the characters that they stand for.
    sequences = iter([reader.take(7) for _ in range(length)])
    return "".join(_sequence(code, sequences) for code in sequences)


def _sequence(code: int, following: Iterator[int]) -> str:
    try:
        return _SINGLE[code] if code >= len(_ENDINGS) else f".{_ENDINGS[code][next(following)]}"
    except (LookupError, StopIteration):
        raise CannotDecodeError(f"{code:02X} begins no part of a hostname") from None

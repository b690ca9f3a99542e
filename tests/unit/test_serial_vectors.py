"""Every serial vector of the reference data: decoded with every field that it states, or rejected where it is bad."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rfid_drivers.serial import chafon_codec, mercury_codec, r2000_codec
from rfid_drivers.serial.cfprime_codec import CfPrimeDecoder
from rfid_drivers.serial.chafon_codec import ChafonDecoder
from rfid_drivers.serial.framing import Rejected
from rfid_drivers.serial.gen2 import tag_crc
from rfid_drivers.serial.gx5a_codec import Gx5aDecoder
from rfid_drivers.serial.line import LineDecoder, Rdm6300Options
from rfid_drivers.serial.m100_codec import M100Decoder
from rfid_drivers.serial.mercury_codec import MercuryDecoder
from rfid_drivers.serial.protocol import Decoder, Frame, Instant
from rfid_drivers.serial.r2000_codec import R2000Decoder
from rfid_drivers.serial.swct_codec import SwctDecoder
from rfid_drivers.serial.tsl_codec import TslDecoder
from rfid_gateway.reads import TagRead

GAP_MS = 200
DECODERS: dict[str, Callable[[], Decoder]] = {
    "chafon_cf": lambda: CfPrimeDecoder(GAP_MS),
    "chafon_len": lambda: ChafonDecoder(GAP_MS),
    "gx_5a": lambda: Gx5aDecoder(GAP_MS),
    "m100_bb7e": lambda: M100Decoder(GAP_MS),
    "mercury": lambda: MercuryDecoder(GAP_MS),
    "r2000_a0": lambda: R2000Decoder(GAP_MS),
    "rdm6300_ascii": lambda: LineDecoder(Rdm6300Options(port="/dev/null")),
    "swct_5357": lambda: SwctDecoder(GAP_MS),
    "tsl_ascii2": lambda: TslDecoder(GAP_MS),
}
NO_DRIVER = frozenset(
    {
        "alien_ascii",
        "chainway_c88c",
        "feig_obid_advanced",
        "hf_aadd",
        "metratec_at",
        "nordicid_nur",
        "phychips_rcp",
        "pn532_hsu",
        "samsys_chump",
    }
)
"""Protocols of the reference data that the gateway does not speak. None of the others is left out."""
NO_CHECKSUM = "none in protocol"

_MERCURY, _R2000 = 0xFF, 0xA0
"""What their frames begin with."""

STEP_OF_THE_R2000 = 90
"""Below it the vendor's table has raw - 130; the vectors reckon raw - 129 throughout (see `decibels`)."""


def vectors(shared: Path) -> list[dict[str, Any]]:
    known: list[dict[str, Any]] = json.loads((shared / "vectors" / "serial.json").read_text())
    return known


def decode(vector: dict[str, Any]) -> tuple[bytes, list[Frame], list[Rejected]]:
    raw = bytes.fromhex(vector["hex"])
    decoder = DECODERS[vector["protocol"]]()
    items = decoder.feed(raw, Instant(0, 1_000_000)) + decoder.feed(b"", Instant(0, 2_000_000))
    frames = [item for item in items if isinstance(item, Frame)]
    return raw, frames, [item for item in items if isinstance(item, Rejected)]


def test_no_protocol_is_left_out(shared: Path) -> None:
    assert {vector["protocol"] for vector in vectors(shared)} == set(DECODERS) | NO_DRIVER


@pytest.mark.parametrize("protocol", DECODERS)
def test_a_bad_vector_is_rejected_to_the_last_byte(protocol: str, shared: Path) -> None:
    for vector in vectors(shared):
        if vector["protocol"] == protocol and not vector["verified"] and not vector["check"].startswith(NO_CHECKSUM):
            raw, frames, rejected = decode(vector)
            assert frames == [], vector["meaning"]
            assert b"".join(run.raw for run in rejected) == raw


@pytest.mark.parametrize("protocol", sorted(set(DECODERS) - {"tsl_ascii2"}))
def test_a_good_vector_is_one_frame_with_everything_that_it_states(protocol: str, shared: Path) -> None:
    good = [vector for vector in vectors(shared) if vector["protocol"] == protocol and vector["verified"]]
    assert good
    for vector in good:
        raw, frames, rejected = decode(vector)
        assert (len(frames), rejected) == (1, []), vector["meaning"]
        said = vector.get("decoded", {})
        compared = said.keys() - NOT_TOLD.get(protocol, frozenset())
        assert compared <= FIELDS.keys(), vector["meaning"]
        for name in compared:
            value = said[name]
            assert FIELDS[name](frames[0], raw) == expected(protocol, said, name, value), (vector["meaning"], name)


def test_text_is_read_with_everything_that_is_stated(shared: Path) -> None:
    known = [vector for vector in vectors(shared) if vector["protocol"] == "tsl_ascii2"]
    assert known
    for vector in known:
        raw, frames, rejected = decode(vector)
        reads = [read for frame in frames for read in frame.tag_reads]
        assert (len(reads), rejected) == (raw.count(b"EP:"), [])
        if said := vector.get("decoded"):
            assert said == {"event": "tag", "epc": reads[0].epc, "rssi_dbm": reads[0].peak_rssi}


def expected(protocol: str, said: dict[str, Any], name: str, value: Any) -> Any:
    """What is to be found where a vector states this: the same, but for the one difference that is documented."""
    if protocol == "r2000_a0" and name == "rssi_dbm" and said["rssi_raw"] < STEP_OF_THE_R2000:
        return value - 1
    return value


def read(frame: Frame) -> TagRead:
    (only,) = frame.tag_reads
    return only


def event(frame: Frame, raw: bytes) -> str:
    """Say in the vectors' words what a frame is."""
    if raw[0] == _R2000 and not frame.tag_reads:
        return r2000_event(frame, raw)
    if raw[0] == _MERCURY:
        return "tag_stream" if frame.tag_reads and frame.command == mercury_codec.READ else "response"
    several = raw[:2] == b"CT" or frame.command in {chafon_codec.INVENTORY, chafon_codec.SINGLE_TAG}
    return "tags" if several else "tag"


def r2000_event(frame: Frame, raw: bytes) -> str:
    if r2000_codec.ends_round(frame):
        return "inventory_end" if raw[1] == 10 else "inventory_end(v2.2)"
    return "error_or_cmd" if frame.status is not None else "command"


def tags(frame: Frame, raw: bytes) -> list[dict[str, Any]]:
    if raw[:2] == b"CT":
        typed = [{"type": 1, "antenna": one.antenna_id} for one in frame.tag_reads]
    else:
        typed = [{} for _ in frame.tag_reads]
    rssi = [{} if one.rssi_raw is None else {"rssi_raw": one.rssi_raw} for one in frame.tag_reads]
    return [a | {"epc": one.epc} | b for a, one, b in zip(typed, frame.tag_reads, rssi, strict=True)]


def layout(frame: Frame, _raw: bytes) -> str:
    if frame.command == chafon_codec.PUSH:
        return "UHFReader18 active mode: bare EPC"
    return "UHFReader18" if frame.tag_reads[0].rssi_raw is None else "UHFReader288"


def version(frame: Frame, start: int) -> str:
    return mercury_codec.answer_data(frame)[start : start + 4].hex().upper()


def reckoned_crc(tag: TagRead) -> str:
    return f"{tag_crc((tag.pc or 0).to_bytes(2, 'big') + bytes.fromhex(tag.epc)):04X}"


FIELDS: dict[str, Callable[[Frame, bytes], Any]] = {
    "event": event,
    "tags": tags,
    "format": layout,
    "epc": lambda frame, _: read(frame).epc,
    "pc": lambda frame, _: f"{read(frame).pc:04X}",
    "rssi_dbm": lambda frame, _: read(frame).peak_rssi,
    "antenna": lambda frame, raw: read(frame).antenna_id if frame.tag_reads else raw[4] + 1,
    "antenna_tx": lambda frame, _: read(frame).antenna_id,
    "antenna_mask": lambda frame, _: 1 << frame.tag_reads[0].antenna_id - 1,
    "freq_index": lambda frame, _: read(frame).channel,
    "phase": lambda frame, _: read(frame).phase,
    "read_count": lambda frame, _: read(frame).tag_seen_count,
    "epc_crc_ok": lambda frame, _: frame.detail == "",
    "epc_crc": lambda frame, _: reckoned_crc(read(frame)),
    "tag_crc": lambda frame, _: reckoned_crc(read(frame)),
    "status": lambda frame, raw: f"{frame.status:04X}" if raw[0] == _MERCURY else frame.status,
    "opcode": lambda frame, _: f"{frame.command:02X}",
    "code": lambda frame, _: f"{frame.status:02X}",
    "hardware": lambda frame, _: version(frame, 4),
    "fw_version": lambda frame, _: version(frame, 12),
    "version": lambda frame, _: read(frame).epc[:2],
    "card": lambda frame, _: read(frame).epc[2:],
    "decimal": lambda frame, _: int.from_bytes(bytes.fromhex(read(frame).epc[2:]), "big"),
    "freq_khz": lambda frame, _: 840_000 + 25 * (read(frame).channel or 0),
}
"""What our decoders tell, by the vectors' names."""

NOT_TOLD = {
    "mercury": frozenset(
        {
            "metadata_flags",
            "response_type",
            "antenna_rx",
            "timestamp_ms",  # becomes a time of the gateway: tests/unit/test_serial_mercury.py
            "protocol",
            "data_bits",
            "gpio",
            "epc_bits",
            "bootloader",
            "fw_date",
            "protocols",
        }
    ),
    "r2000_a0": frozenset({"rssi_raw", "freq_mhz", "read_rate", "total_read"}),
}
"""Fields of vectors that are of no use to the gateway, or told in another form that is compared."""

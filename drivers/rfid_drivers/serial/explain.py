"""Says what a protocol's decoder makes of bytes, as flat records for people and programs. Pure."""

from rfid_drivers.serial.framing import Rejected
from rfid_drivers.serial.protocol import US_PER_S, Decoder, Frame, Instant


def explain(decoder: Decoder, data: bytes) -> list[dict[str, object]]:
    """Say what a decoder makes of bytes: one flat record per tag, per frame without tags and per rejected run.

    Times play no part; the stream counts as ended after the last byte. Keys: kind, raw (hex); reason where rejected;
    command, status, detail; epc, antenna, rssi (dBm), rssi_raw, count, tid for a tag, each null where not given.
    """
    ended = Instant(0, 3600 * US_PER_S)
    items = decoder.feed(data, Instant(0, 0)) + decoder.feed(b"", ended)
    return [record for item in items for record in _records(item)]


def _records(item: Frame | Rejected) -> list[dict[str, object]]:
    if isinstance(item, Rejected):
        return [{"kind": "rejected", "raw": item.raw.hex().upper(), "reason": item.reason}]
    frame: dict[str, object] = {
        "kind": str(item.kind),
        "raw": item.raw.hex().upper(),
        "command": item.command,
        "status": item.status,
        "detail": item.detail,
    }
    if not item.tag_reads:
        return [frame]
    return [
        {
            **frame,
            "epc": read.epc,
            "antenna": read.antenna_id,
            "rssi": read.peak_rssi,
            "rssi_raw": read.rssi_raw,
            "count": read.tag_seen_count,
            "tid": read.tid,
        }
        for read in item.tag_reads
    ]

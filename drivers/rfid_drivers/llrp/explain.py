"""Says what the LLRP decoders make of recorded bytes, as flat records for people and programs. Pure."""

from collections.abc import Callable, Iterator

from rfid_drivers.llrp.framing import HEADER_BYTES, Frame, Framer
from rfid_drivers.llrp.reports import ReportDecoder
from rfid_drivers.llrp.tree import Node, decode_tree
from rfid_drivers.llrp.vocabulary import MESSAGES, PARAMETERS, Spec

Record = dict[str, object]

_RO_ACCESS_REPORT, _READER_EVENT_NOTIFICATION, _KEEPALIVE, _ERROR_MESSAGE = 61, 63, 62, 100
_TAG_REPORT_DATA, _NOTIFICATION_DATA, _LLRP_STATUS = 240, 246, 287
_TIMESTAMPS = {128, 129}
_SHORTEST_PARAMETER = 4

_STATUSES = {
    0: "success",
    100: "wrong parameter",
    101: "wrong field",
    102: "unexpected parameter",
    103: "missing parameter",
    104: "duplicate parameter",
    105: "too many parameters",
    106: "too many field values",
    107: "unknown parameter",
    108: "unknown field",
    109: "unsupported message",
    110: "unsupported version",
    111: "unsupported parameter",
    112: "unexpected message",
    200: "error in a parameter",
    201: "error in a field of a parameter",
    202: "unexpected parameter in a parameter",
    203: "missing parameter in a parameter",
    204: "duplicate parameter in a parameter",
    205: "too many parameters in a parameter",
    206: "too many field values in a parameter",
    207: "unknown parameter in a parameter",
    208: "unknown field in a parameter",
    209: "unsupported parameter in a parameter",
    300: "invalid attribute",
    301: "value out of range",
    401: "reader fault",
}
"""StatusCode of LLRPStatus in words (LLRP 1.0.1 section 14.2.1; 112 is of LLRP 1.1)."""

_GREETINGS = {
    0: "connection accepted",
    1: "connection refused: a connection that the reader opened exists",
    2: "connection refused: another client is connected",
    3: "connection refused",
    4: "another client tried to connect",
}
_SPEC_CHANGES = {0: "started", 1: "ended", 2: "was preempted"}


def _spec_event(fields: Record) -> str:
    change = fields["EventType"]
    return f"ROSpec {fields['ROSpecID']} {_SPEC_CHANGES.get(_int(change), f'changed ({change})')}"


_EVENTS: dict[int, Callable[[Record], str]] = {
    247: lambda fields: f"hops to channel {fields['NextChannelIndex']}",
    248: lambda fields: f"input {fields['GPIPortNumber']} went {'high' if fields['GPIEvent'] else 'low'}",
    249: _spec_event,
    250: lambda fields: f"report buffer {fields['ReportBufferPercentageFull']} % full",
    251: lambda _: "report buffer overflowed: the reader lost reports",
    252: lambda fields: f"reader exception: {fields['Message']}",
    253: lambda fields: f"RF survey of ROSpec {fields['ROSpecID']} {'ended' if fields['EventType'] else 'started'}",
    254: lambda fields: f"AISpec {fields['SpecIndex']} of ROSpec {fields['ROSpecID']} ended",
    255: lambda fields: f"antenna {fields['AntennaID']} {'connected' if fields['EventType'] else 'disconnected'}",
    256: lambda fields: _GREETINGS.get(_int(fields["Status"]), f"connection attempt {fields['Status']}"),
    257: lambda _: "the reader closes the connection",
}
"""Event parameter -> words for it, from its fields (LLRP 1.0.1 section 16.2.7.6)."""


def _int(value: object) -> int:
    return value if isinstance(value, int) else -1


def explain(data: bytes) -> list[Record]:
    """Say what recorded bytes of one direction or both contain: one record per tag, event, other message, rejected run.

    Keys beside those of the contract: command and type (number and name of the message), version, id, length,
    parameters (nested). Never raises.
    """
    frames, lost = Framer().feed(data)
    records: list[Record] = []
    decoder = ReportDecoder()
    offset = 0
    for frame in frames:
        records += _records(frame, offset, decoder)
        offset += HEADER_BYTES + len(frame.body)
    if offset < len(data):
        rest = data[offset:]
        records.append(_rejected(rest, offset, _body_hint(rest) or (str(lost) if lost else _cut_off(rest))))
    return records


def _rejected(raw: bytes, offset: int, reason: str) -> Record:
    return {"kind": "rejected", "offset": offset, "raw": raw.hex().upper(), "reason": reason}


def _cut_off(rest: bytes) -> str:
    if len(rest) < HEADER_BYTES:
        return f"{len(rest)} bytes left over, expected a message header of {HEADER_BYTES}"
    return f"the message gives a length of {int.from_bytes(rest[2:6])} bytes, only {len(rest)} are there"


def _body_hint(rest: bytes) -> str:
    """Say so where bytes look like the content of a message that was recorded without its header."""
    kind, length = int.from_bytes(rest[:2]), int.from_bytes(rest[2:4])
    if kind in PARAMETERS and _SHORTEST_PARAMETER <= length <= len(rest):
        return (
            f"no message header: this begins with the parameter {PARAMETERS[kind].name} ({kind}), as the body of a "
            f"message does; record whole messages with their header of {HEADER_BYTES} bytes"
        )
    return ""


def _records(frame: Frame, offset: int, decoder: ReportDecoder) -> Iterator[Record]:
    unknown = Spec(f"message {frame.type} of {HEADER_BYTES + len(frame.body)} bytes", (("Data", "rest"),))
    spec = MESSAGES.get(frame.type, unknown)
    tree = decode_tree(spec, frame.type, frame.body)
    header: Record = {
        "kind": _kind(frame.type, tree),
        "offset": offset,
        "command": frame.type,
        "type": spec.name,
        "version": frame.version,
        "id": frame.id,
        "length": HEADER_BYTES + len(frame.body),
    }
    found = 0
    if frame.type == _RO_ACCESS_REPORT:
        for node in tree.children:
            found += 1
            yield header | {"offset": offset + HEADER_BYTES + node.offset} | _report_part(frame.body, node, decoder)
    elif frame.type == _READER_EVENT_NOTIFICATION:
        for event in _events(tree):
            found += 1
            yield header | _event(event)
    if not found or (tree.errors and frame.type == _RO_ACCESS_REPORT):
        yield header | _message(tree)


def _kind(message_type: int, tree: Node) -> str:
    if message_type not in MESSAGES:
        return "unknown"
    if message_type == _RO_ACCESS_REPORT:
        return "report"
    if message_type == _READER_EVENT_NOTIFICATION:
        return "event"
    if message_type == _KEEPALIVE:
        return "heartbeat"
    return "answer" if tree.find(_LLRP_STATUS) else "request"


def _message(tree: Node) -> Record:
    """Status and parameters of a message that is neither tags nor events."""
    status = tree.find(_LLRP_STATUS)
    words = _status(status) if status else ""
    return {
        "status": status.fields.get("StatusCode") if status else None,
        "detail": "; ".join(part for part in (words, *tree.errors) if part),
        **({"fields": tree.fields} if tree.fields else {}),
        "parameters": [child.as_json() for child in tree.children],
    }


def _status(node: Node) -> str:
    code = node.fields.get("StatusCode")
    where = [
        f"at {'field' if 'FieldNum' in child.fields else 'parameter'} "
        f"{child.fields.get('FieldNum', child.fields.get('ParameterType'))}"
        for child in node.children
        if child.fields
    ]
    text = str(node.fields.get("ErrorDescription", "")).strip("\x00 ")
    return ", ".join(part for part in (_STATUSES.get(_int(code), f"status {code}"), text, *where) if part)


def _events(tree: Node) -> list[Node]:
    data = tree.find(_NOTIFICATION_DATA)
    return [child for child in data.children if child.type not in _TIMESTAMPS] if data else []


def _event(node: Node) -> Record:
    say = _EVENTS.get(node.type) if not node.errors else None
    return {
        "event": node.name,
        "detail": "; ".join(node.errors) or (say(node.fields) if say else node.name),
        "antenna": node.fields.get("AntennaID"),
        "parameters": [node.as_json()],
    }


def _report_part(body: bytes, node: Node, decoder: ReportDecoder) -> Record:
    """One parameter of a report: a tag as the driver would report it, or something else by name."""
    parameters = [node.as_json()]
    if node.type != _TAG_REPORT_DATA:
        return {"detail": "; ".join((node.name, *node.errors)), "parameters": parameters}
    raw = body[node.offset : node.offset + node.size]
    decoded = decoder.decode(raw, 0)
    if not decoded.tag_reads:
        reason = "; ".join(decoded.errors)
        return {"kind": "rejected", "raw": raw.hex().upper(), "reason": reason, "parameters": parameters}
    read = decoded.tag_reads[0]
    return {
        "kind": "tags",
        "status": None,
        "epc": read.epc,
        "antenna": read.antenna_id,
        "rssi": read.peak_rssi,
        "rssi_raw": read.rssi_raw,
        "count": read.tag_seen_count,
        "tid": read.tid,
        "pc": read.pc,
        "channel": read.channel,
        "phase": read.phase,
        "doppler": read.doppler,
        "clock": decoded.clock,
        "first_seen": read.first_seen if decoded.clock else None,
        "last_seen": read.last_seen if decoded.clock else None,
        "detail": "; ".join(decoded.errors),
        "parameters": parameters,
    }

"""The names of a serial reader's faults; where an LLRP reader has the same, it has the same name. Pure."""

from rfid_simulators.fault_names import FaultNames, microseconds
from rfid_simulators.faults import (
    CutMidMessage,
    DuplicateReports,
    SendGarbage,
    SilentHang,
    SplitWrites,
    StopKeepalives,
)
from rfid_simulators.serial.faults import (
    BreakOff,
    Damage,
    Echo,
    EpcLengths,
    Fault,
    MergeWrites,
    PauseMidFrame,
    PowerCycle,
    ReportError,
    SendUnknown,
    TagsPerFrame,
    Unplug,
    WrongBaud,
)

FAULTS: FaultNames[Fault] = FaultNames(
    without_value={
        "duplicates": DuplicateReports(),
        "echo": Echo(),
        "hang": SilentHang(),
        "no-keepalives": StopKeepalives(),
        "unknown-type": SendUnknown(),
        "wrong-baud": WrongBaud(),
    },
    with_value={
        "break-off": lambda seconds: BreakOff(microseconds(seconds)),
        "cut": lambda size: CutMidMessage(int(size)),
        "epc-lengths": lambda lengths: EpcLengths(tuple(map(int, lengths.split(",")))),
        "flip": lambda share: Damage("flip", float(share)),
        "garbage": lambda data: SendGarbage(bytes.fromhex(data)),
        "junk": lambda share: Damage("junk", float(share)),
        "lose": lambda share: Damage("loss", float(share)),
        "merge": lambda seconds: MergeWrites(microseconds(seconds)),
        "power-cycle": lambda seconds: PowerCycle(microseconds(seconds)),
        "reset": lambda size: CutMidMessage(int(size), reset=True),
        "split": lambda size: SplitWrites((max(1, int(size)),)),
        "status": lambda code: ReportError(int(code, 16) if code else None),
        "stuck": lambda seconds: PauseMidFrame(microseconds(seconds)),
        "tags-per-frame": lambda count: TagsPerFrame(int(count)),
        "truncate": lambda share: Damage("truncate", float(share)),
        "unplug": lambda seconds: Unplug(microseconds(seconds)),
    },
    usual={
        "break-off": "1",
        "cut": "7",
        "epc-lengths": "4,8,12,16,20,62",
        "flip": "0.1",
        "garbage": "ff" * 10,
        "junk": "0.2",
        "lose": "0.1",
        "merge": "0.2",
        "power-cycle": "1",
        "reset": "7",
        "split": "1",
        "stuck": "1",
        "tags-per-frame": "1",
        "truncate": "0.1",
        "unplug": "1",
    },
)
"""`status` has the protocol's own usual value."""

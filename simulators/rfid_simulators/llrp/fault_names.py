"""The names of an LLRP reader's faults. Pure."""

from rfid_simulators.fault_names import FaultNames, microseconds
from rfid_simulators.faults import (
    AddToReports,
    CutMidMessage,
    DuplicateReports,
    Fault,
    LoseReplies,
    Reboot,
    RefuseAsBusy,
    SendGarbage,
    SilentHang,
    SlowReplies,
    SplitWrites,
    StopKeepalives,
    WrongIds,
    WrongStatus,
)
from rfid_simulators.llrp.spoiling import UNKNOWN_MESSAGE, UNKNOWN_TLV, UNKNOWN_TV

FAULTS: FaultNames[Fault] = FaultNames(
    without_value={
        "hang": SilentHang(),
        "no-keepalives": StopKeepalives(),
        "duplicates": DuplicateReports(),
        "unknown-message": SendGarbage(UNKNOWN_MESSAGE),
        "unknown-tlv": AddToReports(UNKNOWN_TLV),
        "unknown-tv": AddToReports(UNKNOWN_TV),
    },
    with_value={
        "cut": lambda size: CutMidMessage(int(size)),
        "reset": lambda size: CutMidMessage(int(size), reset=True),
        "busy": lambda status: RefuseAsBusy(int(status)),
        "garbage": lambda data: SendGarbage(bytes.fromhex(data)),
        "split": lambda size: SplitWrites((max(1, int(size)),)),
        "reboot": lambda seconds: Reboot(microseconds(seconds)),
        "slow": lambda seconds: SlowReplies(microseconds(seconds)),
        "wrong-ids": lambda ahead: WrongIds(int(ahead)),
        "lose": lambda kind: LoseReplies(int(kind)),
        "status": lambda code: WrongStatus(int(code)),
    },
    usual={
        "cut": "7",
        "reset": "7",
        "busy": "2",
        "garbage": "ff" * 10,
        "split": "1",
        "reboot": "2",
        "slow": "1",
        "wrong-ids": "1000",
        "status": "555",
    },
)
"""`lose` has no usual value."""

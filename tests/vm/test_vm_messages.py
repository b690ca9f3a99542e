"""QEMU's messages, the guest's console and the adapter's trace, byte by byte and with junk."""

import pytest

from tests.vm.messages import Boot, MessageSplitter, ModemLines, read_adapter_log, read_console

STREAM = (
    b'{"QMP": {}}\r\n\xff{"return": 7}\nhalf a line of an earlier li{"event": "X"}\n[1]\n\n'
    b'{"event": "DEVICE_DELETED"}\n{"re'
)


def test_messages_are_cut_out_of_single_bytes_and_junk_is_passed_over() -> None:
    splitter = MessageSplitter()
    messages = [message for byte in STREAM for message in splitter.feed(bytes([byte]))]
    assert messages == [{"QMP": {}}, {"return": 7}, {"event": "DEVICE_DELETED"}]
    assert list(splitter.feed(b'turn": 8}\n')) == [{"return": 8}]
    assert list(MessageSplitter().feed(STREAM)) == messages


AFTER_A_CUT = """\
[    0.000000] Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org)
[    9.002960] EXT4-fs (vda): INFO: recovery required on readonly filesystem
[    9.102960] EXT4-fs (vda): recovery complete
[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39mrfid-gateway.service\x1b[0m - RFID gateway.
"""


def test_a_boot_after_a_power_cut_replays_the_journal() -> None:
    assert read_console(AFTER_A_CUT) == Boot(kernel=True, replayed=True, trouble=())


def test_a_boot_after_switching_off_does_not() -> None:
    text = "[    0.000000] Linux version 6.1.0\n[    9.0] EXT4-fs (vda): mounted filesystem with ordered data mode.\n"
    assert read_console(text) == Boot(kernel=True, replayed=False, trouble=())
    assert read_console("") == Boot(kernel=False, replayed=False, trouble=())


@pytest.mark.parametrize(
    "line",
    [
        "[   12.1] EXT4-fs error (device vda): ext4_lookup:1855: inode #2: comm systemd: deleted inode referenced: 12",
        "[    3.0] Kernel panic - not syncing: VFS: Unable to mount root fs",
        "You are in \x1b[1memergency mode\x1b[0m. After logging in, type",
        "/dev/vda: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.",
        "[   99.0] Buffer I/O error on dev vda, logical block 0, async page read",
    ],
)
def test_trouble_is_found(line: str) -> None:
    assert len(read_console(f"{AFTER_A_CUT}{line}\n").trouble) == 1


ADAPTER_LOG = """\
usb_serial_handle_control dev 0:1 got control 0x4009, value 0x10
usb_serial_handle_control dev 0:1 got control 0x4009, value 0x1
usb_serial_set_baud dev 0:1 baud rate 9600
usb_serial_set_baud dev 0:1 baud rate 57553
usb_serial_handle_control dev 0:1 got control 0x4001, value 0x303
usb_serial_handle_control dev 0:1 got control 0x4001, value 0x200
"""


def test_what_the_adapter_was_told_last() -> None:
    assert read_adapter_log(ADAPTER_LOG) == ModemLines(dtr=True, rts=False, latency_ms=1, baud=57_553)
    assert read_adapter_log("usb_serial_reset dev 0:0 reset\n") == ModemLines(None, None, None, None)

import os
import socket
from pathlib import Path

from rfid_gateway.systemd import Attendance, ServiceManager, message, reloading

S = 1_000_000
UP = {"pipeline": 10 * S, "publisher": 10 * S}


def lines(datagram: bytes | None) -> dict[str, str]:
    assert datagram is not None
    return dict(line.split("=", 1) for line in datagram.decode().split("\n"))


def test_a_datagram_has_a_line_for_each_field_and_no_value_can_add_one() -> None:
    assert message(READY=1, STATUS="a\nMAINPID=1\n ü") == "READY=1\nSTATUS=a MAINPID=1 ü".encode()
    assert reloading(12_345) == b"RELOADING=1\nMONOTONIC_USEC=12345"


def test_ready_is_said_once_and_only_when_every_worker_has_moved() -> None:
    attendance = Attendance(60 * S)
    assert lines(attendance.due({"pipeline": 10 * S, "publisher": 0}, "starts", 10 * S)) == {"STATUS": "starts"}
    assert lines(attendance.due(UP, "runs", 10 * S)) == {"READY": "1", "WATCHDOG": "1", "STATUS": "runs"}
    assert lines(attendance.due(UP, "runs", 11 * S)) == {"WATCHDOG": "1"}
    assert lines(attendance.due(UP, "still", 11 * S)) == {"WATCHDOG": "1", "STATUS": "still"}


def test_the_watchdog_is_not_fed_while_one_worker_hangs_and_is_again_when_it_moves() -> None:
    attendance = Attendance(60 * S)
    attendance.due(UP, "runs", 10 * S)
    moved = UP | {"pipeline": 55 * S}
    assert "WATCHDOG" in lines(attendance.due(moved, "runs", 55 * S))
    assert attendance.stale(moved, 55 * S) == []
    assert lines(attendance.due(moved, "runs", 56 * S)) == {"STATUS": "hangs: publisher; runs"}
    assert attendance.stale(moved, 56 * S) == ["publisher"]
    assert attendance.due(moved, "runs", 57 * S) is None
    assert lines(attendance.due(moved | {"publisher": 57 * S}, "runs", 57 * S)) == {"WATCHDOG": "1", "STATUS": "runs"}


def test_a_start_that_takes_long_is_no_hang() -> None:
    attendance = Attendance(60 * S)
    assert attendance.stale({"pipeline": 0, "publisher": 1}, 500 * S) == []
    assert "hangs" not in lines(attendance.due({"pipeline": 0, "publisher": 1}, "starts", 500 * S))["STATUS"]


def test_without_a_watchdog_nothing_is_fed_and_nothing_called_stale() -> None:
    attendance = Attendance(None)
    assert lines(attendance.due(UP, "runs", 10 * S)) == {"READY": "1", "STATUS": "runs"}
    assert attendance.due(UP, "runs", 500 * S) is None


def test_the_service_manager_gets_what_is_said(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        manager = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        manager.tell(message(READY=1))
        assert listener.recv(100) == b"READY=1"
    assert manager.present
    manager.tell(message(READY=1))  # systemd is being restarted


def test_an_abstract_socket_is_understood() -> None:
    name = f"@rfid-gateway-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name[1:])
        ServiceManager({"NOTIFY_SOCKET": name}).tell(message(STATUS="ü"))
        assert listener.recv(100).decode() == "STATUS=ü"


def test_the_watchdog_of_another_process_is_not_ours() -> None:
    assert ServiceManager({}).watchdog_us is None
    assert not ServiceManager({}).present
    assert ServiceManager({"WATCHDOG_USEC": "60000000"}).watchdog_us == 60 * S
    assert ServiceManager({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}).watchdog_us == 60 * S
    assert ServiceManager({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}).watchdog_us is None

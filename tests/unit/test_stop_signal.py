"""SIGTERM at any instruction of the wait is heard."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

from rfid_gateway.stop_signal import StopSignal


@pytest.fixture
def stop() -> Iterator[StopSignal]:
    with StopSignal() as stop:
        yield stop


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_both_signals_end_the_wait_for_good(stop: StopSignal, number: int) -> None:
    assert not stop.is_set()
    assert not stop.wait(0)
    signal.raise_signal(number)
    assert stop.is_set()
    assert stop.wait()
    assert stop.wait(0)
    assert stop.wait(), "the second wait without a limit returns as well"


def test_the_signals_are_given_back() -> None:
    """To a Ctrl-C of whoever calls a command, such as the tests: else nothing stops them any more."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with StopSignal():
        assert signal.getsignal(signal.SIGINT) not in before
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_a_signal_between_any_two_lines_of_the_wait_is_heard() -> None:
    """A tracer raises it before each line that a wait runs, of ours and of the standard library's, one after another.

    In a process of its own: one that hangs must not take pytest along.
    """
    program = textwrap.dedent("""
        import signal, sys
        from rfid_gateway.stop_signal import StopSignal

        def wait_with_a_signal_before_line(wanted):
            stop, passed = StopSignal(), 0
            def trace(frame, event, argument):
                nonlocal passed
                if event == "line":
                    if passed == wanted:
                        signal.raise_signal(signal.SIGTERM)
                    passed += 1
                return trace
            sys.settrace(trace)
            try:
                heard = stop.wait(0)
            finally:
                sys.settrace(None)
            if passed <= wanted:
                return None
            return heard or stop.wait()

        line = 0
        while (heard := wait_with_a_signal_before_line(line)) is not None:
            assert heard, line
            line += 1
        print(line)
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert int(done.stdout) >= 2, "the lines of the wait"


def test_a_signal_whose_handler_ends_after_the_time_that_was_left_does_not_make_the_wait_endless() -> None:
    """SIGHUP on a busy machine: `queue.SimpleQueue.get` waits for ever then (CPython 3.11)."""
    program = textwrap.dedent("""
        import signal, time
        from rfid_gateway.stop_signal import StopSignal

        def hang_up(*_):
            until = time.monotonic() + 0.2
            while time.monotonic() < until:
                pass

        stop = StopSignal()
        signal.signal(signal.SIGALRM, hang_up)
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        print(stop.wait(0.1))
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("False\n", "")

from rfid_gateway.supervisor import BUSY, RETRY


def test_the_delay_doubles_up_to_its_limit() -> None:
    delays = [RETRY.delay(failures, luck=1.0) for failures in range(1, 9)]
    assert delays == [1_000_000, 2_000_000, 4_000_000, 8_000_000, 16_000_000, 32_000_000, 60_000_000, 60_000_000]


def test_luck_spreads_the_delay_over_its_upper_half() -> None:
    assert RETRY.delay(1, luck=0.0) == 500_000
    assert RETRY.delay(1000, luck=0.5) == 45_000_000


def test_a_busy_reader_is_left_alone_for_longer() -> None:
    delays = [BUSY.delay(failures, luck=0.0) for failures in range(1, 6)]
    assert delays == [2_500_000, 5_000_000, 10_000_000, 20_000_000, 30_000_000]
    assert all(BUSY.delay(failures, luck=0.5) > RETRY.delay(failures, luck=0.5) for failures in range(1, 6))

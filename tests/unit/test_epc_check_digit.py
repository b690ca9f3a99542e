import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_gateway.epc.check_digit import check_digit


@pytest.mark.parametrize("number", ["340123450000000017", "04012345123456", "0614141123452", "96385074"])
def test_published_keys_end_in_their_check_digit(number: str) -> None:
    assert check_digit(number[:-1]) == number[-1]


@given(st.text("0123456789", min_size=1, max_size=17))
def test_number_with_its_check_digit_weighs_a_multiple_of_ten(digits: str) -> None:
    whole = digits + check_digit(digits)
    weights = [3 if place % 2 else 1 for place in range(len(whole))]
    assert sum(int(digit) * weight for digit, weight in zip(reversed(whole), weights, strict=True)) % 10 == 0


@given(st.text("0123456789", min_size=17, max_size=17), st.integers(0, 16), st.integers(1, 9))
def test_every_single_wrong_digit_is_noticed(digits: str, place: int, shift: int) -> None:
    wrong = str((int(digits[place]) + shift) % 10)
    assert check_digit(digits[:place] + wrong + digits[place + 1 :]) != check_digit(digits)


@pytest.mark.parametrize("text", ["", "12a", "\uff11\uff12", "-1"])
def test_what_is_not_digits_has_no_check_digit(text: str) -> None:
    with pytest.raises(ValueError, match="only the digits 0 to 9"):
        check_digit(text)

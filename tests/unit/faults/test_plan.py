from datetime import timedelta

import pytest
from tests.faults import COMMON, Dice, Fault, Limits
from tests.faults.plan import Gate, Request

LIST = Request("GET", "/v0/app/tbl?pageSize=100", {}, b"")
NEXT = Request("GET", "/v0/app/tbl?pageSize=100&offset=itr%2Frec", {}, b"")
WRITE = Request("POST", "/v0/app/tbl", {}, b"{}")
PAYLOADS = Request("GET", "/v0/bases/app/webhooks/ach/payloads?cursor=1", {}, b"")
PING = Request("POST", "/airtable/notifications", {}, b"{}")


def test_a_seed_draws_the_same_faults_again_whatever_comes_between() -> None:
    odds = dict.fromkeys(COMMON, 0.1)
    first, second = Dice(odds, seed=7), Dice(odds, seed=7)
    drawn = [first.draw(WRITE) for _ in range(100)]
    again = []
    for _ in range(100):
        second.draw(LIST)
        again.append(second.draw(WRITE))
    assert drawn == again
    assert set(drawn) >= {None, *COMMON}
    assert drawn != [Dice(odds, seed=8).draw(WRITE) for _ in range(100)]


def test_a_seed_of_ones_own_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    dice = Dice({})
    assert str(dice.seed) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fault", "sufferers"),
    [
        (Fault.EXPIRED_ITERATOR, [NEXT]),
        (Fault.INVALID_HOOK, [PAYLOADS]),
        (Fault.LOST_PING, [PING]),
        (Fault.LOST_ANSWER, [LIST, NEXT, WRITE, PAYLOADS, PING]),
    ],
)
def test_a_fault_befalls_only_what_can_suffer_it(fault: Fault, sufferers: list[Request]) -> None:
    dice = Dice({fault: 1.0}, seed=1)
    assert [each for each in (LIST, NEXT, WRITE, PAYLOADS, PING) if dice.draw(each) is fault] == sufferers


def test_the_sixth_call_of_a_second_closes_the_base_for_its_lockout() -> None:
    gate = Gate(Limits())
    assert [gate.admit(0.1 * number) for number in range(5)] == [None] * 5
    assert gate.admit(0.9) == "RATE_LIMIT_REACHED"
    assert gate.admit(30.8) == "RATE_LIMIT_REACHED"
    assert gate.admit(30.9) is None
    assert gate.refused == 2


def test_a_call_that_leaves_the_window_makes_room() -> None:
    gate = Gate(Limits())
    assert [gate.admit(moment) for moment in (0.0, 0.0, 0.0, 0.0, 0.0, 1.0)] == [None] * 6


def test_a_quota_is_used_up_by_every_call() -> None:
    gate = Gate(Limits(quota=2))
    assert [gate.admit(float(number)) for number in range(3)] == [None, None, "PUBLIC_API_BILLING_LIMIT_EXCEEDED"]


def test_limits_are_scaled_in_time_only() -> None:
    assert Limits(quota=3).scaled(0.1) == Limits(5, timedelta(seconds=0.1), timedelta(seconds=3), 3)

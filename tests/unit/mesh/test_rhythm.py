from datetime import timedelta

import pytest

from airtable_connector.mesh import Rhythm

SECOND = timedelta(seconds=1)
INTERVAL = 30 * SECOND
NO_TIME = timedelta(0)


def rhythm(chance: float) -> Rhythm:
    return Rhythm(INTERVAL, jitter=lambda: chance)


def test_beats_keep_their_interval_however_long_a_round_takes() -> None:
    assert rhythm(0.0).after_success(took=4 * SECOND) == 26 * SECOND
    assert rhythm(0.0).after_success(took=40 * SECOND) == NO_TIME


def test_droplets_scatter_while_a_peer_answers_and_more_while_it_does_not() -> None:
    spread = rhythm(0.0).after_success(took=NO_TIME) - rhythm(0.999).after_success(took=NO_TIME)
    assert 2.9 * SECOND < spread < 3 * SECOND
    late = []
    for chance in (0.0, 0.999):
        each = rhythm(chance)
        late.append([each.after_failure(took=NO_TIME, pause=None) for _ in range(10)][-1])
    assert 14.9 * SECOND < late[0] - late[1] < 15 * SECOND


@pytest.mark.parametrize("took", [NO_TIME, 5 * SECOND])
@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_no_failure_lets_a_return_wait_longer_than_an_interval(chance: float, took: timedelta) -> None:
    failing = rhythm(chance)
    rests = [failing.after_failure(took=took, pause=100 * INTERVAL if n % 2 else None) for n in range(2_000)]
    assert max(rests) <= INTERVAL
    assert min(rests) >= 0.5 * SECOND


def test_success_forgets_the_failures_before_it() -> None:
    failing = rhythm(0.0)
    assert [failing.after_failure(took=NO_TIME, pause=None) for _ in range(3)] == [SECOND, 2 * SECOND, 4 * SECOND]
    failing.after_success(took=NO_TIME)
    assert failing.after_failure(took=NO_TIME, pause=None) == SECOND


def test_a_short_interval_bounds_the_first_failure_too() -> None:
    assert Rhythm(0.4 * SECOND, jitter=lambda: 0.0).after_failure(took=NO_TIME, pause=None) == 0.4 * SECOND

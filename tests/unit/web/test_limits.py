from airtable_connector.web.http import limits
from airtable_connector.web.http.limits import GuessGuard, TokenBuckets


def test_a_quota_may_be_used_at_once_and_flows_back_evenly() -> None:
    buckets: TokenBuckets[int] = TokenBuckets(60)
    assert [buckets.take(5, 0.0) for _ in range(60)][-1] == 0.0
    assert buckets.take(5, 0.0) < 0
    assert buckets.take(5, 0.5) < 0
    assert buckets.take(5, 1.0) == 0.0


def test_a_rested_quota_does_not_grow_beyond_its_size() -> None:
    buckets: TokenBuckets[int] = TokenBuckets(10)
    buckets.take(5, 0.0)
    assert buckets.take(5, 3600.0) == 9.0


def test_a_refused_request_costs_nothing() -> None:
    buckets: TokenBuckets[int] = TokenBuckets(1)
    buckets.take(5, 0.0)
    for second in range(1, 60):
        assert buckets.take(5, float(second)) < 0
    assert buckets.take(5, 60.5) >= 0


def test_another_quota_holds_from_the_next_request_on() -> None:
    buckets: TokenBuckets[int] = TokenBuckets(60)
    buckets.take(5, 0.0)
    buckets.allow(2)
    assert [buckets.take(5, 0.0) >= 0 for _ in range(3)] == [True, True, False]
    buckets.allow(120)
    assert [buckets.take(5, 1.0) >= 0 for _ in range(3)] == [True, True, False]  # two a second, of what is used up


def test_no_more_callers_are_remembered_than_fit() -> None:
    buckets: TokenBuckets[int] = TokenBuckets(10)
    for caller in range(limits.BUCKETS_HELD + 5):
        buckets.take(caller, 0.0)
    assert not buckets.holds(4)
    assert buckets.holds(5)


def test_an_address_recovers_from_its_bad_tokens() -> None:
    guard = GuessGuard(2)
    for _ in range(2):
        guard.failed("192.0.2.7", b"bad", 0.0)
    assert guard.wait("192.0.2.7", b"bad", 0.0) == 30
    assert guard.wait("192.0.2.7", b"bad", 30.0) == 0


def test_a_credential_that_turned_bad_is_no_longer_listened_to() -> None:
    guard = GuessGuard(2)
    guard.failed("192.0.2.7", b"bad", 0.0)
    guard.passed("192.0.2.7", b"good", 0.0)
    guard.failed("192.0.2.7", b"bad", 0.0)
    assert guard.wait("192.0.2.7", b"good", 0.0) == 0
    guard.failed("192.0.2.7", b"good", 0.0)
    assert guard.wait("192.0.2.7", b"good", 0.0) > 0


def test_no_more_good_credentials_are_remembered_than_fit() -> None:
    guard = GuessGuard(2)
    guard.failed("192.0.2.7", b"bad", 0.0)
    for number in range(limits.CREDENTIALS_HELD + 1):
        guard.passed("192.0.2.7", b"good %d" % number, 0.0)
    guard.failed("192.0.2.7", b"bad", 0.0)
    assert guard.wait("192.0.2.7", b"good 0", 0.0) > 0
    assert guard.wait("192.0.2.7", b"good 1", 0.0) == 0

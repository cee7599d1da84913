from hypothesis import given
from hypothesis import strategies as st

from airtable_connector.ops.windows import Window

STEPS = st.lists(st.one_of(st.floats(0, 3), st.floats(0, 200)), max_size=60)
"""Pauses between events: mostly short ones, some longer than the whole window."""


@given(STEPS, st.floats(0, 1_000), st.sampled_from([(60, 1.0), (6, 10.0), (1, 5.0)]))
def test_a_window_counts_what_lies_in_its_spans_and_nothing_else(
    steps: list[float], start: float, shape: tuple[int, float]
) -> None:
    spans, of = shape
    window, at, moments = Window(spans=spans, of=of), start, []
    for step in steps:
        at += step
        window.add(at)
        moments.append(at)
    for later in sorted((at, at + of, at + spans * of / 2, at + spans * of)):
        oldest = int(later // of) - spans
        assert window.count(later) == sum(int(moment // of) > oldest for moment in moments)


def test_a_window_holds_no_more_however_much_it_counts() -> None:
    window = Window(spans=60, of=1.0)
    for number in range(10_000):
        window.add(number / 100)
    assert len(window._counts) == 60
    assert window.count(99.99) == 60 * 100

"""Counting what happened lately, in memory that does not grow with what happens."""


class Window:
    """Counts over the last so many equal spans of time, the running one among them.

    A ring with one number for each span; the oldest number makes room for the next. Moments are monotonic seconds and
    never go back. Whoever counts very often may do by hand what `add` does, and save a call.
    """

    __slots__ = ("_at", "_counts", "_span", "ends", "running")

    def __init__(self, *, spans: int, of: float) -> None:
        self._span = of
        self._counts = [0] * spans
        self._at = 0
        self.ends = of
        """When the running span is over; `turn` must be called before something later is counted."""
        self.running = 0
        """What the running span has counted."""

    def add(self, at: float) -> None:
        """Count one."""
        if at >= self.ends:
            self.turn(at)
        self.running += 1

    def turn(self, at: float) -> None:
        """Begin the span that ``at`` lies in."""
        counts = self._counts
        length = len(counts)
        counts[self._at % length] = self.running
        running = int(at // self._span)
        for passed in range(max(self._at + 1, running - length + 1), running):
            counts[passed % length] = 0
        counts[running % length] = 0
        self._at, self.running = running, 0
        self.ends = (running + 1) * self._span

    def count(self, at: float) -> int:
        """Return the sum over the span that ``at`` lies in and those before it."""
        if at >= self.ends:
            self.turn(at)
        return sum(self._counts) + self.running

"""Rooms report facts; whether a fact becomes a log line, a number or nothing is decided in ``ops``."""

from typing import Protocol


class Fact:
    """Something that happened. Subclasses are frozen dataclasses without secrets or cell contents."""


class Observer(Protocol):
    """Receives facts; must return quickly and never raise."""

    def saw(self, fact: Fact) -> None:
        """Take note of one fact."""
        ...


class BlindObserver:
    """The default: it takes note of nothing."""

    def saw(self, fact: Fact) -> None:
        """Ignore the fact."""

"""The nearest known name to a mistyped one."""

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name most like ``word``, ignoring case, or None when nothing is close."""
    by_folded = {name.casefold(): name for name in known}
    # difflib is quadratic in the length; a name longer than this is no near miss of ours
    close = difflib.get_close_matches(word.casefold()[:100], by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Phrase a hint: the nearest name when there is one, else all that are known (at most 40)."""
    names = list(known)
    near = nearest(word, names)
    if near is not None:
        return f"did you mean {near!r}?"
    shown = ", ".join(names[:40])
    return f"known: {shown}" if names else "none are known"

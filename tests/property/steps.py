"""Steps for store and model, drawn from a seed: most requests are sound, or hardly anything would happen."""

from random import Random
from typing import Any

from tests.property.model import STAGES, Ask, Bad, Model, Op

CODES = ["a", "A", "b", "B", "ab", "AB", "ä", "recLooksLikeAnId0", *(f"c{number}" for number in range(30))]
TEXTS = ["abc", "ABD", "aBc", "zä", "Zö", "x" * 200 + "b", "X" * 200 + "a", "%_'\\\"", "日本", "\x01", "🚀", " a", ""]
SIZES = [0, 1, 2, -1, 3.5, 0.1, 0.3, 0.1 + 0.2, 5e-324, 1e17, -1e300, 2**53, 1.0, 1e-7, 10**18, None]
TAGS = [["red"], ["green", "red"], ["red", "red"], [], None]
DAYS = ["0001-01-01", "2026-01-31", "2026-02-01", "9999-12-31", None]
UNSOUND: list[tuple[str, Any]] = [
    ("Code", Bad("a\x00")),
    ("Code", Bad("x" * 256)),
    ("Words", Bad(["a"])),
    ("Size", Bad("5")),
    ("Size", Bad(float("nan"))),
    ("Size", Bad(10**400)),
    ("Stage", Bad("done")),
    ("Ticked", Bad(1)),
    ("Tags", Bad("red")),
    ("Day", Bad("2026-02-30")),
    ("Friends", Bad(["a"])),
]
SORTS = ["Code", "Words", "Size", "Stage", "Ticked", "Day", "Created", "Modified"]
KINDS = {"write": 12, "turn": 6, "ask": 5, "begin": 2, "reopen": 1}
OPERATIONS = {"create": 4, "update": 6, "upsert": 3, "delete": 2}


class Dice:
    """Draws steps that suit what the model holds at the moment."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def step(self, model: Model) -> tuple[str, Any]:
        kind = self._one_by_weight(KINDS) if len(model.things) > 5 else "write"
        if kind == "write":
            count = self._random.choice([1, 1, 1, 2, 3, 8])
            return kind, tuple(self._operation(model) for _ in range(count))
        return kind, self._ask() if kind in {"ask", "begin"} else None

    def _operation(self, model: Model) -> Op:
        kind = self._one_by_weight(OPERATIONS) if len(model.things) > 5 else "create"
        if kind == "delete":
            return Op(kind, self._target(model))
        return Op(kind, self._target(model), self._values(model, with_code=kind == "upsert"))

    def _target(self, model: Model) -> str | int:
        thing = self._random.choice([*model.things.values()]) if model.things else None
        if thing is None or self._seldom():
            return self._random.choice([self._random.choice(CODES), self._number(model)])
        return self._random.choice([thing.number, thing.cells.get("Code", thing.number)])

    def _values(self, model: Model, *, with_code: bool) -> tuple[tuple[str, Any], ...]:
        names = self._random.sample(list(self._cells(model)), self._random.randint(0, 4))
        values = {name: self._cells(model)[name] for name in (*names, *(["Code"] if with_code else []))}
        if self._seldom():
            values |= [self._random.choice(UNSOUND)]
        return tuple(values.items())

    def _cells(self, model: Model) -> dict[str, Any]:
        pick = self._random.choice
        return {
            "Code": pick([*CODES, None]),
            "Words": pick([*TEXTS, None]),
            "Size": pick(SIZES),
            "Stage": pick([*STAGES, None]),
            "Ticked": pick([True, False, None]),
            "Tags": pick(TAGS),
            "Day": pick(DAYS),
            "Friends": self._friends(model),
        }

    def _friends(self, model: Model) -> list[int] | None:
        living = list(model.things)
        if not living or self._seldom():
            return self._random.choice([None, [], [self._number(model)]])
        return self._random.sample(living, min(len(living), self._random.randint(0, 3)))

    def _number(self, model: Model) -> int:
        """Any number that was ever given, or the next."""
        return self._random.randint(0, len(model.ids))

    def _ask(self) -> Ask:
        pick = self._random.choice
        equal = {
            "Words": pick([None, *filter(None, TEXTS)]),
            "Size": pick(SIZES),
            "Stage": pick([None, *STAGES]),
            "Ticked": pick([None, True]),
            "Tags": pick([None, "red", "green"]),
        }
        names = self._random.sample(list(equal), pick([0, 0, 0, 1, 1, 2]))
        return Ask(
            tuple((name, equal[name]) for name in names),
            pick([None, None, None, "a", "B", "ä", "x", "don", "%"]),
            tuple((name, pick([True, False])) for name in self._random.sample(SORTS, pick([0, 1, 1, 2, 3]))),
            pick([None, None, None, self._random.randint(0, 60)]),
            self._random.randint(1, 6),
        )

    def _seldom(self) -> bool:
        return self._random.random() < 1 / 12

    def _one_by_weight(self, weights: dict[str, int]) -> str:
        (chosen,) = self._random.choices(list(weights), list(weights.values()))
        return chosen

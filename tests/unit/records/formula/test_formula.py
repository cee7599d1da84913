"""A compiled formula as its callers see it: what it reads and costs, what an index could do, how it is explained."""

import pytest
from tests.factories.formulas import NOW, ask, at_noon, lets_through
from tests.factories.records import EVERYTHING

from airtable_connector.records.formula import (
    CellError,
    Context,
    Equality,
    Fact,
    FormulaCache,
    FormulaRefused,
    FormulaTooCostly,
    Kind,
    UnknownFieldNames,
    UnknownFunctionNames,
    Work,
    as_cell,
    compile_formula,
    explain,
)
from airtable_connector.records.formula.values import Moment

LONG = "x" * 100_000


def test_a_formula_tells_what_it_reads_and_gives() -> None:
    formula = compile_formula("IF({Number} > 1, {Name}, RECORD_ID() & {Created} & {Name})", EVERYTHING)
    assert [field.name for field in formula.fields] == ["Number", "Name", "Created"]
    assert formula.inputs == (
        EVERYTHING.field("Number"), EVERYTHING.field("Name"), Fact.RECORD_ID, Fact.CREATED,
    )  # fmt: skip
    assert formula.result is Kind.TEXT
    assert not formula.reads_time
    assert not formula.reads_links
    assert compile_formula("{Day} < NOW()", EVERYTHING).reads_time
    assert compile_formula("{Projects}", EVERYTHING).reads_links


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("IF(1, 'a', 2)", Kind.ANY),
        ("IF(1, 5, ERROR())", Kind.NUMBER),
        ("IF(1, {Day})", Kind.DATE),
        ("SWITCH(1, 1, 'a', 2, 'b', BLANK())", Kind.TEXT),
        ("SWITCH(1, 1, 'a', 2)", Kind.ANY),
        ("{Tags}", Kind.ARRAY),
        ("BLANK()", Kind.BLANK),
        ("1 = 1", Kind.BOOLEAN),
    ],
)
def test_the_kind_of_the_result_is_known_before_there_is_a_record(text: str, kind: Kind) -> None:
    assert compile_formula(text, EVERYTHING).result is kind


def test_unknown_names_are_told_all_together_with_the_nearest_known_one() -> None:
    with pytest.raises(UnknownFieldNames) as fields:
        compile_formula("{Naem} & {Nope} & Naem & BAD()", EVERYTHING)
    assert fields.value.names == ("Naem", "Nope")
    assert fields.value.hint == "did you mean 'Name'?"
    assert fields.value.span == (0, 6)
    with pytest.raises(UnknownFunctionNames) as functions:
        compile_formula("1 + Lenn('a')", EVERYTHING)
    assert functions.value.names == ("Lenn",)
    assert functions.value.hint == "did you mean 'LEN'?"
    assert functions.value.pointing == "1 + Lenn('a')\n    ^^^^"


@pytest.mark.parametrize(
    ("text", "said", "span"),
    [
        ("LEFT()", "LEFT takes 1 to 2 arguments, not 0", (0, 6)),
        ("NOW(1)", "NOW takes 0 arguments, not 1", (0, 6)),
        ("1 + AND()", "AND takes at least 1 argument, not 0", (4, 9)),
        ("MID('a', 1)", "MID takes 3 arguments, not 2", (0, 11)),
        ("YEAR({Number})", "YEAR takes a date here, and this is a number", (5, 13)),
        ("REGEX_MATCH('a', '(?=a)')", "this regular expression cannot be used", (17, 24)),
        ("REGEX_MATCH('a', '" + "a" * 1_001 + "')", "this regular expression cannot be used", (17, 1_020)),
        ("SET_TIMEZONE({Day}, 'Europe/Atlantis')", "there is no such time zone", (20, 37)),
        ("SET_TIMEZONE({Day}, '../../etc/passwd')", "there is no such time zone", (20, 38)),
        ("SET_LOCALE({Day}, 'tlh')", "this locale is not known", (18, 23)),
    ],
)
def test_what_never_works_is_refused_at_its_place(text: str, said: str, span: tuple[int, int]) -> None:
    with pytest.raises(FormulaRefused) as refusal:
        compile_formula(text, EVERYTHING)
    assert refusal.value.message == said
    assert refusal.value.span == span


def test_equalities_are_what_every_match_has_in_common() -> None:
    def found(text: str) -> tuple[Equality, ...]:
        return compile_formula(text, EVERYTHING).equalities()

    name, stage = EVERYTHING.field("Name"), EVERYTHING.field("Stage")
    assert found("{Name} = 'a'") == (Equality(name, frozenset("a")),)
    assert found("AND('a' = {Name}, AND({Number} > 1, {Stage} = LOWER('A')))") == (
        Equality(name, frozenset("a")), Equality(stage, frozenset("a")),
    )  # fmt: skip
    assert found("OR(RECORD_ID() = 'a', RECORD_ID() = 'b')") == (Equality(Fact.RECORD_ID, frozenset("ab")),)
    for text in (
        "{Name} = ''",
        "OR({Name} = 'a', {Stage} = 'b')",
        "NOT({Name} = 'a')",
        "{Number} = 1",
        "{Name} != 'a'",
    ):
        assert found(text) == ()


def test_a_thousand_record_ids_are_one_look_up() -> None:
    terms = ",".join(f"RECORD_ID()='rec{number:014}'" for number in range(900))
    assert lets_through(f"OR({terms})") is True
    assert lets_through(f"OR({terms.replace('09', 'x9')})") is False
    context = Context(NOW, work=Work(10_000))
    formula = compile_formula(f"OR({terms})", EVERYTHING)
    assert list(formula.matching([["rec00000000000007"] * 100], 100, context)) == list(range(100))


def test_a_scan_stops_where_nobody_asks_on() -> None:
    formula = compile_formula("{Number} > 0", EVERYTHING)
    context = at_noon()
    assert next(formula.matching([[1] * 1_000_000], 1_000_000, context)) == 0
    assert context.work.given - context.work.left < 1_000


def test_a_formula_that_reads_nothing_lets_all_rows_through_or_none() -> None:
    assert list(compile_formula("1", EVERYTHING).matching([], 3, at_noon())) == [0, 1, 2]
    assert list(compile_formula("FALSE()", EVERYTHING).matching([], 3, at_noon())) == []


@pytest.mark.parametrize(
    "text",
    [
        "REPT('x', 1000000000)",
        "REPT(REPT('x', 100000), 100000)",
        "SUBSTITUTE({Story}, 'x', 'xxxxxxxxxx')",
        "{Story} & {Story}",
        "CONCATENATE(" + ",".join(["{Story}"] * 2_000) + ")",
        "REGEX_REPLACE({Story}, '', {Story})",
        "REPLACE({Story}, 1, 0, {Story})",
        "SUBSTITUTE({Story}, 'x', {Story}, 1)",
        "ENCODE_URL_COMPONENT(SUBSTITUTE({Story}, 'x', '/'))",
    ],
)
def test_no_text_grows_beyond_a_cell(text: str) -> None:
    assert ask(text, {"Story": LONG}) is CellError.TOO_LONG


@pytest.mark.parametrize(
    "text",
    [
        "+".join(["LEN(SUBSTITUTE({Story},'x','y'))"] * 700),
        "+".join(["LEN(LOWER({Story}))"] * 1_200),
        "REGEX_MATCH({Story}, '(x.{300}){3}y') & REGEX_MATCH({Story}, '([xy].{900})+z')",
        "OR(" + ",".join(["REGEX_MATCH({Story}, '(x+x+)+y')"] * 600) + ")",
        "REGEX_REPLACE({Story}, '', '') & " + " & ".join(["LEN(REGEX_REPLACE({Story}, 'x', 'y'))"] * 3),
    ],
)
def test_work_has_an_end(text: str) -> None:
    formula = compile_formula(text, EVERYTHING)
    with pytest.raises(FormulaTooCostly) as refusal:
        list(formula.matching([[LONG]], 1, Context(NOW, work=Work(10_000_000))))
    assert refusal.value.facts == {"steps": 10_000_000}


@pytest.mark.parametrize("text", ["{Number} > 5", "-(" * 45 + "{Number}" + ")" * 45])
def test_rows_are_paid_for_too(text: str) -> None:
    formula = compile_formula(text, EVERYTHING)
    with pytest.raises(FormulaTooCostly):
        list(formula.matching([[0] * 10_000], 10_000, Context(NOW, work=Work(10_000))))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ERROR()", {"error": "#ERROR!"}),
        ("1/0", {"specialValue": "Infinity"}),
        ("-1/0", {"specialValue": "-Infinity"}),
        ("0/0", {"specialValue": "NaN"}),
        ("TRUE()", True),
        ("FALSE()", None),
        ("''", None),
        ("BLANK()", None),
        ("0", 0),
        ("1.50", 1.5),
        ("IF(1, 1, 'a')", "1"),
        ("IF(1, 0, 'a')", None),
        ("{Tags}", ["red"]),
        ("ARRAYSLICE({Tags}, 5)", None),
        ("DATETIME_PARSE('2024-01-01')", "2024-01-01T00:00:00.000Z"),
    ],
)
def test_a_result_as_a_cell(text: str, shown: object) -> None:
    formula = compile_formula(text, EVERYTHING)
    assert as_cell(ask(text, {"Tags": ["red"]}), formula.result) == shown


def test_a_cache_keeps_the_last_formulas_and_forgets_a_changed_table() -> None:
    cache = FormulaCache(limit=2)
    first = cache.formula("1", EVERYTHING)
    assert cache.formula("1", EVERYTHING) is first
    cache.formula("2", EVERYTHING)
    assert cache.formula("1", EVERYTHING) is first
    cache.formula("3", EVERYTHING)
    cache.formula("2", EVERYTHING)
    assert cache.formula("1", EVERYTHING) is not first
    again = type(EVERYTHING)(EVERYTHING.id, EVERYTHING.name, EVERYTHING.fields, EVERYTHING.key)
    assert cache.formula("1", again) is not cache.formula("1", EVERYTHING)


def test_an_explanation_shows_parts_kinds_places_and_what_an_index_can_do() -> None:
    page = str(explain(compile_formula("AND({Stage}='Done', -LEN({Name}&'x')>3)", EVERYTHING)))
    assert page == (
        "AND()             boolean  1-39\n"
        "  =               boolean  5-18\n"
        "    {Stage}       text     5-11\n"
        "    'Done'        text     13-18\n"
        "  >               boolean  21-38\n"
        "    minus         number   21-36\n"
        "      LEN()       number   22-36\n"
        "        &         text     26-35\n"
        "          {Name}  text     26-31\n"
        "          'x'     text     33-35\n"
        "    3             number   38-38\n"
        "reads: {Stage}, {Name}\n"
        "conditions: 2, for an index: {Stage} is 'Done'"
    )


def test_a_moment_is_the_same_wherever_it_is_shown() -> None:
    assert ask("SET_TIMEZONE('2024-01-01', 'Asia/Tokyo') = '2024-01-01'") is True
    assert isinstance(ask("{Day}", {"Day": "2024-01-01"}), Moment)

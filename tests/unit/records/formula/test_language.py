"""What formulas mean; the numbers are those of the facts about Airtable, part 7.1 to 7.4 and 7.6."""

import math

import pytest
from tests.factories.formulas import ask, lets_through

from airtable_connector.records.formula import CellError, FormulaSyntax, FormulaTooLarge, Value, compile_formula
from airtable_connector.records.schema import SPRINTS

LISTED = {"Tags": ["red", "blue"]}
LINKS = {"Projects": ["rec00000000000001", "rec00000000000002"]}
FILES = {"Files": [{"id": "att1", "url": "https://a.example/b.png", "filename": "b.png"}]}


@pytest.mark.parametrize(
    ("text", "gives"),
    [
        # 7.1: precedence from loose to tight is comparison, &, + -, * /, minus
        ('"a" & 1 = "a1"', True),
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 2 - 3", 5),
        ("10 - (2 - 3)", 11),
        ("(10 - 2) - 3", 5),
        ("12 / 2 / 3", 2),
        ("2 - 3 * 2 & 4", "-44"),
        ("-2 * -3", 6),
        ("--2", 2),
        ("1 - -2", 3),
        ("1 < 2 = 1", True),
        ("3 > 2 > 1", False),
        ("1 = 1 = 1", True),
        # 7.1: numbers, texts, escapes, function names in any case, free white space, comments
        ("1.50", 1.5),
        (".5", 0.5),
        ("'O\\'Brien'", "O'Brien"),
        ('"say \\"hi\\""', 'say "hi"'),
        ('"back\\\\slash\\\\"', "back\\slash\\"),
        ('"a\\nb\\tc"', "a\nb\tc"),
        ('"\\d+\\."', "\\d+\\."),
        ("'日本語🎉'", "日本語🎉"),
        ("len('abc')", 3),
        ("Len\n(\t'abc' )", 3),
        ("1 + /* two */ 2 // and that is all", 3),
        ("{Number} + Number", 8),
        ("{number}", 4),
        ("NUMBER", 4),
    ],
)
def test_the_grammar(text: str, gives: Value) -> None:
    assert ask(text, {"Number": 4}) == gives


def test_a_field_is_named_by_its_id_too_and_a_name_may_hold_a_brace() -> None:
    status = SPRINTS.field("Status")
    assert ask(f"{{{status.id}}} & '!'", {"Status": "Done"}, table=SPRINTS) == "Done!"
    with pytest.raises(Exception, match="no field 'a}b'"):
        compile_formula("{a\\}b}", SPRINTS)


@pytest.mark.parametrize(
    ("text", "start", "said"),
    [
        ("", 0, "expected a value before the formula's end"),
        ("1 +", 3, "expected a value before the formula's end"),
        ("(1", 2, "expected ')' for the '(' at 1"),
        ("LEFT('a', 1", 11, "expected ')' for the '(' at 5"),
        ("LEFT('a',)", 9, "expected a value before ')'"),
        ("1 2", 2, "expected an operator or the end before '2'"),
        ("1)", 1, "expected an operator or the end before ')'"),
        ("+1", 0, "expected a value before '+'"),
        ("1 <> 2", 3, "expected a value before '>'"),
        ("1 == 2", 3, "expected a value before '='"),
        ("2 ^ 3", 2, "'^' means nothing here"),
        ("1 && 1", 3, "expected a value before '&'"),
        ("!1", 0, "'!' means nothing here"),
        ("“a”", 0, "'“' means nothing here"),
        ('"a', 0, "this text does not end"),
        ('"a\nb"', 0, "this text does not end"),
        ("{Name", 0, "this field's name does not end"),
        ("1\x00", 0, "a NUL or half of a character"),
        ("'\ud800'", 0, "a NUL or half of a character"),
        ("1" * 41, 0, "a number has at most 40 characters"),
    ],
)
def test_what_is_no_formula_is_refused_at_its_place(text: str, start: int, said: str) -> None:
    with pytest.raises(FormulaSyntax) as refusal:
        compile_formula(text, SPRINTS)
    assert said in refusal.value.message
    assert refusal.value.span.start == start


def test_a_refusal_draws_the_line_and_points_at_the_place() -> None:
    with pytest.raises(FormulaSyntax) as refusal:
        compile_formula("AND(\n  {Status} = 'Done',\n  2 ^ 3\n)", SPRINTS)
    assert refusal.value.pointing == "  2 ^ 3\n    ^"
    assert refusal.value.hint == "write POWER(a, b)"
    assert refusal.value.facts["start"] == 30


def test_in_a_long_line_the_neighbourhood_of_the_place_is_drawn() -> None:
    with pytest.raises(FormulaSyntax) as refusal:
        compile_formula("1 + " * 1_000 + "^", SPRINTS)
    line, carets = refusal.value.pointing.split("\n")
    assert line[carets.index("^")] == "^"
    assert len(line) <= 80


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("'" + "a" * 30_000 + "'", "at most 30000 characters"),
        ("(" * 5_000 + "1" + ")" * 5_000, "100 deep in each other"),
        ("-" * 5_000 + "1", "100 minuses"),
        ("NOT(" * 200 + "1" + ")" * 200, "100 deep in each other"),
        ("-(1=1&1+1*" * 60 + "1" + ")" * 60, "100"),
        ("1," * 14_000, "expected an operator"),
        ("SUM(" + "1," * 6_000 + "1)", "more than 5000 parts"),
    ],
)
def test_what_is_too_large_is_refused(text: str, said: str) -> None:
    with pytest.raises((FormulaTooLarge, FormulaSyntax), match=said):
        compile_formula(text, SPRINTS)


def test_a_long_chain_is_wide_and_not_deep() -> None:
    assert ask("+".join(["1"] * 2_400)) == 2_400
    assert ask("&".join(["{Name}"] * 2_400), {"Name": "ab"}) == "ab" * 2_400


@pytest.mark.parametrize(
    ("text", "cells", "gives"),
    [
        # 7.2: what a field's cell is
        ("{Name} & 1", {"Name": "a"}, "a1"),
        ("{Price} + 1", {"Price": 1.5}, 2.5),
        ("{Took} / 60", {"Took": 120}, 2),
        ("{Ticked} + 1", {"Ticked": True}, 2),
        ("{Ticked} + 1", {}, 1),
        ("{Ticked} & ''", {"Ticked": True}, "1"),
        ("{Stage} & ''", {"Stage": "Done"}, "Done"),
        ("{Tags} & ''", LISTED, "red, blue"),
        ("{Tags} = 'red'", {"Tags": ["red"]}, True),
        ("{Projects} & ''", LINKS, "Ada, Grace"),
        ("{Projects} = 'Ada, Grace'", LINKS, True),
        ("{Projects} = 'Ada'", {"Projects": ["rec00000000000001"]}, True),
        ("{Projects} = 'rec00000000000001'", {"Projects": ["rec00000000000001"]}, False),
        ("{Projects} & ''", {"Projects": ["rec0000000000000x"]}, ""),
        ("{Day} & ''", {"Day": "2024-01-01"}, "2024-01-01T00:00:00.000Z"),
        ("FIND('2024-01-01', {Moment})", {"Moment": "2024-01-01T12:34:56.789Z"}, 1),
        ("{Created} & ''", {}, "2026-01-02T03:04:05.000Z"),
        ("{Files} & ''", FILES, "b.png (https://a.example/b.png)"),
        ("{Count} + 1", {"Count": 7}, 8),
        ("{Name}", {}, None),
        ("{Tags}", LISTED, ["red", "blue"]),
        # 7.2: coercion
        ("1.0 & ''", {}, "1"),
        ("0.1 + 0.2 & ''", {}, "0.30000000000000004"),
        ("1000000000000 * 1000000000 & ''", {}, "1e+21"),
        ("1 / 10000000 & ''", {}, "1e-7"),
        ("1 / 100000 & ''", {}, "0.00001"),
        ("123456789012345680000 & ''", {}, "123456789012345680000"),
        ("TRUE() & FALSE()", {}, "10"),
        ("TRUE() + TRUE()", {}, 2),
        ("'2' + ' 3 '", {}, 5),
        ("BLANK() + 1", {}, 1),
        ("BLANK() & 'a'", {}, "a"),
        ("{Number} & ''", {}, ""),
        ("{Number} & ''", {"Number": 0}, "0"),
        ("-0 & ''", {}, "0"),
        ("{Tags} + 1", {"Tags": []}, 1),
        # 7.2: equality
        ("{Number} = 0", {}, True),
        ("{Number} = BLANK()", {}, True),
        ("{Number} = ''", {}, True),
        ("{Number} = BLANK()", {"Number": 5}, False),
        ("{Number} < 30", {}, True),
        ("{Number} & '' = ''", {"Number": 0}, False),
        ("{Name} = ''", {}, True),
        ("{Name} = LEFT('a', 0)", {}, True),
        ("{Name} = LEFT({Story}, 0)", {"Story": "a"}, True),
        ("{Name} = {Story}", {}, True),
        ("'a' = 'A'", {}, False),
        ("1 = '1'", {}, True),
        ("1 = 'one'", {}, False),
        ("{Ticked} = TRUE()", {"Ticked": True}, True),
        ("{Ticked} = FALSE()", {}, True),
        ("{Ticked} = 1", {"Ticked": True}, True),
        ("{Day} = BLANK()", {}, True),
        ("{Day} = BLANK()", {"Day": "2024-01-01"}, False),
        ("{Day} = '2024-01-01'", {"Day": "2024-01-01"}, True),
        ("{Day} != '2024-01-01'", {}, True),
        ("{Day} = 'soon'", {"Day": "2024-01-01"}, False),
        ("{Files} = BLANK()", {}, True),
        ("{Tags} = BLANK()", LISTED, False),
        ("{Moment} = DATETIME_PARSE('2024-01-01T12:34:56.789Z')", {"Moment": "2024-01-01T12:34:56.789Z"}, True),
        ("{Moment} = DATETIME_PARSE('2024-01-01T12:34:56.788Z')", {"Moment": "2024-01-01T12:34:56.789Z"}, False),
        ("0/0 = 0/0", {}, False),
        ("0/0 != 0/0", {}, True),
        # 7.2: order
        ("'b' > 'a'", {}, True),
        ("'10' < '9'", {}, True),
        ("'10' < 9", {}, False),
        ("{Day} < '2024-02-01'", {"Day": "2024-01-01"}, True),
        ("{Day} < '2024-02-01'", {}, True),
        ("{Day} > '2024-02-01'", {}, False),
        ("{Moment} <= {Day}", {"Moment": "2024-01-01T00:00:00.000Z", "Day": "2024-01-01"}, True),
        ("{Modified} > '2026-11-23'", {}, True),
        ("DATETIME_PARSE('2024-01-01') <= DATETIME_PARSE({Day})", {"Day": "2024-01-01"}, True),
        ("0/0 < 1", {}, False),
        ("{Day} - {Day}", {"Day": "2024-01-01"}, 0),
    ],
)
def test_values_and_their_kinds(text: str, cells: dict[str, object], gives: Value) -> None:
    found = ask(text, cells)
    assert found == gives
    assert type(found) is type(gives) or isinstance(gives, int | float)


@pytest.mark.parametrize("text", ["0/0", "'a' + 1", "{Day} + 'FOO'", "-'a'", "{Tags} * 1", "0 * (1/0)"])
def test_what_is_no_number_is_nan(text: str) -> None:
    found = ask(text, {"Day": "2024-01-01", **LISTED})
    assert isinstance(found, float)
    assert math.isnan(found)


@pytest.mark.parametrize(("text", "gives"), [("1/0", math.inf), ("-1/0", -math.inf), ("1/-0", -math.inf), ("6/3", 2)])
def test_a_division_by_zero_is_infinite(text: str, gives: float) -> None:
    assert ask(text) == gives


@pytest.mark.parametrize(
    ("text", "cells", "through"),
    [
        # 7.3: false are 0, FALSE(), "", BLANK(), NaN, [] and errors; everything else is true
        ("0", {}, False),
        ("1", {}, True),
        ("FALSE()", {}, False),
        ("''", {}, False),
        ("'0'", {}, True),
        ("'false'", {}, True),
        ("BLANK()", {}, False),
        ("0/0", {}, False),
        ("1/0", {}, True),
        ("ERROR()", {}, False),
        ("NOT(1)", {}, False),
        ("{Files}", {}, False),
        ("{Files}", FILES, True),
        ("{Name}", {"Name": "a"}, True),
        ("{Number}", {"Number": 0}, False),
        ("{Number}", {"Number": -1}, True),
        ("{Day}", {"Day": "2024-01-01"}, True),
        ("{Ticked}", {}, False),
        ("ARRAYCOMPACT({Tags})", {}, False),
        # 7.4: AND and OR evaluate everything, IF and SWITCH what they choose
        ("OR(1, ERROR())", {}, False),
        ("OR({Number} = 1, YEAR({Name}) = 2024)", {"Number": 1, "Name": "x"}, False),
        ("NOT(AND(0, ERROR()))", {}, False),
        ("NOT(AND({Number}, YEAR({Name})))", {"Name": "x"}, False),
        ("IF(1, 1, ERROR())", {}, True),
        ("SWITCH(1, 1, 1, ERROR(), 2)", {}, True),
        ("ISERROR(OR(1, ERROR()))", {}, True),
        ("AND(1, ERROR())", {}, False),
    ],
)
def test_what_a_filter_lets_through(text: str, cells: dict[str, object], through: bool) -> None:  # noqa: FBT001
    assert lets_through(text, cells) is through


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("ERROR() & 'a'", CellError.ASKED_FOR),
        ("1 + ERROR()", CellError.ASKED_FOR),
        ("LEN(ERROR())", CellError.ASKED_FOR),
        ("YEAR('soon')", CellError.NOT_A_DATE),
        ("YEAR({Day})", CellError.NOT_A_DATE),
        ("REGEX_EXTRACT('a', 'b')", CellError.NO_MATCH),
        ("REGEX_MATCH('a', {Name})", CellError.BAD_PATTERN),
        ("MOD(1, 0)", CellError.NO_RESULT),
        ("SQRT(-1)", CellError.NO_RESULT),
        ("LOG(0)", CellError.NO_RESULT),
        ("VALUE('abc')", CellError.NOT_A_NUMBER),
        ("DATEADD('9999-12-31', 1, 'day')", CellError.OUT_OF_RANGE),
        ("DATEADD('2024-01-01', 1, 'fortnight')", CellError.OUT_OF_RANGE),
        ("SET_TIMEZONE('2024-01-01', {Name})", CellError.UNKNOWN_ZONE),
        ("SET_LOCALE('2024-01-01', {Name})", CellError.UNKNOWN_LOCALE),
    ],
)
def test_a_wrong_cell_is_a_value_that_says_why(text: str, error: CellError) -> None:
    assert ask(text, {"Name": "(?="}) is error


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        # 7.6: what clients generate
        ("RECORD_ID()='rec00000000000009'", {}),
        ("OR(RECORD_ID()='recA',RECORD_ID()='rec00000000000009')", {}),
        ("AND({Name}='A',{Number}=12345)", {"Name": "A", "Number": 12345}),
        (
            "AND({Name}='Mike\\'s Thing',{Number}=1,{Ticked}=TRUE())",
            {"Name": "Mike's Thing", "Number": 1, "Ticked": True},
        ),
        ("Name != '" + "x" * 17_000 + "'", {}),
        ("FIND(TRIM(LOWER('X')),TRIM(LOWER({Name})))>0", {"Name": " aXb "}),
        ("LEN({Name}) - LEN('x') + 1", {"Name": "abc"}),
        ("DATETIME_DIFF(NOW(),DATETIME_PARSE({Day}),'days')>1", {"Day": "2026-11-01"}),
        ("IS_AFTER({Modified},'2024-01-01T00:00:00.000Z')", {}),
        ("LAST_MODIFIED_TIME()>'2026-01-01'", {}),
        ("IS_AFTER(LAST_MODIFIED_TIME(), DATETIME_PARSE('2026-11-23T00:00:00.000Z'))", {}),
        ("SEARCH('abc',{Name})", {"Name": "xABC"}),
        ("NOT({Name}='')", {"Name": "a"}),
        ("FIND('blue', ARRAYJOIN({Tags}))", LISTED),
        ("FIND(', red,', ', ' & ARRAYJOIN({Tags}) & ',')", LISTED),
    ],
)
def test_what_clients_write_is_read(text: str, cells: dict[str, object]) -> None:
    assert lets_through(text, cells)

"""Every function: the example of its manual, its edges, blanks and wrong types (facts 7.5)."""

import math

import pytest
from tests.factories.formulas import ask

from airtable_connector.records.formula import FUNCTIONS, CellError, Function, Value
from airtable_connector.records.formula.values import to_text

EVERY = list(FUNCTIONS.values())


AIRTABLES = """
AND OR NOT XOR IF SWITCH BLANK TRUE FALSE ERROR ISERROR
ARRAYJOIN CONCATENATE ENCODE_URL_COMPONENT FIND LEFT LEN LOWER MID REPLACE REPT RIGHT SEARCH SUBSTITUTE T TRIM UPPER
REGEX_MATCH REGEX_EXTRACT REGEX_REPLACE
ABS AVERAGE CEILING COUNT COUNTA COUNTALL EVEN EXP FLOOR INT LOG MAX MIN MOD ODD POWER ROUND ROUNDDOWN ROUNDUP SQRT SUM
VALUE CREATED_TIME DATEADD DATESTR DATETIME_DIFF DATETIME_FORMAT DATETIME_PARSE DAY FROMNOW HOUR IS_AFTER IS_BEFORE
IS_SAME LAST_MODIFIED_TIME MINUTE MONTH NOW SECOND SET_LOCALE SET_TIMEZONE TIMESTR TODAY TONOW WEEKDAY WEEKNUM WORKDAY
WORKDAY_DIFF YEAR ARRAYUNIQUE ARRAYCOMPACT ARRAYFLATTEN ARRAYSLICE RECORD_ID
"""


def by_name(function: Function) -> str:
    return function.name


@pytest.mark.parametrize("function", EVERY, ids=by_name)
def test_the_example_of_the_manual_is_true(function: Function) -> None:
    found = ask(function.example.formula)
    assert not isinstance(found, CellError)
    assert to_text(found) == function.example.gives


@pytest.mark.parametrize("function", EVERY, ids=by_name)
def test_a_function_stands_blanks(function: Function) -> None:
    count = max(function.least, 1 if function.most != 0 else 0)
    found = ask(f"{function.name}({', '.join(['BLANK()'] * count)})")
    assert found is None or isinstance(found, str | int | float | list | CellError) or function.gives == "date"


@pytest.mark.parametrize("function", [each for each in EVERY if each.code], ids=by_name)
def test_code_holds_each_argument_once(function: Function) -> None:
    for count, template in function.code.items():
        assert [template.count(f"{{{place}}}") for place in range(count)] == [1] * count


def test_the_table_holds_what_airtable_has() -> None:
    assert FUNCTIONS.keys() == set(AIRTABLES.split())


@pytest.mark.parametrize(
    ("text", "gives"),
    [
        ("IF(0, 'a')", None),
        ("IF('0', 'a', 'b')", "a"),
        ("SWITCH(3, 1, 'a', 2, 'b')", None),
        ("SWITCH(BLANK(), 0, 'zero')", "zero"),
        ("XOR(1, 1)", False),
        ("ISERROR(1/0)", False),
        ("CONCATENATE('a', BLANK(), TRUE())", "a1"),
        ("ENCODE_URL_COMPONENT(\"A-z_.~!'()*\")", "A-z_.~%21%27%28%29%2A"),
        ("FIND('x', 'abc')", 0),
        ("FIND('A', 'abc')", 0),
        ("FIND('a', 'aba', 2)", 3),
        ("FIND('a', 'aba', 0)", 1),
        ("FIND('', 'abc')", 1),
        ("SEARCH('x', 'abc')", None),
        ("LEFT('abc', 9)", "abc"),
        ("LEFT('abc', -1)", ""),
        ("LEFT('abc')", "a"),
        ("LEFT('abc', 'x')", ""),
        ("LEFT(123, 2)", "12"),
        ("RIGHT('abc', 9)", "abc"),
        ("RIGHT('abc', 0)", ""),
        ("MID('abc', 0, 2)", "ab"),
        ("MID('abc', 9, 2)", ""),
        ("LEN('日本語🎉')", 4),
        ("LEN(BLANK())", 0),
        ("REPLACE('abc', 9, 1, 'x')", None),
        ("REPLACE('abc', 4, 0, 'd')", "abcd"),
        ("REPT('ab', -1)", ""),
        ("SUBSTITUTE('aaa', 'a', 'b')", "bbb"),
        ("SUBSTITUTE('aaa', 'a', 'b', 4)", "aaa"),
        ("SUBSTITUTE('aaa', '', 'b')", "aaa"),
        ("T(1)", None),
        ("UPPER('straße')", "STRASSE"),
        ("REGEX_MATCH('Hello', 'hello')", False),
        ("REGEX_MATCH('Hello', '(?i)hello')", True),
        ("REGEX_REPLACE('a-b', '(\\w)-(\\w)', '$2-$1 $$ $& $9')", "b-a $ a-b $9"),
        ("REGEX_REPLACE('日本', '', '.')", ".日.本."),
        ("REGEX_EXTRACT('日本語 12', '\\d+')", "12"),
        ("AVERAGE(1, BLANK(), 3)", 2),
        ("CEILING(-2.1)", -2),
        ("FLOOR(-2.1)", -3),
        ("COUNT({Tags}, 1)", 1),
        ("COUNTALL({Tags}, 1)", 3),
        ("EVEN(3)", 4),
        ("EVEN(-3)", -4),
        ("EVEN(0)", 0),
        ("ODD(2)", 3),
        ("ODD(-2)", -3),
        ("ODD(0)", 1),
        ("INT(1.9)", 1),
        ("LOG(8, 2)", 3),
        ("MAX('a')", 0),
        ("MIN(-1, BLANK())", -1),
        ("MOD(7, 3)", 1),
        ("MOD(7, -3)", -2),
        ("POWER(0, -1)", math.inf),
        ("POWER(10, 400)", math.inf),
        ("EXP(1000)", math.inf),
        ("ROUND(2.5)", 3),
        ("ROUND(1.005, 2)", 1.01),
        ("ROUND(1234, -2)", 1200),
        ("ROUND(1/3, 3)", 0.333),
        ("ROUNDUP(-1.11, 1)", -1.2),
        ("ROUNDDOWN(-1.19, 1)", -1.1),
        ("SUM({Tags}, 2)", 2),
        ("VALUE('€ 1,000')", 1000),
        ("VALUE('-5%')", -5),
        ("VALUE('(5)')", -5),
        ("VALUE('')", None),
        ("VALUE(7)", 7),
        ("ARRAYJOIN({Tags}, ' + ')", "red + blue"),
        ("ARRAYSLICE({Tags}, 2)", ["blue"]),
        ("ARRAYSLICE({Tags}, -1)", ["blue"]),
        ("ARRAYSLICE({Tags}, 1, 1)", ["red"]),
        ("ARRAYSLICE({Tags}, 3)", []),
        ("ARRAYUNIQUE({Tags})", ["red", "blue"]),
        ("ARRAYFLATTEN(BLANK())", []),
        # dates
        ("DATESTR(DATEADD('2024-03-31', -1, 'month'))", "2024-02-29"),
        ("DATESTR(DATEADD('2024-02-29', 1, 'year'))", "2025-02-28"),
        ("DATESTR(DATEADD('2024-01-01', 1, 'quarter'))", "2024-04-01"),
        ("TIMESTR(DATEADD('2024-01-01', 90, 'm'))", "01:30:00"),
        ("DATESTR(DATEADD('2024-01-01', 1, 'M'))", "2024-02-01"),
        ("DATETIME_DIFF('2024-01-02', '2024-01-01')", 86_400),
        ("DATETIME_DIFF('2024-01-02', '2024-01-01', 'nonsense')", 86_400_000),
        ("DATETIME_DIFF('2024-01-01T10:00', '2024-01-02', 'days')", 0),
        ("DATETIME_DIFF('2024-01-01', '2024-02-03', 'weeks')", -4),
        ("DATETIME_DIFF('2024-03-31', '2024-02-29', 'months')", 1),
        ("DATETIME_DIFF('2024-02-29', '2024-01-31', 'months')", 1),
        ("DATETIME_DIFF('2024-02-28', '2024-01-31', 'months')", 0),
        ("DATETIME_DIFF('2023-01-01', '2024-12-31', 'years')", -1),
        ("DATETIME_DIFF('2024-12-31', '2024-01-01', 'Q')", 3),
        ("DATETIME_FORMAT('2024-03-05')", "2024-03-05T00:00:00.000Z"),
        ("DATETIME_FORMAT('2024-03-05T06:07:08.009Z', 'YY M Mo MMM Q Qo D Do DDD DDDD d dd ddd e E w WW GGGG')",
         "24 3 3rd Mar 1 1st 5 5th 65 065 2 Tu Tue 2 2 10 10 2024"),
        ("DATETIME_FORMAT('2024-03-05T18:07:08.009Z', 'H HH h hh k A a m s SS SSS Z ZZ z X x')",
         "18 18 6 06 18 PM pm 7 8 00 009 +00:00 +0000 UTC 1709662028 1709662028009"),
        ("DATETIME_FORMAT('2024-03-05T18:07:08Z', 'LT|LTS|L|LL|LLL|LLLL|l|ll')",
         ("6:07 PM|6:07:08 PM|03/05/2024|March 5, 2024|March 5, 2024 6:07 PM|Tuesday, March 5, 2024 6:07 PM|3/5/2024"
         "|Mar 5, 2024")),
        ("DATETIME_FORMAT('2021-01-01', 'GGGG-[W]WW-E gggg ww')", "2020-W53-5 2021 01"),
        ("DATETIME_FORMAT(SET_LOCALE('2024-03-05', 'de'), 'dddd, LL')", "Dienstag, 5. März 2024"),
        ("DATETIME_FORMAT(SET_TIMEZONE('2024-07-01T12:00:00Z', 'Europe/Berlin'), 'HH:mm z')", "14:00 CEST"),
        ("HOUR(SET_TIMEZONE('2024-07-01T23:00:00Z', 'Europe/Berlin'))", 1),
        ("TIMESTR(DATEADD(SET_TIMEZONE('2024-03-30T11:00:00Z', 'Europe/Berlin'), 1, 'day'))", "12:00:00"),
        ("DATETIME_PARSE('1/2/2024') & ''", "2024-01-02T00:00:00.000Z"),
        ("DATETIME_PARSE('2024-01-15T12:34:56.789+02:00') & ''", "2024-01-15T10:34:56.789Z"),
        ("DATETIME_PARSE('15.01.24 3:04 pm', 'DD.MM.YY h:mm a') & ''", "2024-01-15T15:04:00.000Z"),
        ("DATETIME_PARSE('1709662028', 'X') & ''", "2024-03-05T18:07:08.000Z"),
        ("DATETIME_PARSE('2024 060', 'YYYY DDDD') & ''", "2024-02-29T00:00:00.000Z"),
        ("DATETIME_PARSE('mars 2024', 'MMMM YYYY', 'fr') & ''", "2024-03-01T00:00:00.000Z"),
        ("DATETIME_PARSE('')", None),
        ("DATETIME_PARSE('2024-02-30')", CellError.NOT_A_DATE),
        ("DATETIME_PARSE('12:30', 'HH:mm')", CellError.NOT_A_DATE),
        ("IS_SAME('2024-01-06', '2024-01-07', 'week')", False),
        ("IS_SAME('2024-01-07', '2024-01-13', 'week')", True),
        ("IS_SAME('2024-01-01T10:00Z', '2024-01-01T10:59Z', 'hour')", True),
        ("IS_SAME('2024-01-01', '2024-01-01T00:00:00.001Z')", False),
        ("WEEKDAY('2024-01-07')", 0),
        ("WEEKDAY('2024-01-07', 'Monday')", 6),
        ("WEEKNUM('2023-12-31')", 1),
        ("WEEKNUM('2024-01-07', 'Monday')", 1),
        ("DATESTR(WORKDAY('2024-01-05', 1))", "2024-01-08"),
        ("DATESTR(WORKDAY('2024-01-06', 1))", "2024-01-08"),
        ("DATESTR(WORKDAY('2024-01-08', -1))", "2024-01-05"),
        ("DATESTR(WORKDAY('2024-01-07', -1))", "2024-01-05"),
        ("DATESTR(WORKDAY('2024-01-01', 10))", "2024-01-15"),
        ("DATESTR(WORKDAY('2024-12-27', -1, '2024-12-25, 2024-12-26'))", "2024-12-24"),
        ("WORKDAY_DIFF('2024-01-01', '2024-02-01', '2024-01-01, 2024-01-06')", 23),
        ("WORKDAY_DIFF('2024-02-01', '2024-01-01')", -24),
        ("TONOW(DATEADD(NOW(), 2, 'months'))", "2 months"),
        ("FROMNOW(DATEADD(NOW(), -1, 'day'))", "a day"),
        ("FROMNOW(DATEADD(NOW(), -3, 'years'))", "3 years"),
        ("NOW() & ''", "2026-11-25T12:30:15.123Z"),
        ("TODAY() & ''", "2026-11-25T00:00:00.000Z"),
        ("LAST_MODIFIED_TIME({Name}) & ''", "2026-11-24T00:00:00.000Z"),
    ],
)  # fmt: skip
def test_edges(text: str, gives: Value | CellError) -> None:
    assert ask(text, {"Tags": ["red", "blue"]}) == gives


def test_a_root_of_nothing_known_is_nan() -> None:
    found = ask("AVERAGE('a')")
    assert isinstance(found, float)
    assert math.isnan(found)

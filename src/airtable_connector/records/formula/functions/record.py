"""What a formula can ask of the record itself; the row brings the answers."""

from airtable_connector.records.formula.functions.spec import Example, Function, Section
from airtable_connector.records.formula.inputs import Fact
from airtable_connector.records.formula.values import Kind, Value


def _brought_by_the_row(*_fields: Value) -> Value:
    raise AssertionError("a fact of the record is an input, not a call")


RECORD = (
    Function(
        "RECORD_ID", Section.RECORD, (), Kind.TEXT, _brought_by_the_row, "The record's id.",
        Example("LEN(RECORD_ID())", "17"), fact=Fact.RECORD_ID,
    ),
    Function(
        "CREATED_TIME", Section.RECORD, (), Kind.DATE, _brought_by_the_row, "When the record was created.",
        Example("YEAR(CREATED_TIME())", "2026"), fact=Fact.CREATED,
    ),
    Function(
        "LAST_MODIFIED_TIME", Section.RECORD, (), Kind.DATE, _brought_by_the_row, "When the record was last changed.",
        Example("YEAR(LAST_MODIFIED_TIME())", "2026"), rest=Kind.ANY, fact=Fact.MODIFIED,
        differs="Fields given as arguments do not narrow it: the store knows one moment for the whole record, which "
        "is the created time until the first change.",
    ),
)  # fmt: skip

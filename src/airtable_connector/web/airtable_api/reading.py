"""The endpoints that read records: lists and single records."""

from typing import Final

from airtable_connector.web.airtable_api.base import Bases
from airtable_connector.web.airtable_api.bodies import read_object
from airtable_connector.web.airtable_api.commenting import with_comment_counts
from airtable_connector.web.airtable_api.errors import ModelNotFound
from airtable_connector.web.airtable_api.listing import Question, read_question
from airtable_connector.web.airtable_api.options import ListOptions, form_from_query, list_from_body, list_from_query
from airtable_connector.web.airtable_api.parameters import read_parameters
from airtable_connector.web.airtable_api.showing import show
from airtable_connector.web.airtable_api.words import JSON_UTF8
from airtable_connector.web.http import Answer, Call

REMEMBERED: Final = 500
"""Lists whose reading is remembered; the same few are asked again and again."""


class ReadingEndpoints:
    """HTTP endpoints that change nothing."""

    def __init__(self, bases: Bases) -> None:
        self._bases = bases
        self._questions: dict[tuple[str, str, bytes], Question] = {}

    async def list(self, call: Call) -> Answer:
        """Answer ``GET /v0/{base}/{table}``: one page of records."""
        asked = (call.path_params["base"], call.path_params["table"], call.query_string)
        known = self._questions.get(asked)
        if known is not None and self._bases.workspace.is_present(known.query.table):
            self._bases.enter(call)  # it may have been another caller's question
        else:
            known = self._question(call, list_from_query(read_parameters(call)))
            if len(self._questions) >= REMEMBERED:
                self._questions.clear()
            self._questions[asked] = known
        return await self._page(known, call.origin)

    async def list_by_body(self, call: Call) -> Answer:
        """Answer ``POST /v0/{base}/{table}/listRecords``: the same, for questions too long for an address."""
        body = await read_object(call)
        return await self._page(self._question(call, list_from_body(body, read_parameters(call))), call.origin)

    async def read(self, call: Call) -> Answer:
        """Answer ``GET /v0/{base}/{table}/{record}``: one record, which may be another table's."""
        form = form_from_query(read_parameters(call))
        table = self._bases.table(call)
        record = call.path_params["record"]
        base = self._bases.of(table)
        blob = base.workspace.record_from_memory(table, record)
        if blob is None:
            found = await base.locate(record)
            if found is None:
                raise ModelNotFound
            table, blob = found
        (shown,) = await show(base, table, [blob], form, origin=call.origin)
        return Answer(200, shown, media_type=JSON_UTF8)

    def _question(self, call: Call, options: ListOptions) -> Question:
        table = self._bases.table(call)
        return read_question(self._bases.of(table), table, options)

    async def _page(self, question: Question, origin: str) -> Answer:
        query, base = question.query, self._bases.of(question.query.table)
        workspace = base.workspace
        page = workspace.page_from_memory(query) or await workspace.page(query)
        blobs = await show(base, query.table, page.records, question.options.form, origin=origin)
        if question.options.counts_comments:
            blobs = await with_comment_counts(base, blobs)
        offset = question.offset(len(blobs), page.next)
        end = b"]}" if offset is None else b'],"offset":"%b"}' % offset.encode("ascii")
        return Answer(200, b'{"records":[' + b",".join(blobs) + end, media_type=JSON_UTF8)

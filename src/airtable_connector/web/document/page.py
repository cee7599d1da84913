"""The document as one page for people: no script, nothing foreign, one style that a hash vouches for."""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from html import escape
from typing import Any, Final

import orjson

from airtable_connector.web.document.openapi import document
from airtable_connector.web.document.shapes import Schema

STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;"
    "border-bottom:1px solid #8884}pre{overflow:auto;padding:.75rem;background:#8881}code,pre{font-size:.875rem}"
    "details{margin:.5rem 0;border-top:1px solid #8884;padding-top:.5rem}summary{cursor:pointer}"
)

PAGE_POLICY: Final = (
    b"default-src 'none'; style-src 'sha256-%b'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    % base64.b64encode(hashlib.sha256(STYLE.encode()).digest())
)
"""The Content-Security-Policy to send with the page: its own style, and nothing else."""

METHODS: Final = ("get", "post", "put", "patch", "delete")


@cache
def documentation_page() -> bytes:
    """Return the document as HTML in UTF-8; send it with `PAGE_POLICY`."""
    shown = document()
    return "".join(_page(shown)).encode()


def _page(shown: Schema) -> Iterator[str]:
    title = escape(f"{shown['info']['title']} {shown['info']['version']}")
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
    yield f"<title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>"
    yield "".join(f"<p>{_marked(part)}</p>" for part in shown["info"]["description"].split("\n\n"))
    yield f"<p>{_marked(shown['components']['securitySchemes']['bearer']['description'])}</p>"
    yield '<p>For programs: <a href="/openapi.json">/openapi.json</a>. A name below opens what stands behind it.</p>'
    for tag in shown["tags"]:
        yield f"<h2>{escape(tag['name'])}</h2><p>{_marked(tag['description'])}</p>"
        for path, item in shown["paths"].items():
            for method in METHODS:
                if method in item and item[method]["tags"] == [tag["name"]]:
                    yield _operation(shown, method, path, item)
    yield f"<h2>Errors</h2>{''.join(_problem(each) for each in shown['components']['responses'].values())}"
    yield "<h2>Schemas</h2>"
    yield "".join(_folded(name, _code(schema), name) for name, schema in shown["components"]["schemas"].items())
    yield "</body></html>\n"


def _operation(shown: Schema, method: str, path: str, item: Schema) -> str:
    operation = item[method]
    parts = [f"<p>{_marked(operation['description'])}</p>" if "description" in operation else ""]
    if operation.get("security") == []:
        parts.append("<p>Needs no identity.</p>")
    parameters = [_resolved(shown, each) for each in (*operation.get("parameters", ()), *item.get("parameters", ()))]
    parts.append(
        _table(
            ("Parameter", "In", "Takes", "Meaning"),
            (
                (
                    f"<code>{escape(each['name'])}</code>",
                    each["in"],
                    _takes(each),
                    _marked(each["description"]),
                )
                for each in parameters
            ),
        )
    )
    if "requestBody" in operation:
        parts.append(_content("Body", operation["requestBody"]["content"]))
    for status, each in operation["responses"].items():
        if "$ref" not in each:
            headers = ", ".join(f"<code>{escape(name)}</code>" for name in each["headers"])
            parts.append(f"<h4>{status}</h4><p>{_marked(each['description'])} Headers: {headers}.</p>")
            parts.append(_content("Answer", each.get("content", {})))
    refused = ", ".join(status for status, each in operation["responses"].items() if "$ref" in each)
    parts.append(f"<p>Errors: {refused}.</p>")
    title = f"<strong>{method.upper()}</strong> <code>{escape(path)}</code> {_marked(operation['summary'])}"
    return f'<details id="{escape(operation["operationId"])}"><summary>{title}</summary>{"".join(parts)}</details>'


def _content(title: str, content: Schema) -> str:
    return "".join(
        f"<p>{title}: <code>{escape(media)}</code>, {_type(each['schema'])}</p>{_code(each['example'])}"
        for media, each in content.items()
    )


def _problem(response: Schema) -> str:
    (media,) = response["content"].values()
    return _folded(response["description"], _code(media["example"]))


def _folded(title: str, content: str, anchor: str = "") -> str:
    mark = f' id="{escape(anchor)}"' if anchor else ""
    return f"<details{mark}><summary>{escape(title)}</summary>{content}</details>"


def _takes(parameter: Schema) -> str:
    """Tell what a parameter takes; a list is one text with commas, or the parameter again and again."""
    schema = parameter["schema"]
    if schema.get("type") != "array":
        return _type(schema)
    return f"{'repeated' if parameter.get('explode', True) else 'comma-separated'}: {_type(schema['items'])}"


def _type(schema: Schema) -> str:
    """Name a schema in a few words, linked when it has a name of its own."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "const" in schema:
        return f"<code>{escape(_json(schema['const']))}</code>"
    if "enum" in schema:
        return " ".join(f"<code>{escape(_json(each))}</code>" for each in schema["enum"])
    bounds = [f"{word} {schema[name]}" for name, word in _BOUNDS.items() if name in schema]
    return escape(", ".join([str(schema.get("type", "anything")), *bounds]))


_BOUNDS: Final = {"minimum": "from", "maximum": "to", "minLength": "length from", "maxLength": "length to"}


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    cells = "".join(f"<th>{name}</th>" for name in head)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table>"


def _resolved(shown: Schema, parameter: Schema) -> Schema:
    if "$ref" not in parameter:
        return parameter
    found: Schema = shown["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]
    return found


def _code(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    return f"<pre>{escape(text)}</pre>"


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _marked(text: str) -> str:
    """Escape a text and show what stands between backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))

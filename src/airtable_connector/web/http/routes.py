"""Which endpoint answers what is asked often, and what the edge leaves for those behind it."""

import re
from collections.abc import Mapping
from typing import Final, TypeAlias

from airtable_connector.web.http.call import Call, Endpoint
from airtable_connector.web.http.errors import MethodNotAllowed

Methods: TypeAlias = Mapping[str, Endpoint]
"""The endpoints of one path by HTTP method; GET answers HEAD as well."""

_ITEM: Final = re.compile(r"/([^/{}]+)/\{[a-z_]+\}")


class Resource:
    """One path and the endpoints of its methods."""

    __slots__ = ("methods", "template")

    def __init__(self, template: str, methods: Methods) -> None:
        self.template = template
        self.methods = dict(methods)
        if "GET" in self.methods:
            self.methods.setdefault("HEAD", self.methods["GET"])

    def endpoint(self, method: str) -> Endpoint:
        """Return the method's endpoint, or raise `MethodNotAllowed`."""
        found = self.methods.get(method)
        if found is None:
            raise MethodNotAllowed(method, self.methods)
        return found


class HotTable:
    """Paths found by one or two dictionary look-ups. A path in it holds all of its methods."""

    def __init__(self, paths: Mapping[str, Methods]) -> None:
        self._exact: dict[str, Resource] = {}
        self._items: dict[str, Resource] = {}
        for template, methods in paths.items():
            self._add(Resource(template, methods))

    def find(self, call: Call) -> Resource | None:
        """Return what answers at the call's path, setting its ``path_id``; None when it is not in the table."""
        resource = self._exact.get(call.path)
        if resource is not None:
            return resource
        collection, slash, item = call.path[1:].partition("/")
        resource = self._items.get(collection)
        if resource is None or not slash or not item or "/" in item:
            return None
        call.path_id = item
        return resource

    def _add(self, resource: Resource) -> None:
        template = resource.template
        if "{" not in template:
            self._exact[template] = resource
        elif match := _ITEM.fullmatch(template):
            self._items[match[1]] = resource
        else:
            raise ValueError(f"{template} is neither exact nor /collection/{{id}}; put it behind the edge")


RUN: Final = "connector.run"
"""Where in the scope the edge leaves what runs an endpoint and sends its answer."""

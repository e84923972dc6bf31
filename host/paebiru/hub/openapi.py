"""The OpenAPI 3.1 document of the hub's HTTP API, made from the table of its routes."""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from paebiru import __version__
from paebiru.hub.api_routes import PARAMETERS, ROUTES, Route
from paebiru.hub.api_views import Error

_SCHEMAS = "#/components/schemas/"
_STATUS = {
    304: "not changed: If-None-Match named it",
    400: "the query, the path or the body is not as described",
    401: "the hub has a token, and this is not it",
    403: "the request comes from a page of a browser, or names another machine",
    404: "there is no such thing",
    405: "the path has other methods",
    408: "the body did not come in time",
    409: "not in the state that things are in",
    413: "the body is too large",
    415: "the content type is not application/json",
    500: "the hub's store is damaged; it says where",
    503: "too much waits already: try again later",
}
_ALWAYS = (400, 401, 403)
_OF_POST = (408, 413, 415)


def document(routes: Iterable[Route] = ROUTES) -> dict[str, Any]:
    """Return the document."""
    routes = list(routes)
    _, schemas = models_json_schema(
        [(form, "validation") for form in _forms(routes)], ref_template=_SCHEMAS + "{model}"
    )
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Paebiru hub",
            "version": __version__,
            "description": "Boards, rounds and the model of one hub.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "what the hub was given by --token-file; else nothing",
                }
            },
        },
    }


def _forms(routes: Iterable[Route]) -> list[type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {"Error": Error}
    for route in routes:
        for form in (route.answer, route.body):
            if form is not None and not isinstance(form, str):
                found[form.__name__] = form
    return list(found.values())


def _operation(route: Route) -> dict[str, Any]:
    statuses = sorted({*route.others, *_ALWAYS, *(_OF_POST if route.body else ())})
    made: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.says,
        "parameters": [*_path_parameters(route.path), *_query_parameters(route)],
        "responses": {
            str(route.status): {"description": "as asked", "content": _content(route.answer)},
            **{str(status): _refusal(status) for status in statuses},
        },
    }
    if route.body is not None:
        made["requestBody"] = {"required": True, "content": _content(route.body)}
    return made


def _content(form: type[BaseModel] | str) -> dict[str, Any]:
    if not isinstance(form, str):
        return {"application/json": {"schema": {"$ref": _SCHEMAS + form.__name__}}}
    schema = {"type": "object"} if form == "application/json" else {"type": "string"}
    return {form: {"schema": {} if form == "application/octet-stream" else schema}}


def _refusal(status: int) -> dict[str, Any]:
    if status == 304:
        return {"description": _STATUS[status]}
    return {"description": _STATUS[status], "content": _content(Error)}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PARAMETERS[name][1],
            "schema": {"type": "string", "pattern": PARAMETERS[name][0]},
        }
        for name in re.findall(r"{(\w+)}", path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    made = []
    for name, schema in route.query.model_json_schema().get("properties", {}).items():
        schema.pop("title", None)
        described = {"description": schema.pop("description")} if "description" in schema else {}
        if schema.get("default", 0) is None:
            del schema["default"]
        for kind in schema.pop("anyOf", []):  # or nothing: the parameter may be left out
            schema.update(kind if kind != {"type": "null"} else {})
        made.append({"name": name, "in": "query", "required": False, **described, "schema": schema})
    return made

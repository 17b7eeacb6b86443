"""`/api/docs`: the OpenAPI document as a page, drawn by the server. No script, nothing from another host."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from aiohttp import web

from web.openapi import DOCUMENT, Json
from web.problems import CODES

STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8882;--mark:#2b6cb0}
*{box-sizing:border-box}
body{margin:0;font:15px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1rem}
h1{margin:.5rem 0}h2{margin:2rem 0 .5rem;border-bottom:1px solid var(--line)}
details{border:1px solid var(--line);border-radius:6px;margin:.4rem 0}
summary{padding:.5rem .75rem;cursor:pointer;overflow-wrap:anywhere}
details>div{padding:.25rem .75rem .75rem;border-top:1px solid var(--line)}
b.m{display:inline-block;min-width:4.2rem;color:var(--mark);font:600 13px ui-monospace,monospace}
code,pre{font:13px/1.45 ui-monospace,monospace}
pre{overflow:auto;background:var(--soft);padding:.6rem;border-radius:6px;max-height:30rem;white-space:pre-wrap}
table{border-collapse:collapse;width:100%}
td,th{border-bottom:1px solid var(--line);padding:.25rem .5rem;text-align:left;vertical-align:top}
nav a{margin-right:.75rem}
"""


async def page(request: web.Request) -> web.Response:
    text = _page(json.loads(request.app[DOCUMENT]))
    return web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-cache"})


async def style(_: web.Request) -> web.Response:
    return web.Response(text=STYLE, content_type="text/css", headers={"Cache-Control": "max-age=3600"})


def add_to(app: web.Application) -> None:
    app.router.add_get("/api/docs", page)
    app.router.add_get("/api/docs.css", style)


def _page(description: Json) -> str:
    info = description["info"]
    tags = [tag["name"] for tag in description["tags"]]
    links = "".join(f'<a href="#{escape(tag)}">{escape(tag)}</a>' for tag in tags)
    body = "".join(_tag(tag, description) for tag in tags)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<title>{escape(info["title"])} API</title><link rel="stylesheet" href="/api/docs.css"></head><body><main>'
        f"<h1>{escape(info['title'])} API {escape(info['version'])}</h1>"
        f'<p>{escape(info["description"])}</p><p><a href="/api/v1/openapi.json">openapi.json</a></p>'
        f"<nav>{links}</nav>{body}{_problems(description)}{_schemas(description)}</main></body></html>"
    )


def _tag(tag: str, description: Json) -> str:
    found = [f'<h2 id="{escape(tag)}">{escape(tag)}</h2>']
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            if tag in operation["tags"]:
                found.append(_operation(method, path, operation))
    return "".join(found)


def _operation(method: str, path: str, operation: Json) -> str:
    parts = [f"<p>{escape(operation.get('description', ''))}</p>"]
    scopes = [scope for way in operation["security"] for scope in way.get("bearer", ())]
    parts.append(f"<p>Scope: <code>{escape(', '.join(scopes) or 'none, open to all')}</code></p>")
    if operation["parameters"]:
        rows = "".join(_parameter(p) for p in operation["parameters"])
        parts.append(f"<table><tr><th>Parameter<th>In<th>Form<th></tr>{rows}</table>")
    if "requestBody" in operation:
        kinds = ", ".join(
            f"{escape(kind)}: {_ref(c['schema'])}" for kind, c in operation["requestBody"]["content"].items()
        )
        parts.append(f"<p>Body: {kinds}</p>")
    rows = "".join(_response(status, answer) for status, answer in sorted(operation["responses"].items()))
    parts.append(f"<table><tr><th>Status<th>Answer</tr>{rows}</table>")
    way = f'<b class="m">{method.upper()}</b> <code>{escape(path)}</code>'
    title = f"<summary>{way} {escape(operation['summary'])}</summary>"
    return f'<details id="{escape(operation["operationId"])}">{title}<div>{"".join(parts)}</div></details>'


def _parameter(parameter: Json) -> str:
    form = {k: v for k, v in parameter["schema"].items() if k not in ("title", "description")}
    name = escape(parameter["name"]) + (" *" if parameter["required"] else "")
    shown = escape(json.dumps(form, ensure_ascii=False))
    words = escape(parameter.get("description", ""))
    return f"<tr><td><code>{name}</code><td>{parameter['in']}<td><code>{shown}</code><td>{words}</tr>"


def _response(status: str, answer: Json) -> str:
    if "$ref" in answer:
        code = escape(answer["$ref"].rsplit("/", 1)[1])
        return f'<tr><td>{status}<td><a href="#problems">{code}</a></tr>'
    kinds = ", ".join(f"{escape(kind)} {_ref(c['schema'])}" for kind, c in answer.get("content", {}).items())
    return f"<tr><td>{status}<td>{kinds or 'no content'}</tr>"


def _ref(schema: Json) -> str:
    name = escape(str(schema.get("$ref", "")).rsplit("/", 1)[-1])
    return f'<a href="#schema-{name}">{name}</a>' if name else "form"


def _problems(description: Json) -> str:
    rows = ""
    for name, answer in description["components"]["responses"].items():
        code = _code(name)
        words = escape(answer["description"])
        rows += f'<tr id="problem-{code}"><td>{name.removeprefix("Problem")}<td><code>{code}</code><td>{words}</tr>'
    return f'<h2 id="problems">Problems</h2><table><tr><th>Status<th>Code<th></tr>{rows}</table>'


def _code(name: str) -> str:
    return CODES[int(name.removeprefix("Problem"))]


def _schemas(description: Json) -> str:
    found = ['<h2 id="schemas">Schemas</h2>']
    for name, schema in sorted(description["components"]["schemas"].items()):
        shown: Any = json.dumps(schema, ensure_ascii=False, indent=1)
        found.append(
            f'<details id="schema-{escape(name)}"><summary><code>{escape(name)}</code></summary>'
            f"<div><pre>{escape(shown)}</pre></div></details>"
        )
    return "".join(found)

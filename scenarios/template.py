"""Templates and expressions written by strangers, in a sandbox whose work and output are bounded.

    text ─▶ parse ─▶ only expressions, `if` and known filters? ─▶ compiled once ─▶ render(vars) ─▶ a bounded text

There are no loops, no calls, no attributes and no powers to write: the work grows with the length of the template only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from scenarios import speech
from scenarios.problems import CardError
from scenarios.talk import Value

MOST_TEXT = 4000  # characters of a template
MOST_OUTPUT = 4000  # characters of what it renders to
MOST_VALUE = 4000  # characters of a variable
_MOST_NODES = 400
_MOST_DEPTH = 30
_LARGEST = 10**15


class BadTemplate(Exception):
    """The template or expression does not parse, or asks for what is not allowed. The text says what, and where."""


_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If,
    nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Getitem, nodes.Slice,
    nodes.Filter, nodes.Test, nodes.Keyword, nodes.CondExpr, nodes.Compare, nodes.Operand,
    nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.Concat,
    nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod,
)  # fmt: skip
_TEST_NAMES = "defined undefined none number string boolean even odd divisibleby in eq ne lt le gt ge true false"
_TESTS = frozenset(_TEST_NAMES.split())


def _bounded(left: object, right: object) -> tuple[Any, Any]:
    for side in (left, right):
        if isinstance(side, bool) or not isinstance(side, int | float) or not abs(side) < _LARGEST:
            raise CardError("arithmetic is for numbers, and for those of up to 15 digits")
    return left, right


def _replace(text: object, old: object, new: object) -> str:
    value, was, put = str(text)[:MOST_VALUE], str(old), str(new)
    if not was or len(put) > 100:
        raise CardError("replace: what to replace must not be empty, nor its replacement longer than 100 characters")
    return value.replace(was, put)


def _truncate(text: object, length: int = 100) -> str:
    return str(text)[: max(0, int(length))]


def _round(value: object, digits: int = 0) -> int | float:
    rounded = round(Decimal(speech.number(value)), min(9, max(0, int(digits))))
    return int(rounded) if rounded == int(rounded) else float(rounded)


def _int(value: object, default: int = 0) -> int:
    try:
        return int(speech.number(value))
    except ValueError:
        return default


def _float(value: object, default: float = 0.0) -> float:
    try:
        return float(speech.number(value))
    except ValueError:
        return default


def _plain_filters() -> dict[str, Callable[..., object]]:
    return {
        "abs": lambda v: abs(speech.number(v)),
        "capitalize": lambda v: str(v)[:MOST_VALUE].capitalize(),
        "float": _float,
        "int": _int,
        "length": lambda v: len(v) if isinstance(v, str | list | tuple) else len(str(v)),
        "lower": lambda v: str(v)[:MOST_VALUE].lower(),
        "plural": speech.plural,
        "replace": _replace,
        "round": _round,
        "title": lambda v: str(v)[:MOST_VALUE].title(),
        "trim": lambda v: str(v)[:MOST_VALUE].strip(),
        "truncate": _truncate,
        "upper": lambda v: str(v)[:MOST_VALUE].upper(),
    }


SPEECH: dict[str, Callable[..., str]] = {
    "ordinal": speech.ordinal,
    "spoken_date": speech.spoken_date,
    "spoken_digits": speech.spoken_digits,
    "spoken_money": speech.spoken_money,
    "spoken_number": speech.spoken_number,
    "spoken_phone": speech.spoken_phone,
    "spoken_time": speech.spoken_time,
}


def _spoken(function: Callable[..., str], language: str) -> Callable[..., str]:
    return lambda value, *args, **kwargs: function(value, language, *args, **kwargs)


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%"})

    def __init__(self, language: str) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False, optimized=False)
        self.globals.clear()
        default = self.filters["default"]
        self.filters.clear()
        self.filters.update(_plain_filters(), default=default, d=default)
        self.filters.update({name: _spoken(function, language) for name, function in SPEECH.items()})
        for name in set(self.tests) - _TESTS:
            del self.tests[name]

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            if len(left) + len(right) > MOST_OUTPUT:
                raise CardError(f"more than {MOST_OUTPUT} characters")
            return left + right
        _bounded(left, right)
        return super().call_binop(context, operator, left, right)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Only characters and parts of texts: nothing here has attributes."""
        if isinstance(obj, str | list | tuple) and isinstance(argument, int | slice):
            return super().getitem(obj, argument)
        return self.undefined(obj=obj, name=str(argument)[:40])

    def getattr(self, obj: Any, attribute: str) -> Any:
        raise SecurityError(f"there are no attributes: {attribute[:40]!r}")


@lru_cache(maxsize=8)
def _sandbox(language: str) -> _Sandbox:
    return _Sandbox(language)


def _speaks(language: str) -> str:
    return "ru" if language.startswith("ru") else "en"


def _guard(text: str) -> None:
    if len(text) > MOST_TEXT:
        raise BadTemplate(f"{len(text)} > {MOST_TEXT}")
    depth = 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        if depth > 2 * _MOST_DEPTH:
            raise BadTemplate(f"> {_MOST_DEPTH} ( ( (")
    # A long run of unary operators nests as deep as brackets do.
    if re.search(r"(?:[-+~]\s*){20}|(?:\bnot\s+){20}", text) and "{" in text:
        raise BadTemplate("- - - …")


def _parse(text: str) -> nodes.Template:
    _guard(text)
    sandbox = _sandbox("ru")
    try:
        tree = sandbox.parse(text)
    except TemplateError as error:
        raise BadTemplate(str(error)[:200]) from None
    except (RecursionError, MemoryError, ValueError, OverflowError) as error:
        raise BadTemplate(type(error).__name__) from None
    _inspect(tree, sandbox)
    return tree


def _inspect(tree: nodes.Template, sandbox: _Sandbox) -> None:
    count = 0
    stack: list[tuple[nodes.Node, int]] = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        count += 1
        if count > _MOST_NODES or depth > _MOST_DEPTH:
            raise BadTemplate(f"> {_MOST_NODES} parts or {_MOST_DEPTH} levels")
        if not isinstance(node, _ALLOWED):
            raise BadTemplate(f"{_name_of(node)} is not allowed here (line {node.lineno})")
        if isinstance(node, nodes.Filter) and node.name not in sandbox.filters:
            raise BadTemplate(f"there is no filter {node.name!r}")
        if isinstance(node, nodes.Filter) and (node.dyn_args or node.dyn_kwargs):
            raise BadTemplate("* and ** are not allowed here")
        if isinstance(node, nodes.Test) and node.name not in sandbox.tests:
            raise BadTemplate(f"there is no test {node.name!r}")
        if (
            isinstance(node, nodes.Getitem)
            and isinstance(node.arg, nodes.Const)
            and not isinstance(node.arg.value, int)
        ):
            raise BadTemplate("[…] takes a number")
        if isinstance(node, nodes.Name) and node.name in ("self", "super", "caller", "varargs", "kwargs"):
            raise BadTemplate(f"{node.name!r} is not allowed here")
        if isinstance(node, nodes.Const) and isinstance(node.value, int) and abs(node.value) > _LARGEST:
            raise BadTemplate("a number of more than 15 digits")
        stack += [(child, depth + 1) for child in node.iter_child_nodes()]


_REFUSED = {"Getattr": "an attribute (.)", "Call": "a call ()", "Pow": "a power (**)", "Dict": "{…: …}"}


def _name_of(node: nodes.Node) -> str:
    name = type(node).__name__
    return _REFUSED.get(name, f"{{% {name.lower()} %}}" if isinstance(node, nodes.Stmt) else name.lower())


def _names(tree: nodes.Node) -> frozenset[str]:
    return frozenset(node.name for node in tree.find_all(nodes.Name))


@lru_cache(maxsize=16384)
def names(text: str) -> frozenset[str]:
    """The variables a template speaks of. Raises BadTemplate."""
    return _names(_parse(text)) if "{" in text else frozenset()


@lru_cache(maxsize=8192)
def expression_names(text: str) -> frozenset[str]:
    """The variables an expression speaks of. Raises BadTemplate."""
    return _names(_parse(_as_template(text)))


def _as_template(expression: str) -> str:
    if "}}" in expression or "{{" in expression or "{%" in expression:
        raise BadTemplate("an expression stands without braces")
    if not expression.strip():
        raise BadTemplate("empty")
    return "{{ (" + expression + "\n) }}"


@lru_cache(maxsize=8192)
def _template(text: str, language: str) -> Callable[[Mapping[str, Any]], str]:
    tree = _parse(text)
    template = _made(tree, language, "template")

    def render(vars: Mapping[str, Any]) -> str:
        pieces: list[str] = []
        size = 0
        for piece in template.root_render_func(template.new_context(dict(vars))):
            pieces.append(piece)
            size += len(piece)
            if size > MOST_OUTPUT:
                raise CardError(f"more than {MOST_OUTPUT} characters")
        return "".join(pieces)

    return render


def _made(tree: nodes.Template, language: str, name: str) -> Any:
    sandbox = _sandbox(language)
    try:
        return sandbox.template_class.from_code(sandbox, sandbox.compile(tree, name), {}, None)
    except (TemplateError, RecursionError, MemoryError, SyntaxError, ValueError, OverflowError) as error:
        raise BadTemplate(f"{type(error).__name__}: {error}"[:200]) from None


@lru_cache(maxsize=4096)
def _expression(text: str, language: str) -> Callable[[Mapping[str, Any]], Any]:
    _parse(_as_template(text))
    sandbox = _sandbox(language)
    try:
        compiled = sandbox.compile_expression(text, undefined_to_none=False)
    except (TemplateError, RecursionError, MemoryError, SyntaxError, ValueError, OverflowError) as error:
        raise BadTemplate(f"{type(error).__name__}: {error}"[:200]) from None
    return lambda vars: compiled(dict(vars))


def _attempt(work: Callable[[Mapping[str, Any]], Any], vars: Mapping[str, Any]) -> Any:
    try:
        return work(vars)
    except (TemplateError, ArithmeticError, TypeError, ValueError, LookupError, MemoryError, RecursionError) as error:
        raise CardError(f"{type(error).__name__}: {error}"[:200]) from None


def render(text: str, vars: Mapping[str, Any], language: str = "ru") -> str:
    """What the template says with these values, at most MOST_OUTPUT characters. Raises CardError, BadTemplate."""
    if "{" not in text:
        return text[:MOST_OUTPUT]
    return str(_attempt(_template(text, _speaks(language)), vars))


_SOLE = re.compile(r"\A\s*\{\{-?(?P<inside>(?:(?!\}\}|\{\{|\{%|\{#).)*?)-?\}\}\s*\Z", re.S)


def value(text: str, vars: Mapping[str, Any], language: str = "ru") -> Value:
    """Like `render`, but a template that is one expression keeps its type: `{{ tries + 1 }}` is a number."""
    if match := _SOLE.match(text):
        return _scalar(evaluate(match["inside"].strip(), vars, language))
    return render(text, vars, language)


def _scalar(result: Any) -> Value:
    if result is None or isinstance(result, bool | int | float):
        return result
    if isinstance(result, StrictUndefined):
        raise CardError("an unknown name")
    text = str(result)
    if len(text) > MOST_VALUE:
        raise CardError(f"more than {MOST_VALUE} characters")
    return text


def evaluate(text: str, vars: Mapping[str, Any], language: str = "ru") -> Any:
    """The value of an expression. Raises CardError, BadTemplate."""
    return _attempt(_expression(text, _speaks(language)), vars)


def true(text: str, vars: Mapping[str, Any], language: str = "ru") -> bool:
    """Whether an expression holds. Raises CardError, BadTemplate."""
    result = evaluate(text, vars, language)
    if isinstance(result, StrictUndefined):
        raise CardError("an unknown name")
    return bool(result)

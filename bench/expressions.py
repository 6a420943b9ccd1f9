"""Cases without a server: what expressions cost, in CPU of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import process_time

from attributes import Bag, Source, ValueType, Vocabulary
from mixer.adapter import catalogue
from mixer.config.load import parse_text
from mixer.expr import compile as expressions
from mixer.lang import Lang
from mixer.runtime import Options
from mixer.runtime.plan import plan
from mixer.wire.decode import check_request
from mixer.wire.message import Message

TEXTS = (
    'destination.service.host == "ratings.default.svc.cluster.local" '
    '&& request.headers["x-user"] != "admin"',
    'source.labels["app"] == "reviews" && request.path.startsWith("/api")',
    'context.protocol == "http" || context.protocol == "grpc"',
    "size(request.headers) > 3",
)
"""The four conditions that the bars of expressions are for."""

VOCABULARY = Vocabulary().extended(
    {
        "destination.service.host": ValueType.STRING,
        "request.headers": ValueType.STRING_MAP,
        "request.path": ValueType.STRING,
        "source.labels": ValueType.STRING_MAP,
        "context.protocol": ValueType.STRING,
    }
)
_ROUNDS = 20_000
_RULE = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: r{number}}}
spec:
  match: request.path.startsWith("/api/{number}") && request.headers["x-user"] != "u{number}"
  actions:
  - handler: {{adapter: noop}}
    instances: [{{template: checknothing}}]
---"""
_GRPC_PREFIX = 5

Measure = Callable[[], float]
"""Gives the CPU microseconds of one operation."""


def cases(shared: Path) -> Iterator[tuple[str, Measure]]:
    """All cases by name."""
    body = (shared / "bodies" / "check.grpc").read_bytes()[_GRPC_PREFIX:]
    source = check_request(body).source
    assert isinstance(source, Message)
    decoded = {name: source.get(name) for name in VOCABULARY}
    present = {name: value for name, value in decoded.items() if value is not None}
    for number, text in enumerate(TEXTS, 1):
        yield f"match {number}, decoded", partial(_match, text, present)
        yield f"match {number}, message", partial(_match, text, source)
        yield f"match {number}, fresh message", partial(_match, text, source, source.forget)
        yield f"compile {number}", partial(_compile, text)
    yield "load 1,000 rules", _load


def _match(text: str, source: Source, before: Callable[[], None] | None = None) -> float:
    """One match; every hundredth round begins with a new bag, as a call does."""
    run = expressions.expression(text, Lang.CEL, VOCABULARY).run
    spent = 0.0
    for _ in range(_ROUNDS // 100):
        bag = Bag(source)
        start = process_time()
        for _ in range(100):
            if before:
                before()
            run(bag)
        spent += process_time() - start
    return spent / _ROUNDS * 1e6


def _compile(text: str) -> float:
    start = process_time()
    for _ in range(200):
        expressions._parsed.cache_clear()
        _ = expressions.expression(text, Lang.CEL, VOCABULARY).run
    return (process_time() - start) / 200 * 1e6


def _load() -> float:
    """From YAML text to compiled rules."""
    expressions._parsed.cache_clear()
    manifest = "\n".join(
        f"    {name}: {{valueType: {attribute.type.name}}}"
        for name, attribute in VOCABULARY.items()
    )
    head = "apiVersion: meshmixer.io/v1\nkind: attributemanifest\nmetadata: {name: m}\nspec:\n"
    rules = "".join(_RULE.format(number=number) for number in range(1000))
    installed = catalogue.load()
    start = process_time()
    found = plan(parse_text(f"{head}  attributes:\n{manifest}\n---{rules}"), installed, Options())
    assert not found.problems
    return (process_time() - start) * 1e6

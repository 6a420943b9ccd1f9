"""Expressions in bulk: a JSON object a line in, one out, in order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attributes import Bag, Reference, Value, Vocabulary
from mixer.cli.attribute_values import bag_of, vocabulary_of
from mixer.errors import ExpressionError
from mixer.expr.compile import parse, program
from mixer.expr.dynamic import tagged
from mixer.expr.json_values import from_json, to_json
from mixer.expr.reads import Failure
from mixer.expr.types import DYN
from mixer.lang import Lang

Answer = dict[str, Any]
KEYS = frozenset(["expr", "lang", "strict", "vocabulary", "bag", "bindings"])
LANGS = {"CEL": Lang.CEL, "CEXL": Lang.CEXL, "COMPAT": Lang.COMPAT}


def answers(lines: Iterable[str]) -> Iterator[str]:
    """A line of JSON for each line that is not empty; wrong lines are answered too."""
    for line in lines:
        if line.strip():
            yield json.dumps(_answer(line), ensure_ascii=False, separators=(",", ":"))


def _answer(line: str) -> Answer:
    try:
        given = json.loads(line)
    except (ValueError, RecursionError) as error:
        return _error(f"the line is no JSON: {error}", "parse")
    if not isinstance(given, dict) or not isinstance(given.get("expr"), str):
        return _error('the line is no object with a text under "expr"', "parse")
    if unknown := sorted(given.keys() - KEYS):
        return _error(f"unknown key {unknown[0]!r}; known are {', '.join(sorted(KEYS))}", "parse")
    if given.get("lang", "CEL") not in LANGS:
        return _error(f"lang is {given['lang']!r}, not one of {', '.join(LANGS)}", "parse")
    try:
        vocabulary = vocabulary_of(given.get("vocabulary", {}))
        values, vocabulary = bag_of(
            given.get("bag", {}), vocabulary, senses="vocabulary" not in given
        )
        bindings = _bindings(given.get("bindings", {}))
    except ValueError as error:
        return _error(str(error), "check")
    lang = LANGS[given.get("lang", "CEL")]
    lang = lang.strict if given.get("strict") is True else lang
    return answer(given["expr"], lang, vocabulary, values, bindings)


def _bindings(given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise ValueError("bindings are an object of names to values")
    found = {}
    for name, value in given.items():
        try:
            found[name] = from_json(value)
        except ValueError as error:
            raise ValueError(f"bindings.{name}: {error}") from None
    return found


def answer(
    text: str,
    lang: Lang,
    vocabulary: Vocabulary,
    values: Mapping[str, Value],
    bindings: Mapping[str, Any],
) -> Answer:
    """What an expression is worth, of which type, and which attributes it read; or what failed."""
    stage = "parse"
    try:
        parse(text, lang)
        stage = "check"
        compiled = program(text, lang, vocabulary, dict.fromkeys(bindings, DYN))
    except ExpressionError as error:
        hint = f" ({error.suggestion})" if error.suggestion else ""
        return _error(f"{error.message}{hint}", stage) | {"offset": error.offset}
    bag = Bag(values)
    value = compiled.run(bag, bindings)
    if isinstance(value, Failure):
        return _error(value.message, "eval", bag)
    try:
        shown = to_json(tagged(value, compiled.type))
    except ValueError as error:
        return _error(str(error), "eval", bag)
    return {"value": shown, "type": str(compiled.type), "referenced": referenced(bag)}


def referenced(bag: Bag) -> list[list[str | None]]:
    """The references of *bag* in order of name and key."""
    found = sorted(bag.references.items(), key=lambda entry: (entry[0][0], entry[0][1] or ""))
    return [[name, key, Reference(how).name] for (name, key), how in found]


def _error(text: str, stage: str, bag: Bag | None = None) -> Answer:
    return {"error": text, "stage": stage, "referenced": referenced(bag) if bag else []}

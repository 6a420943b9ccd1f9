"""The conformance tests of the CEL specification as cases that our programs can run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from attributes import Bag, Duration, Timestamp, Vocabulary
from attributes.values import NANOS
from mixer.errors import ExpressionError
from mixer.expr.compile import program
from mixer.expr.reads import Failure
from mixer.expr.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    UINT,
    Type,
    list_of,
    map_of,
)
from mixer.expr.values import TypeValue, Uint, key_of
from mixer.lang import Lang
from tests.conformance.textproto import Message, double, integer, parse

DATA = Path(__file__).parents[2].parent / "shared" / "cel-spec"
SKIPPED = Path(__file__).with_name("skipped.yaml")
_PRIMITIVES = {
    "INT64": INT,
    "UINT64": UINT,
    "DOUBLE": DOUBLE,
    "STRING": STRING,
    "BYTES": BYTES,
    "BOOL": BOOL,
}
_MESSAGES = {"google.protobuf.Timestamp": TIMESTAMP, "google.protobuf.Duration": DURATION}


class NotOurs(Exception):
    """The test needs a type that no value of ours has."""


@dataclass(frozen=True)
class Error:
    """The test must fail."""


@dataclass(frozen=True)
class SpecTest:
    """One test of the data."""

    id: str
    given: Message

    @property
    def expression(self) -> str:
        """The text."""
        return self.given["expr"][0].decode()

    def expected(self) -> Any:
        """The value, or `Error`. Raises NotOurs."""
        given = self.given
        if "value" in given:
            return value(given["value"][0])
        if "typed_result" in given:
            return value(given["typed_result"][0]["result"][0])
        return Error() if {"eval_error", "any_eval_errors"} & given.keys() else True

    def bindings(self) -> tuple[dict[str, Any], dict[str, Type]]:
        """The values of variables, and the types of all that are declared. Raises NotOurs."""
        values: dict[str, Any] = {}
        types: dict[str, Type] = {}
        for declared in self.given.get("type_env", []):
            if "ident" in declared:
                name = declared["name"][0].decode()
                types[name] = type_of(declared["ident"][0]["type"][0])
        for bound in self.given.get("bindings", []):
            name = bound["key"][0].decode()
            values[name] = value(bound["value"][0]["value"][0])
            types.setdefault(name, DYN)
        return values, types

    def outcomes(self) -> Iterator[tuple[str, Any]]:
        """What our two evaluators make of it, each a value or `Error`. Raises NotOurs."""
        values, types = self.bindings()
        checked = self.given.get("disable_check") != ["true"]
        try:
            compiled = program(self.expression, Lang.CEL, Vocabulary(), types, checked)
        except ExpressionError:
            yield "compile", Error()
            return
        for name, evaluate in (("run", compiled.run), ("walk", compiled.walk)):
            found = evaluate(Bag({}), values)
            yield name, Error() if isinstance(found, Failure) else found


def value(given: Message) -> Any:
    """A cel.expr.Value as ours. Raises NotOurs."""
    ((kind, (said, *_)),) = given.items()
    match kind:
        case "null_value":
            return None
        case "bool_value":
            return said == "true"
        case "int64_value":
            return integer(said)
        case "uint64_value":
            return Uint(integer(said))
        case "double_value":
            return double(said)
        case "string_value":
            return said.decode()
        case "bytes_value":
            return said
        case "type_value":
            return TypeValue(said.decode())
        case "list_value":
            return tuple(value(item) for item in said.get("values", []))
        case "map_value":
            return {
                key_of(value(entry["key"][0])): value(entry["value"][0])
                for entry in said.get("entries", [])
            }
        case "object_value":
            return _object(said)
    raise NotOurs(kind)


def _object(said: Message) -> Any:
    ((name, (fields, *_)),) = said.items()
    nanos = int(fields.get("seconds", ["0"])[0]) * NANOS + int(fields.get("nanos", ["0"])[0])
    if name.endswith("/google.protobuf.Timestamp]"):
        return Timestamp(nanos)
    if name.endswith("/google.protobuf.Duration]"):
        return Duration(nanos)
    raise NotOurs(name)


def type_of(given: Message) -> Type:
    """A cel.expr.Type as ours. Raises NotOurs."""
    ((kind, (said, *_)),) = given.items()
    match kind:
        case "primitive":
            return _PRIMITIVES[said]
        case "map_type":
            return map_of(type_of(said["key_type"][0]), type_of(said["value_type"][0]))
        case "list_type":
            return list_of(type_of(said["elem_type"][0]))
        case "well_known":
            return {"TIMESTAMP": TIMESTAMP, "DURATION": DURATION}.get(said, DYN)
        case "message_type":
            if found := _MESSAGES.get(said.decode()):
                return found
            raise NotOurs(said.decode())
    return DYN


def same(a: Any, b: Any) -> bool:
    """Whether two values are one, type and all; NaN is NaN here."""
    if type(a) is not type(b):
        return False
    match a:
        case float():
            return (a == b and math.copysign(1, a) == math.copysign(1, b)) or (a != a and b != b)
        case tuple():
            return len(a) == len(b) and all(map(same, a, b))
        case dict():
            return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return bool(a == b)


@cache
def spec_tests() -> Mapping[str, SpecTest]:
    """All tests of the data by id, ``file/section/name``."""
    found = {}
    for path in sorted(DATA.glob("*.textproto")):
        for section in parse(path.read_text(encoding="utf-8"))["section"]:
            for given in section["test"]:
                id_ = f"{path.stem}/{section['name'][0].decode()}/{given['name'][0].decode()}"
                assert id_ not in found
                found[id_] = SpecTest(id_, given)
    return found


def passes(test: SpecTest) -> bool:
    """Whether both evaluators give what the test expects. Raises NotOurs."""
    expected = test.expected()
    return all(same(found, expected) for _, found in test.outcomes())


@cache
def skipped() -> Mapping[str, str]:
    """The reason of each test that is skipped, by id."""
    reasons = yaml.safe_load(SKIPPED.read_text(encoding="utf-8"))
    return {id_: reason for reason, ids in reasons.items() for id_ in ids}

"""
Our CEL against Google's own, on random expressions: ``python -m tests.conformance.differential``.

Both must fail, or have the same value of the same type. Our generated code, our evaluator and the
dynamic dispatch of values without static types must agree as well.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml

from attributes import Bag, Duration, Timestamp, Vocabulary
from mixer.errors import ExpressionError
from mixer.expr.compile import program
from mixer.expr.reads import Failure
from mixer.expr.types import Type
from mixer.expr.values import Optional, TypeValue, Uint, from_key, type_name
from mixer.lang import Lang
from tests.conformance.expressions import VARIABLES, values
from tests.conformance.rare import RareExpressions

DISAGREEMENTS = Path(__file__).with_name("disagreements.yaml")
EDGES = Path(__file__).with_name("edges.txt")
ERROR = ("error",)
_UNREADABLE = "Unable to convert function return value"
_TYPES = {
    "null_type": "null",
    "google.protobuf.Timestamp": "timestamp",
    "google.protobuf.Duration": "duration",
}
"""Types that the two sides name differently."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Outcome:
    """What came of one expression."""

    text: str
    given: Mapping[str, Any]
    ours: Any
    theirs: Any
    why: str = ""
    """Their error, where there is one."""

    our_why: str = ""

    @property
    def agrees(self) -> bool:
        """Whether both fail or have one value."""
        return self.ours == self.theirs

    @property
    def compiles(self) -> bool:
        """Whether their checker takes it."""
        return not self.why.startswith("INVALID_ARGUMENT: ERROR: <input>")


def compare(text: str, given: Mapping[str, Any]) -> Outcome:
    """Evaluate *text* on both sides."""
    ours, our_why = _ours(text, given)
    theirs, why = _theirs(text, given)
    if _UNREADABLE in why and theirs == ERROR:  # an optional, but a list of what it holds is not
        items, why = _theirs(f"[?({text})]", given)
        theirs = ERROR if items == ERROR else ("optional_type", *items[1])
    return Outcome(text, given, ours, theirs, why, our_why)


def _ours(text: str, given: Mapping[str, Any]) -> tuple[Any, str]:
    try:
        compiled = program(text, Lang.CEL, Vocabulary(), VARIABLES)
    except ExpressionError as error:
        return ERROR, error.message
    bag = Bag({})
    found = compiled.run(bag, given)
    walked = compiled.walk(bag, given)
    untyped = program(text, Lang.CEL, Vocabulary(), VARIABLES, checked=False).run(bag, given)
    shown = [
        ERROR if isinstance(one, Failure) else _normal(one) for one in (found, walked, untyped)
    ]
    if shown[0] != shown[1] or shown[0] != shown[2]:
        raise AssertionError(f"our three ways differ on {text} with {given}: {shown}")
    return shown[0], found.message if isinstance(found, Failure) else ""


def _normal(value: Any) -> Any:
    """A value of ours with its type, in a form that both sides can have."""
    kind = type_name(value)
    match value:
        case tuple():
            return (kind, tuple(map(_normal, value)))
        case dict():
            entries = [(_key(from_key(key)), _normal(item)) for key, item in value.items()]
            return (kind, tuple(sorted(entries)))
        case Timestamp() | Duration():
            return (kind, value // 1000)
        case float():
            return (kind, _float(value))
        case Uint():
            return (kind, int(value))
        case TypeValue():
            return (kind, _TYPES.get(value.name, value.name))
        case Optional():
            return (kind, *([_normal(value.value)] if value.present else []))
    return (kind, value)


def _key(key: Any) -> str:
    """A key as Python shows it; theirs do not tell uint from int."""
    return repr(int(key) if isinstance(key, Uint) else key)


def _float(value: float) -> Any:
    return "nan" if value != value else (value, math.copysign(1, value))


@cache
def _google() -> Any:
    from cel_expr_python import cel
    from cel_expr_python.ext import ext_bindings, ext_encoders, ext_math, ext_optional, ext_strings

    names = {
        "BOOL": cel.Type.BOOL, "INT64": cel.Type.INT, "uint": cel.Type.UINT,
        "DOUBLE": cel.Type.DOUBLE, "STRING": cel.Type.STRING, "bytes": cel.Type.BYTES,
        "TIMESTAMP": cel.Type.TIMESTAMP, "DURATION": cel.Type.DURATION,
    }  # fmt: skip

    def theirs(type_: Type) -> Any:
        if type_.name == "list":
            return cel.Type.List(theirs(type_.params[0]))
        if type_.name == "map":
            return cel.Type.Map(*map(theirs, type_.params))
        return names[type_.name]

    return cel.NewEnv(
        variables={name: theirs(type_) for name, type_ in VARIABLES.items()},
        extensions=[
            ext_strings.ExtStrings(),
            ext_math.ExtMath(),
            ext_bindings.ExtBindings(),
            ext_encoders.ExtEncoders(),
            ext_optional.ExtOptional(),
        ],
    )


def _theirs(text: str, given: Mapping[str, Any]) -> tuple[Any, str]:
    try:
        compiled = _google().compile(text)
        found = compiled.eval(data={name: _sent(value) for name, value in given.items()})
        if found.type().name() == "*error*" or "ERROR" in repr(found.type()):
            return ERROR, str(found.value())
        return _normal_of(found), ""
    except (RuntimeError, TypeError) as error:  # TypeError: a text that is not UTF-8
        return ERROR, str(error)


def _sent(value: Any) -> Any:
    match value:
        case Timestamp():
            return _EPOCH + timedelta(microseconds=value // 1000)
        case Duration():
            return timedelta(microseconds=value // 1000)
        case tuple():
            return list(value)
    return int(value) if isinstance(value, Uint) else value


def _normal_of(found: Any) -> Any:
    kind, value = repr(found.type()), found.value()
    if kind.startswith("LIST"):
        return ("list", tuple([_normal_of(item) for item in value]))
    if kind.startswith("MAP"):
        return ("map", tuple(sorted((repr(key), _normal_of(item)) for key, item in value.items())))
    if kind == "TYPE":
        return ("type", repr(value).partition("<")[0].lower())
    match value:
        case datetime():
            return ("google.protobuf.Timestamp", (value - _EPOCH) // timedelta(microseconds=1))
        case timedelta():
            return ("google.protobuf.Duration", value // timedelta(microseconds=1))
        case float():
            return ("double", _float(value))
        case bytearray():
            return ("bytes", bytes(value))
    return ({"NULL": "null_type"}.get(kind, kind.lower()), value)


@cache
def disagreements() -> list[dict[str, Any]]:
    """The rows of disagreements.yaml that can be seen."""
    rows = yaml.safe_load(DISAGREEMENTS.read_text(encoding="utf-8"))
    return [row for row in rows if not row.get("avoided")]


def listed(outcome: Outcome) -> str:
    """The name of the known disagreement that *outcome* is, "" where it is none."""
    errors = f"ours: {outcome.our_why}\ntheirs: {outcome.why}"
    for row in disagreements():
        ignored = re.compile(row.get("ignore", "$^"))
        same = ignored.sub("", repr(outcome.ours)) == ignored.sub("", repr(outcome.theirs))
        if "ignore" in row and not same:
            continue
        if "unordered" in row and not _same_items(outcome.ours, outcome.theirs):
            continue
        if re.search(row.get("text", ""), outcome.text) and re.search(row.get("error", ""), errors):
            return str(row["name"])
    return ""


def _same_items(ours: Any, theirs: Any) -> bool:
    return ours[0] == theirs[0] == "list" and sorted(map(repr, ours[1])) == sorted(
        map(repr, theirs[1])
    )


def edges() -> list[str]:
    """Expressions at the edges of the language, which chance would seldom make."""
    lines = EDGES.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("# ")]


def run(cases: int, seed: int) -> Iterator[Outcome]:
    """The outcomes of so many random cases."""
    random = Random(seed)
    for _ in range(cases):
        yield compare(RareExpressions(random).make(), values(random))


def main() -> int:
    """Compare many cases, and print what differs without being listed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=20, help="disagreements to print")
    arguments = parser.parse_args()
    counts: Counter[str] = Counter()
    compiled = 0
    for outcome in run(arguments.cases, arguments.seed):
        compiled += outcome.compiles
        if outcome.agrees:
            counts["both fail" if outcome.ours == ERROR else "same value"] += 1
            continue
        name = listed(outcome)
        counts[f"listed: {name}" if name else "DISAGREE"] += 1
        if not name and counts["DISAGREE"] <= arguments.show:
            print(outcome.text, dict(outcome.given), sep="\n  ")
            print(
                f"  ours {outcome.ours} {outcome.our_why}\n  theirs {outcome.theirs} {outcome.why}"
            )
    for name, count in sorted(counts.items()):
        print(f"{count:8} {name}")
    print(f"{compiled:8} of {arguments.cases} compile in Google's")
    return int(counts["DISAGREE"] > 0)


if __name__ == "__main__":
    sys.exit(main())

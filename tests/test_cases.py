"""Runs the cases of tests/cases: calls, and what served rules make of them, as data."""

from __future__ import annotations

import json
import re
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
import yaml
from msgspec import Meta

from attributes import Bag, Duration, Timestamp, Value, ValueType, Vocabulary, parse_ip
from mixer.adapter import Code, QuotaArgs

CASES = Path(__file__).parent / "cases"
CONFIG = Path(__file__).parents[1] / "config"
START = 1_700_000_000


class Step(msgspec.Struct, forbid_unknown_fields=True):
    """One call, and what is expected of it. What a step does not mention is not looked at."""

    at: Annotated[str, Meta(description="Time since the case began, such as 10s.")] = "0s"
    check: Annotated[
        dict[str, Any] | None, Meta(description="Attributes by name; a Check is made of them.")
    ] = None
    report: Annotated[
        list[dict[str, Any]] | None, Meta(description="Attributes by name, for each bag.")
    ] = None
    quotas: Annotated[dict[str, int], Meta(description="Amounts asked for, best effort.")] = {}
    deduplication_id: str = ""

    rpc: Annotated[str, Meta(description="Name of the status code of the RPC itself.")] = "OK"
    code: Annotated[str, Meta(description="Name of the status code of the answer.")] = "OK"
    message: Annotated[str | None, Meta(description="The whole message of a denial.")] = None
    valid_for: Annotated[str | None, Meta(description="Such as 60s.")] = None
    valid_uses: int | None = None
    referenced: Annotated[
        dict[str, str] | None,
        Meta(description="EXACT or ABSENCE by NAME or NAME[KEY]: all that there are."),
    ] = None
    request_headers: Annotated[
        list[str] | None, Meta(description="Changes, such as `REPLACE x-user: ann`.")
    ] = None
    response_headers: list[str] | None = None
    direct_code: int | None = None
    direct_body: str | None = None
    granted: Annotated[dict[str, int], Meta(description="Amounts by quota.")] = {}
    quota_valid_for: Annotated[dict[str, str], Meta(description="Durations by quota.")] = {}
    metrics: Annotated[
        dict[str, float],
        Meta(
            description="Values by series, such as `x_total{a=b}`: the sum of the series that have "
            "these labels, and maybe more."
        ),
    ] = {}
    log: Annotated[
        list[dict[str, Any]], Meta(description="Entries of the log, or part of each one.")
    ] = []


class Case(msgspec.Struct, forbid_unknown_fields=True):
    """Calls made one after another to a server that has just started."""

    name: Annotated[str, Meta(description="A sentence that could be false.")]
    steps: list[Step]


class Cases(msgspec.Struct, forbid_unknown_fields=True):
    """Cases for one configuration."""

    cases: list[Case]
    files: Annotated[list[str], Meta(description="Paths below config/.")] = []
    inline: Annotated[str, Meta(description="More resources, as YAML text.")] = ""


def schema() -> str:
    """The JSON Schema of a file of cases."""
    return json.dumps(msgspec.json.schema(Cases), indent=2) + "\n"


def cases() -> Iterator[Any]:
    for file in sorted(CASES.glob("*.yaml")):
        read = msgspec.convert(yaml.safe_load(file.read_text()), Cases)
        for case in read.cases:
            yield pytest.param(read, case, id=f"{file.stem}: {case.name}")


def value(written: Any, kind: ValueType) -> Value:
    """The attribute value that YAML's *written* stands for."""
    match kind:
        case ValueType.TIMESTAMP:
            return Timestamp.parse(written)
        case ValueType.DURATION:
            return Duration.parse(written)
        case ValueType.IP_ADDRESS:
            return parse_ip(written)
        case ValueType.DOUBLE:
            return float(written)
        case _:
            result: Value = written
            return result


def bag(written: Mapping[str, Any], vocabulary: Vocabulary) -> Bag:
    return Bag({name: value(text, vocabulary[name].type) for name, text in written.items()})

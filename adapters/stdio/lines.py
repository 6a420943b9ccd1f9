"""Instances to lines; what can be known of a shape is settled before the first one comes."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any, TypeAlias

from adapters.stdio.config import Level, StdioConfig
from mixer.adapter import (
    Duration,
    Line,
    LogEntry,
    Metric,
    Shape,
    Show,
    Timestamp,
    Value,
    ValueType,
    ip_text,
)
from mixer.adapter.records import plain

Piece: TypeAlias = str | tuple[str, Show]

NAMES = {Level.INFO: "info", Level.WARNING: "warn", Level.ERROR: "error"}
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def line_of(
    shape: Shape, config: StdioConfig, masked: frozenset[str], now: Callable[[], int]
) -> Line:
    """How instances of *shape* are written; a metric, which has no time, at the time of *now*."""
    level: Piece
    time: Piece
    if shape.template is LogEntry:
        path, time = "variables", ("timestamp", str)
        level = ("severity", lambda severity: NAMES[level_of(severity, config)])
    else:
        path, time = "dimensions", ("name", lambda _: str(Timestamp(now())))
        level = NAMES[config.metric_level]
    fields = fields_of(shape, path, masked)
    if not config.output_as_json:
        return Line([time, "\t", level, f"\t{shape.name}\t{{", *fields, "}\n"])
    name = f'","instance":{_encode(shape.name)}{"," if fields else ""}'
    return Line(['{"level":"', level, '","time":"', time, name, *fields, "}\n"])


def level_of(severity: str, config: StdioConfig) -> Level:
    """The level of a log entry."""
    return config.severity_levels.get(severity, Level.INFO)


def fields_of(shape: Shape, path: str, masked: frozenset[str]) -> list[Piece]:
    """The keys and values of the map at *path*, and before them a metric's value, in JSON."""
    fields = [(key, f"{path}.{key}") for key in shape.keys(path)]
    if shape.template is Metric and "value" in shape.types:
        fields.insert(0, ("value", "value"))
    pieces: list[Piece] = []
    for at, (key, place) in enumerate(fields):
        pieces.append(f"{',' if at else ''}{_encode(key)}:")
        pieces.append((place, _shower(shape.types[place], masked)))
    return pieces


@lru_cache
def _shower(type_: ValueType, masked: frozenset[str]) -> Show:
    """What shows values of a type, quickly where they are of the class that they should be."""

    def other(value: Value | None) -> str:
        return _encode(plain(value, masked))

    def string(value: Value | None) -> str:
        return encode_basestring(value) if value.__class__ is str else other(value)

    def number(value: Value | None) -> str:
        return str(value) if value.__class__ is int else other(value)

    def address(value: Any) -> str:
        return f'"{ip_text(value)}"' if value.__class__ is bytes else other(value)

    def time(value: Value | None) -> str:
        return f'"{value}"' if value.__class__ is Timestamp else other(value)

    def span(value: Value | None) -> str:
        return f'"{value}"' if value.__class__ is Duration else other(value)

    match type_:
        case ValueType.STRING | ValueType.DNS_NAME | ValueType.EMAIL_ADDRESS | ValueType.URI:
            return string
        case ValueType.INT64:
            return number
        case ValueType.IP_ADDRESS:
            return address
        case ValueType.TIMESTAMP:
            return time
        case ValueType.DURATION:
            return span
        case _:
            return other

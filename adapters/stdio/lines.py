"""Instances to lines; what can be known of a shape is settled before the first one comes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring
from typing import TypeAlias

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


def _shower(type_: ValueType, masked: frozenset[str]) -> Show:
    """What shows values of a type, quickly where they are of the class that they should be."""

    def other(value: Value | None) -> str:
        return _encode(plain(value, masked))

    def show(value: Value | None) -> str:
        return quickly(value) if value.__class__ is usual else other(value)

    usual, quickly = _QUICK.get(type_, (None, other))
    return show


_QUICK: Mapping[ValueType, tuple[type, Show]] = {
    **dict.fromkeys(
        (ValueType.STRING, ValueType.DNS_NAME, ValueType.EMAIL_ADDRESS, ValueType.URI),
        (str, encode_basestring),
    ),
    ValueType.INT64: (int, str),
    ValueType.IP_ADDRESS: (bytes, lambda address: f'"{ip_text(address)}"'),
    ValueType.TIMESTAMP: (Timestamp, lambda time: f'"{time}"'),
    ValueType.DURATION: (Duration, lambda span: f'"{span}"'),
}

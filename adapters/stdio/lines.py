"""Instances to lines; what can be known of a shape is settled before the first one comes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from adapters.stdio.config import Level
from mixer.adapter import Duration, LogEntry, Metric, Shape, Timestamp, Value, ip_text

Render: TypeAlias = Callable[[Level, Timestamp, Mapping[str, Value], Value | None], str]

NAMES = {Level.INFO: "info", Level.WARNING: "warn", Level.ERROR: "error"}
MASK = "***"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def renderer(shape: Shape, as_json: bool, masked: frozenset[str]) -> Render:
    """A function that makes the line of one instance of *shape*."""
    if shape.template is LogEntry:
        keys = shape.keys("variables")
        with_value = False
    else:
        keys = shape.keys("dimensions")
        with_value = shape.template is Metric and "value" in shape.types
    heads = {level: f'{{"level":"{NAMES[level]}","time":"' for level in Level}
    name = _encode(shape.name)
    labels = [(key, f",{_encode(key)}:") for key in keys]

    def fields(values: Mapping[str, Value], value: Value | None) -> str:
        found = [f',"value":{_encode(plain(value, masked))}'] if with_value else []
        found += [label + _encode(plain(values[key], masked)) for key, label in labels]
        return "".join(found)

    def as_object(
        level: Level, time: Timestamp, values: Mapping[str, Value], value: Value | None
    ) -> str:
        return f'{heads[level]}{time}","instance":{name}{fields(values, value)}}}\n'

    def as_columns(
        level: Level, time: Timestamp, values: Mapping[str, Value], value: Value | None
    ) -> str:
        return f"{time}\t{NAMES[level]}\t{shape.name}\t{{{fields(values, value)[1:]}}}\n"

    return as_object if as_json else as_columns


def plain(value: Value | None, masked: frozenset[str]) -> Any:
    """What JSON shows of *value*: numbers as such, times and durations and addresses as text."""
    match value:
        case str() | bool() | None:
            return value
        case Duration() | Timestamp():
            return str(value)
        case int() | float():
            return value if value == value and abs(value) != float("inf") else str(value)
        case bytes():
            return ip_text(value)
        case _:
            return {key: MASK if key.lower() in masked else held for key, held in value.items()}

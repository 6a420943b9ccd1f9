"""
One page of metrics from those of several processes.

Law: counters and histograms add up. Of a gauge the newest value counts where its lines say when
they were set, a time after the value; else the largest one, or the sum where that says more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

ADDED_GAUGES = frozenset(
    {
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
    }
)
"""Gauges of which each process has its share."""

_HEAD = re.compile(r"# (HELP|TYPE) (\S+) ?(.*)")


@dataclass(slots=True)
class _Family:
    """A metric: its lines about itself, and its samples in the order in which they came."""

    head: list[str] = field(default_factory=list)
    type: str = "untyped"
    samples: dict[str, str] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)


def merged(pages: Iterable[str]) -> str:
    """The metrics of all *pages*, which are in the text format of Prometheus; no times are left."""
    families: dict[str, _Family] = {}
    for page in pages:
        _add(families, page)
    return _text(families.values())


def lasting(page: str) -> str:
    """What of a *page* goes on counting when its process has ended: all but the gauges."""
    families: dict[str, _Family] = {}
    _add(families, page)
    return _text(family for family in families.values() if family.type != "gauge")


def restricted(page: str, to: str) -> str:
    """What of a *page* is about metrics that the page *to* has too, described in the same way."""
    known = {line for line in to.splitlines() if line.startswith("# TYPE ")}
    families: dict[str, _Family] = {}
    _add(families, page)
    return _text(
        family for name, family in families.items() if f"# TYPE {name} {family.type}" in known
    )


def _text(families: Iterable[_Family]) -> str:
    return "".join(
        "".join([*family.head, *(f"{key} {value}\n" for key, value in family.samples.items())])
        for family in families
    )


def _add(families: dict[str, _Family], page: str) -> None:
    family = families.setdefault("", _Family()) if page and page[0] != "#" else _Family()
    adds = newest = False
    for line in page.splitlines():
        if line.startswith("#"):
            if found := _HEAD.fullmatch(line):
                word, name, rest = found.groups()
                family = families.setdefault(name, _Family())
                if not any(held.startswith(f"# {word} ") for held in family.head):
                    family.head.append(line + "\n")
                if word == "TYPE":
                    family.type = rest
                newest = family.type == "gauge"
                adds = not newest or name in ADDED_GAUGES
            continue
        key, _, value = line.rpartition(" ")
        if newest and not key.endswith("}") and " " in key:
            time = float(value)
            key, _, value = key.rpartition(" ")
            if time < family.times.get(key, time):
                continue
            family.times[key] = time
            family.samples[key] = value
            continue
        before = family.samples.get(key)
        if before is None:
            family.samples[key] = value
        elif adds:
            family.samples[key] = _sum(before, value)
        elif float(value) > float(before):
            family.samples[key] = value


def _sum(one: str, other: str) -> str:
    if one.isdecimal() and other.isdecimal():
        return str(int(one) + int(other))
    return str(float(one) + float(other)).replace("inf", "Inf").replace("nan", "NaN")

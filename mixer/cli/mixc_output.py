"""What mixc prints, as scripts written for the original client expect it."""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from attributes import Duration
from attributes.values import NANOS
from mixer._pb import mixer_pb2 as pb
from mixer.errors import Code
from mixer.wire.words import Words


def code_name(code: grpc.StatusCode) -> str:
    """A gRPC code in the spelling of Go: ``ResourceExhausted``."""
    if code is grpc.StatusCode.CANCELLED:
        return "Canceled"
    if code is grpc.StatusCode.OK:
        return "OK"
    return "".join(part.capitalize() for part in code.name.split("_"))


def status_text(code: int, message: str) -> str:
    """A status: ``NAME``, or ``NAME (message)``."""
    name = Code(code).name if code in list(Code) else f"Code {code}"
    return f"{name} ({message})" if message else name


def check(response: pb.CheckResponse) -> str:
    """The lines that tell what a Check was answered."""
    precondition = response.precondition
    status = status_text(precondition.status.code, precondition.status.message)
    lines = [
        f"Check RPC completed successfully. Check status was {status}",
        f"  Valid use count: {precondition.valid_use_count}, "
        f"valid duration: {_duration(precondition.valid_duration)}",
        "  Referenced Attributes",
    ]
    rows = [
        (f"    {name}", pb.ReferencedAttributes.Condition.Name(condition))
        for name, condition in _matches(precondition.referenced_attributes)
    ]
    lines += [f"{name} {condition}" for name, condition in rows]
    if response.quotas:
        table = [("Quota", "Granted Amount", "Duration")]
        for name in sorted(response.quotas):
            quota = response.quotas[name]
            table.append((name, str(quota.granted_amount), _duration(quota.valid_duration)))
        lines += ["  " + line for line in _columns(table)]
    return "\n".join(lines) + "\n\n"


def _matches(
    references: pb.ReferencedAttributes,
) -> list[tuple[str, pb.ReferencedAttributes.Condition]]:
    """Names, maps with their key as ``map::key``, sorted."""

    words = Words(references.words)

    def word(index: int) -> str:
        found = words.at(index)
        return f"unknown word {index}" if found is None else found

    found = []
    for match in references.attribute_matches:
        name = word(match.name)
        if match.map_key:
            name = f"{name}::{word(match.map_key)}"
        found.append((name, match.condition))
    return sorted(found)


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows with all columns but the last padded to equal width and two spaces."""
    widths = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
    return [
        "".join(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)) + row[-1]
        for row in rows
    ]


def _duration(sent: object) -> str:
    seconds, nanos = getattr(sent, "seconds", 0), getattr(sent, "nanos", 0)
    return str(Duration(seconds * NANOS + nanos))

"""What the mixer answers to a Check, before it is put on the wire."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from attributes import Seen


class HeaderVerb(IntEnum):
    """What a header operation does (numbers of HeaderOperation.Operation)."""

    REPLACE = 0
    REMOVE = 1
    APPEND = 2


class HeaderChange(msgspec.Struct, frozen=True):
    """One operation on one header."""

    name: str
    value: str
    verb: HeaderVerb


class RouteDirective(msgspec.Struct, frozen=True):
    """What the sidecar is told beyond allow and deny."""

    request_headers: tuple[HeaderChange, ...] = ()
    response_headers: tuple[HeaderChange, ...] = ()
    direct_code: int = 0
    """HTTP status of a direct response; 0 means there is none."""

    direct_body: str = ""


class Precondition(msgspec.Struct, frozen=True):
    """May the call pass, and how long does the answer hold."""

    code: int
    message: str
    valid_for: float
    """Seconds."""

    valid_uses: int
    seen: Seen
    directive: RouteDirective | None = None
    rule: str = ""
    """Of a denial, whose it was: ``NAME.NAMESPACE`` of the rule."""

    handler: str = ""
    """And ``NAME.NAMESPACE`` of the handler."""


class Standing(msgspec.Struct, frozen=True):
    """How a quota stands for the dimensions of a call."""

    limit: int
    """Units that there are in all."""

    seconds: float
    """The window they are for; 0 where they come back only when they are given back."""

    remaining: int
    more_in: float = 0.0
    """Seconds until some units come back; 0 where nothing is taken, or none will."""

    resets_in: float = 0.0
    """Seconds until all are back, if no more are taken."""


class QuotaAnswer(msgspec.Struct, frozen=True):
    """How much of a quota the call may use."""

    granted: int
    valid_for: float
    """Seconds."""

    seen: Seen
    code: int = 0
    message: str = ""
    rule: str = ""
    """Whose grant it is, the smallest of all: ``NAME.NAMESPACE`` of the rule."""

    handler: str = ""
    """And ``NAME.NAMESPACE`` of the handler."""

    standing: Standing | None = None
    """How the quota stands, where the caller wants to know and the handler says it."""


class CheckAnswer(msgspec.Struct, frozen=True):
    """The whole answer to a Check."""

    precondition: Precondition
    quotas: dict[str, QuotaAnswer] = {}
    """By the name asked for, in order of name."""

"""What an adapter answers: verdicts and grants."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mixer.answers import Standing as Standing  # part of what an adapter answers
from mixer.errors import Code


class DirectResponse(msgspec.Struct, frozen=True):
    """What the sidecar sends to its client instead of the plain denial (DirectHttpResponse)."""

    code: int = 0
    """HTTP status; 0 means the one that fits the verdict's code."""

    body: str = ""
    headers: Mapping[str, str] = {}
    """Response headers; a Set-Cookie value is split at commas into one header each."""


class Verdict(msgspec.Struct, frozen=True):
    """The answer to a check."""

    code: int = Code.OK
    """gRPC status code; anything but OK denies."""

    message: str = ""
    """What the client is told on a denial, after the handler's name."""

    valid_for: float = 60.0
    """Seconds a sidecar may reuse this answer."""

    valid_uses: int = 10_000
    """How often a sidecar may reuse it. An OK with 0 seconds and 0 uses has no say in the
    combined validity; a denial with both 0 is not cached."""

    direct: DirectResponse | None = None

    @classmethod
    def deny(
        cls,
        message: str,
        *,
        code: int = Code.PERMISSION_DENIED,
        valid_for: float = 5.0,
        valid_uses: int = 1_000,
    ) -> Verdict:
        """Refuse; *message* reaches the client."""
        return cls(code, message, valid_for, valid_uses)


ALLOW = Verdict()


class WantedLimit(msgspec.Struct, frozen=True):
    """So many units in so long a time."""

    amount: int
    seconds: int


class QuotaArgs(msgspec.Struct, frozen=True):
    """How much a caller wants of one quota."""

    amount: int = 1
    """Units asked for; a negative amount gives units back."""

    best_effort: bool = False
    """True: any part of the amount will do. False: all or nothing."""

    deduplication_id: str = ""
    """Equal for retries of one call and quota; empty means no deduplication."""

    tells: bool = False
    """True: the caller wants to know how the quota stands afterwards, see `Grant.standing`."""

    limit: WantedLimit | None = None
    """In place of the configured limit; counted apart from it. An adapter need not follow it."""


class Grant(msgspec.Struct, frozen=True):
    """The answer to an allocation."""

    amount: int
    """Units granted, 0 for a refusal; for a release, the units that were given back."""

    valid_for: float = 0.0
    """Seconds until the grant expires; 0 means it does not expire by itself."""

    code: int = Code.OK
    message: str = ""
    standing: Standing | None = None
    """For callers who want to know; an adapter need not tell."""

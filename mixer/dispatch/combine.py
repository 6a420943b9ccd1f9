"""Many verdicts to one precondition (spec: runtime, combining; design: semantics 1, 2, 10)."""

from __future__ import annotations

from collections.abc import Sequence

from mixer.adapter.results import DirectResponse, Verdict
from mixer.answers import HeaderChange, HeaderVerb, RouteDirective
from mixer.errors import Code

DEFAULT_SECONDS = 60.0
DEFAULT_USES = 10_000

NOBODY = Verdict(Code.OK, "", DEFAULT_SECONDS, DEFAULT_USES)
"""What holds where nobody has a say."""

HTTP_STATUS: dict[int, int] = {
    Code.OK: 200,
    Code.CANCELLED: 408,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.UNAUTHENTICATED: 401,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 412,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
}
"""HTTP status of a direct response that names none, by gRPC code."""


def combine(verdicts: Sequence[tuple[str, Verdict]]) -> Verdict:
    """
    The one verdict of all, given in order with the name each speaks under.

    The first denial gives code and direct response, the messages of all are joined. Validity is
    the shortest of those that have a say.
    """
    if not verdicts:
        return NOBODY
    if len(verdicts) == 1:
        # Fast path: most calls meet one handler, and its answer stands.
        only = verdicts[0][1]
        has_a_say = only.valid_for or only.valid_uses
        if has_a_say and not (only.code or only.message or only.direct):
            return only
    heard = [
        verdict
        for _, verdict in verdicts
        if verdict.code or verdict.valid_for or verdict.valid_uses
    ]
    denials = [(name, verdict) for name, verdict in verdicts if verdict.code]
    return Verdict(
        code=denials[0][1].code if denials else Code.OK,
        message=", ".join(f"{name}:{verdict.message}" for name, verdict in denials),
        valid_for=min((verdict.valid_for for verdict in heard), default=DEFAULT_SECONDS),
        valid_uses=min((verdict.valid_uses for verdict in heard), default=DEFAULT_USES),
        direct=denials[0][1].direct if denials else None,
    )


def directive(code: int, direct: DirectResponse) -> RouteDirective:
    """What the sidecar is told of a direct response to a denial with gRPC *code*."""
    changes: list[HeaderChange] = []
    for name, value in direct.headers.items():
        if name.lower() == "set-cookie":
            changes += [
                HeaderChange(name, cookie.strip(), HeaderVerb.APPEND) for cookie in value.split(",")
            ]
        else:
            changes.append(HeaderChange(name, value, HeaderVerb.REPLACE))
    return RouteDirective(
        response_headers=tuple(changes),
        direct_code=direct.code or HTTP_STATUS.get(code, 500),
        direct_body=direct.body,
    )

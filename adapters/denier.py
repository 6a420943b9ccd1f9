"""
Deny every call that a rule sends here.

Example::

    apiVersion: config.istio.io/v1alpha2
    kind: handler
    metadata: {name: denyall, namespace: istio-system}
    spec:
      compiledAdapter: denier
      params:
        status:
          code: PERMISSION_DENIED
          message: Not allowed
        validDuration: 10s
        validUseCount: 100

A denial may carry its own HTTP response, for instance a redirect::

    apiVersion: config.istio.io/v1alpha2
    kind: handler
    metadata: {name: login, namespace: istio-system}
    spec:
      compiledAdapter: denier
      params:
        status:
          code: UNAUTHENTICATED
          details:
          - "@type": type.googleapis.com/istio.policy.v1beta1.DirectHttpResponse
            code: Found
            headers: {location: "https://login.example.com"}
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum

import msgspec

from mixer.adapter import (
    Adapter,
    Allocates,
    CheckNothing,
    Checks,
    Code,
    Config,
    DirectResponse,
    Duration,
    Env,
    FieldProblem,
    Grant,
    ListEntry,
    NonNegative,
    Quota,
    QuotaArgs,
    Shape,
    Verdict,
    hookimpl,
)

DIRECT_RESPONSE = "type.googleapis.com/istio.policy.v1beta1.DirectHttpResponse"
REFUSED = Grant(0)


class HttpStatusCode(IntEnum):
    """HTTP statuses of a direct response, named as in istio.policy.v1beta1.HttpStatusCode."""

    Empty = 0
    Continue = 100
    OK = 200
    Created = 201
    Accepted = 202
    NonAuthoritativeInformation = 203
    NoContent = 204
    ResetContent = 205
    PartialContent = 206
    MultiStatus = 207
    AlreadyReported = 208
    IMUsed = 226
    MultipleChoices = 300
    MovedPermanently = 301
    Found = 302
    SeeOther = 303
    NotModified = 304
    UseProxy = 305
    TemporaryRedirect = 307
    PermanentRedirect = 308
    BadRequest = 400
    Unauthorized = 401
    PaymentRequired = 402
    Forbidden = 403
    NotFound = 404
    MethodNotAllowed = 405
    NotAcceptable = 406
    ProxyAuthenticationRequired = 407
    RequestTimeout = 408
    Conflict = 409
    Gone = 410
    LengthRequired = 411
    PreconditionFailed = 412
    PayloadTooLarge = 413
    URITooLong = 414
    UnsupportedMediaType = 415
    RangeNotSatisfiable = 416
    ExpectationFailed = 417
    MisdirectedRequest = 421
    UnprocessableEntity = 422
    Locked = 423
    FailedDependency = 424
    UpgradeRequired = 426
    PreconditionRequired = 428
    TooManyRequests = 429
    RequestHeaderFieldsTooLarge = 431
    InternalServerError = 500
    NotImplemented = 501
    BadGateway = 502
    ServiceUnavailable = 503
    GatewayTimeout = 504
    HTTPVersionNotSupported = 505
    VariantAlsoNegotiates = 506
    InsufficientStorage = 507
    LoopDetected = 508
    NetworkAuthenticationRequired = 511


class DirectHttpResponse(Config, frozen=True):
    """What the client gets instead of the sidecar's plain denial."""

    type_url: str = msgspec.field(default=DIRECT_RESPONSE, name="@type")
    """Type of this detail; DirectHttpResponse is the only one there is."""

    code: HttpStatusCode = HttpStatusCode.Empty
    """HTTP status, by name or number; left out, it follows from the status code."""

    body: str = ""
    """Body of the response."""

    headers: dict[str, str] = {}
    """Headers of the response; commas in Set-Cookie separate cookies."""


class Status(Config, frozen=True):
    """
    How a call is refused (google.rpc.Status).

    Unlike the original, a status without a code is still a denial, not an OK.
    """

    code: Code = Code.FAILED_PRECONDITION
    """gRPC status code, by name or number. OK lets the call pass."""

    message: str = ""
    """Text for the client; it follows the handler's name."""

    details: tuple[DirectHttpResponse, ...] = ()
    """HTTP response to send; only the first one counts."""


class DenierConfig(Config, frozen=True):
    """Params of denier."""

    status: Status = Status()
    """The answer to every check."""

    valid_duration: Duration = Duration.of(5)
    """How long a sidecar may reuse the answer."""

    valid_use_count: NonNegative = 1000
    """How often a sidecar may reuse the answer."""


class Denier(
    Adapter[DenierConfig], Checks[CheckNothing | ListEntry], Allocates[Quota], name="denier"
):
    """Answers every check with one status, and every allocation with nothing."""

    def __init__(self, config: DenierConfig, env: Env) -> None:
        super().__init__(config, env)
        direct = next(
            (
                DirectResponse(detail.code, detail.body, detail.headers)
                for detail in config.status.details
            ),
            None,
        )
        self._verdict = Verdict(
            config.status.code,
            config.status.message,
            config.valid_duration.seconds,
            config.valid_use_count,
            direct,
        )

    @classmethod
    def problems(cls, config: DenierConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
        """Find details of a type that nothing could be done with, and a negative duration."""
        for index, detail in enumerate(config.status.details):
            if detail.type_url.rpartition("/")[2] != DIRECT_RESPONSE.rpartition("/")[2]:
                yield FieldProblem(
                    f"status.details[{index}].@type",
                    f"{detail.type_url!r} is not a type of detail that a sidecar understands",
                    f"use {DIRECT_RESPONSE!r}",
                )
        if config.valid_duration < 0:
            yield FieldProblem("valid_duration", f"'{config.valid_duration}' is less than 0")

    def check(self, instance: CheckNothing | ListEntry, /) -> Verdict:
        """Refuse."""
        return self._verdict

    def allocate(self, instance: Quota, args: QuotaArgs, /) -> Grant:
        """Grant nothing."""
        return REFUSED


@hookimpl
def mixer_adapters() -> list[type[Denier]]:
    """Offer the adapter at the plugin door."""
    return [Denier]

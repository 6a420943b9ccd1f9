"""The cases measured: a configuration, a body, and how the load arrives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the result."""

    name: str
    rpc: Literal["Check", "Report", "StreamAccessLogs"]
    config: str
    """Folder below istio-config/."""

    body: str
    """See `bench.bodies.body`."""

    requests: int
    """Requests of one run."""

    connections: int = 2
    streams: int = 8
    """Requests in flight on each connection."""

    bags: int = 1
    """Attribute bags in one request; what is quoted is CPU per bag."""

    unique: bool = False
    """True gives every request a deduplication id of its own, so that no quota is answered from
    memory."""

    reordered: bool = False
    """True has the words of each request in another order."""

    service: str = "istio.mixer.v1.Mixer"

    options: tuple[str, ...] = ()
    """Of ``mixs server``, beside those that all cases have."""

    behind_envoy: bool = False
    """True sends all by an Envoy, whose headers change with each request."""


AUTHORIZATION = "envoy.service.auth.v3.Authorization"
ACCESS_LOG = "envoy.service.accesslog.v3.AccessLogService"

CASES = (
    Case("check without rules", "Check", "norule", "check", 10_000),
    Case("check", "Check", "check", "check", 10_000),
    Case("check, one in flight", "Check", "check", "check", 10_000, connections=8, streams=1),
    Case("check, words reordered", "Check", "check", "check", 10_000, reordered=True),
    Case("check, two workers", "Check", "check", "check", 10_000, options=("--workers=2",)),
    Case("check, behind Envoy", "Check", "check", "check", 10_000, behind_envoy=True),
    Case("check with quota", "Check", "check", "check-quota", 10_000, unique=True),
    Case("ext_authz", "Check", "check", "ext-authz", 10_000, service=AUTHORIZATION),
    Case(
        "ext_authz, grpcio", "Check", "check", "ext-authz", 10_000, service=AUTHORIZATION,
        options=("--transport=grpcio",),
    ),
    Case("report of one", "Report", "telemetry", "report-1", 10_000),
    Case(
        "report of one, reordered", "Report", "telemetry", "report-1", 10_000, reordered=True,
    ),
    Case("report, independent", "Report", "telemetry", "report-100-independent", 200, bags=100),
    Case("report, delta", "Report", "telemetry", "report-100-delta", 200, bags=100),
    Case(
        "access log entries", "StreamAccessLogs", "telemetry", "access-log-100", 200,
        bags=100, service=ACCESS_LOG,
    ),
    Case("report with log", "Report", "telemetry-log", "report-100-independent", 200, bags=100),
)  # fmt: skip

"""Everything the command line says about a server, and about one that has workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from mixer.runtime import Options
from mixer.server.loadshedding import Options as SheddingOptions
from mixer.server.probes import Probe
from mixer.telemetry.logs import LogOptions
from mixer.transport.calls import Limits
from mixer.transport.listener import Tls

Transport: TypeAlias = Literal["native", "grpcio"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the command line says about a server."""

    sources: tuple[str, ...]
    address: str = "tcp://127.0.0.1:9091"
    monitoring_host: str = "127.0.0.1"
    monitoring_port: int = 15014
    drain: float = 10.0
    """Seconds that calls in flight have to end when the server stops."""

    drain_delay: float = 0.0
    """Seconds that it goes on before, while health says that it stops."""

    tls: Tls | None = None
    transport: Transport = "native"
    reporter: str = "inbound"
    """The attribute context.reporter.kind of an Envoy that does not say it."""

    limits: Limits = field(default_factory=Limits)
    options: Options = field(default_factory=Options)
    shedding: SheddingOptions = field(default_factory=SheddingOptions)
    liveness: Probe = field(default_factory=Probe)
    readiness: Probe = field(default_factory=Probe)
    log: LogOptions = field(default_factory=LogOptions)
    notes: tuple[str, ...] = ()
    """What the operator should know about the flags given."""

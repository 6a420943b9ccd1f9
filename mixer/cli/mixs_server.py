"""``mixs server``: its flags, and what they mean to the server."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mixer.cli.flags import TRACING, Flag, add, idle_notes, number, one_of, seconds, truth, whole
from mixer.errors import StartError
from mixer.lang import Lang
from mixer.server.workers.cores import cores
from mixer.server.workers.seat import VARIABLE

NO_SOURCE = "no configuration: say where it is with --configStoreURL=fs:///PATH"
MAX_WORKERS = 62
"""One less than shared memory can tell apart: the front looks into it too."""

MAX_DEFAULT_WORKERS = 4

_NO_POOL = "handlers run on the event loop, which needs no pool"
_PORT = whole(0, 65535)

FLAGS: tuple[Flag, ...] = (
    Flag("port", 9091, "port of the gRPC API on 127.0.0.1", _PORT, "p"),
    Flag("address", "", "tcp://HOST:PORT or unix:///PATH of the gRPC API; overrides --port"),
    Flag("monitoringPort", 15014, "port of metrics, health and configuration", _PORT),
    Flag("monitoringAddress", "127.0.0.1", "address of the monitoring port; 0.0.0.0 for all"),
    Flag("maxMessageSize", 1 << 20, "largest request in bytes", whole(1)),
    Flag("maxConcurrentStreams", 1024, "calls at once on one connection", whole(1)),
    Flag("apiWorkerPoolSize", 1024, "size of the pool for calls", whole(1), idle=_NO_POOL),
    Flag("adapterWorkerPoolSize", 1024, "size of the pool of handlers", whole(1), idle=_NO_POOL),
    Flag("singleThreaded", False, "run everything in one thread", truth, idle=_NO_POOL),
    Flag(
        "numCheckCacheEntries",
        1_500_000,
        "size of the check cache",
        whole(0),
        idle="as in the original, there is no check cache",
    ),
    Flag("configStoreURL", "", "where the configuration is: fs:///PATH, or a path"),
    Flag("configDefaultNamespace", "istio-system", "namespace whose rules apply to all calls"),
    Flag(
        "configWaitTimeout",
        120.0,
        "time to wait for the configuration",
        seconds,
        idle="files are there or not",
    ),
    Flag(
        "unknownQuota", "allow", "allow or deny quotas that no rule knows", one_of("allow", "deny")
    ),
    Flag(
        "envoyReporter",
        "inbound",
        "context.reporter.kind of an Envoy that does not say it: inbound or outbound",
        one_of("inbound", "outbound"),
    ),
    Flag(
        "adapterDefault",
        [],
        "NAME.key=value: a param of all handlers of an adapter that do not give it; repeatable",
        repeated=True,
    ),
    Flag("drainTimeout", 10.0, "time that calls in flight have when the server stops", seconds),
    Flag(
        "drainDelay",
        0.0,
        "time that the server goes on before that, while health says that it stops",
        seconds,
    ),
    Flag("livenessProbePath", "", "file that is fresh while the server is alive"),
    Flag("livenessProbeInterval", 0.0, "how fresh", seconds),
    Flag("readinessProbePath", "", "file that is fresh while the server is ready"),
    Flag("readinessProbeInterval", 0.0, "how fresh", seconds),
    Flag("profile", True, "profiling pages", truth, idle="there are none; use py-spy"),
    Flag("useAdapterCRDs", True, "read a kind for each adapter", truth, idle="always read"),
    Flag("useTemplateCRDs", True, "read a kind for each template", truth, idle="always read"),
    Flag(
        "transport",
        "native",
        "native or grpcio: who speaks HTTP/2; grpcio costs ten times the CPU",
        one_of("native", "grpcio"),
    ),
    Flag(
        "workers",
        0,
        "processes that serve calls; 0 is one for each core, at most 4, and 1 with grpcio",
        whole(0, MAX_WORKERS),
    ),
    Flag("serverCertFile", "", "certificate chain of the gRPC API in PEM; turns on TLS"),
    Flag("serverKeyFile", "", "its private key"),
    Flag("clientCAFile", "", "certificate authority of clients; turns on mutual TLS"),
    Flag("certFile", "/etc/certs/cert-chain.pem", "for mcps://", idle="mcps:// is not supported"),
    Flag("keyFile", "/etc/certs/key.pem", "for mcps://", idle="mcps:// is not supported"),
    Flag("caCertFile", "/etc/certs/root-cert.pem", "for mcps://", idle="mcps:// is not supported"),
    Flag("log_target", ["stdout"], "stdout, stderr or a path; repeatable", repeated=True),
    Flag("log_rotate", "", "path of a log file that is rotated"),
    Flag("log_rotate_max_age", 30, "days", whole(0), idle="backups are limited by number"),
    Flag("log_rotate_max_size", 104_857_600, "bytes of a log file before it is rotated", whole(0)),
    Flag("log_rotate_max_backups", 1000, "rotated files to keep", whole(0)),
    Flag("log_as_json", False, "log JSON instead of text", truth),
    Flag("log_output_level", "default:info", "SCOPE:LEVEL,...; levels none to debug"),
    Flag("log_stacktrace_level", "default:none", "stacks", idle="exceptions always show theirs"),
    Flag("log_caller", "", "scopes that log callers", idle="callers are not logged"),
    *TRACING,
    Flag("ctrlz_port", 9876, "introspection", _PORT, idle="use /configz of the monitoring port"),
    Flag("ctrlz_address", "localhost", "introspection", idle="use /configz"),
    Flag(
        "loadsheddingMode",
        "disabled",
        "disabled, logonly or enforce",
    ),
    Flag("averageLatencyThreshold", 0.0, "shed above this latency; 0 is off", seconds),
    Flag("latencySamplesPerSecond", math.inf, "samples of the latency", number()),
    Flag("latencySampleHalflife", 1.0, "half-life of a sample", seconds),
    Flag("latencyEnforcementThreshold", 100.0, "calls per second that always pass", number()),
    Flag("maxRequestsPerSecond", 0.0, "shed above this rate; 0 is off", number()),
    Flag("burstSize", 0, "calls that may come at once", whole(0)),
)


def add_parser(commands: Any) -> None:
    """Add the command to those of mixs."""
    parser = commands.add_parser("server", help="serve sidecars")
    add(parser, FLAGS)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Serve until stopped. Raises StartError."""
    import asyncio

    seat = environment.get(VARIABLE)
    if seat is None and (workers := _workers(arguments)) > 1:
        from mixer.server.workers import front

        asyncio.run(front.serve(_front(arguments, environment, workers)))
        return 0

    def prepare() -> tuple[Any, Any]:
        from mixer.adapter import catalogue

        adapters = catalogue.load()
        return _settings(arguments, environment, adapters), adapters

    if seat is not None:
        from mixer.server.workers.seat import Seat
        from mixer.server.workers.worker import work

        return asyncio.run(work(Seat.parse(seat), prepare))

    from mixer.server.app import serve

    asyncio.run(serve(*prepare()))
    return 0


def _workers(arguments: argparse.Namespace) -> int:
    native = arguments.transport == "native"
    if arguments.workers > 1 and not native:
        raise StartError(
            f"--workers {arguments.workers} needs --transport native; "
            f"--transport {arguments.transport} serves with --workers 1"
        )
    return arguments.workers or (min(cores(), MAX_DEFAULT_WORKERS) if native else 1)


def _front(arguments: argparse.Namespace, environment: Mapping[str, str], workers: int) -> Any:
    """What the front needs to know; all else is the workers', who complain if it is wrong."""
    from mixer.server.probes import Probe
    from mixer.server.workers.front import FrontSettings

    if not arguments.configStoreURL:
        raise StartError(NO_SOURCE)
    return FrontSettings(
        workers=workers,
        command=(sys.executable, *sys.orig_argv[1:]),
        environment=environment,
        address=_address(arguments),
        monitoring_host=arguments.monitoringAddress,
        monitoring_port=arguments.monitoringPort,
        drain=arguments.drainTimeout,
        drain_delay=arguments.drainDelay,
        liveness=_probe(Probe, arguments.livenessProbePath, arguments.livenessProbeInterval),
        readiness=_probe(Probe, arguments.readinessProbePath, arguments.readinessProbeInterval),
        log=log_options(arguments),
        sources=tuple(arguments.configStoreURL.split(",")),
        notes=idle_notes(FLAGS, arguments),
    )


def _settings(arguments: argparse.Namespace, environment: Mapping[str, str], adapters: Any) -> Any:
    from mixer.runtime import Options, options
    from mixer.server import loadshedding
    from mixer.server.probes import Probe
    from mixer.server.settings import Settings
    from mixer.transport.calls import Limits

    if not arguments.configStoreURL:
        raise StartError(NO_SOURCE)
    if arguments.trace_zipkin_url and arguments.trace_jaeger_url:
        raise StartError("give one of --trace_zipkin_url and --trace_jaeger_url, not both")
    mode = arguments.loadsheddingMode.lower()
    known = mode in ("logonly", "enforce")
    shedding = loadshedding.Options(
        loadshedding.Mode(mode if known else "disabled"),
        arguments.averageLatencyThreshold,
        arguments.latencySamplesPerSecond,
        arguments.latencySampleHalflife,
        arguments.latencyEnforcementThreshold,
        arguments.maxRequestsPerSecond,
        arguments.burstSize,
    )
    return Settings(
        sources=tuple(arguments.configStoreURL.split(",")),
        address=_address(arguments),
        monitoring_host=arguments.monitoringAddress,
        monitoring_port=arguments.monitoringPort,
        drain=arguments.drainTimeout,
        drain_delay=arguments.drainDelay,
        tls=tls(arguments),
        transport=arguments.transport,
        reporter=arguments.envoyReporter,
        limits=Limits(arguments.maxMessageSize, arguments.maxConcurrentStreams),
        options=Options(
            default_namespace=arguments.configDefaultNamespace,
            lang=lang(environment),
            deny_unknown_quota=arguments.unknownQuota == "deny",
            adapter_defaults=options.adapter_defaults(arguments.adapterDefault, adapters),
        ),
        shedding=shedding,
        liveness=_probe(Probe, arguments.livenessProbePath, arguments.livenessProbeInterval),
        readiness=_probe(Probe, arguments.readinessProbePath, arguments.readinessProbeInterval),
        log=log_options(arguments),
        notes=idle_notes(FLAGS, arguments),
    )


def lang(environment: Mapping[str, str]) -> Lang | None:
    """The language that ISTIO_LANG puts over all resources. Raises StartError."""
    said = environment.get("ISTIO_LANG")
    if said is None:
        return None
    if said not in Lang.__members__:
        raise StartError(f"ISTIO_LANG is {said!r}; it must be one of {', '.join(Lang.__members__)}")
    return Lang[said]


def _address(arguments: argparse.Namespace) -> str:
    return arguments.address or f"tcp://127.0.0.1:{arguments.port}"


def log_options(arguments: argparse.Namespace) -> Any:
    from mixer.telemetry import logs

    try:
        levels = logs.levels(arguments.log_output_level)
    except ValueError as error:
        raise StartError(f"--log_output_level: {error}") from None
    targets = arguments.log_target
    return logs.LogOptions(
        targets=tuple(targets[1:] or targets),
        rotate=arguments.log_rotate,
        rotate_max_bytes=arguments.log_rotate_max_size,
        rotate_max_backups=arguments.log_rotate_max_backups,
        as_json=arguments.log_as_json,
        levels=levels,
    )


def _probe(make: Any, path: str, interval: float) -> Any:
    return make(Path(path) if path else None, interval)


def tls(arguments: argparse.Namespace) -> Any:
    from mixer.transport.listener import Tls

    certificate, key = arguments.serverCertFile, arguments.serverKeyFile
    if not certificate and not key and not arguments.clientCAFile:
        return None
    if not (certificate and key):
        raise StartError("TLS needs both --serverCertFile and --serverKeyFile")
    ca = arguments.clientCAFile
    return Tls(Path(certificate), Path(key), Path(ca) if ca else None)

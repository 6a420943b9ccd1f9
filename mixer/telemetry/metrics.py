"""
The live values of the mixer's own metrics, by what counts them.

Law: labels are resolved when a configuration is linked; a call only adds to what it was given.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from mixer.telemetry.cells import Cells, Family, Number
from mixer.telemetry.table import TABLE


@dataclass(frozen=True, slots=True)
class SnapshotFigures:
    """What a configuration that came into force looks like, in numbers."""

    number: int
    attributes: int
    handlers: int
    instances: int
    rules: int
    errors_by_kind: Mapping[str, int]
    """Errors by ``handler``, ``instance`` and ``rule``."""

    match_errors: int
    problems: Mapping[str, int]
    """By severity."""

    kept: int
    unsatisfied: int
    opened: int
    reused: int
    failed: int
    destinations: Mapping[str, int] = field(default_factory=dict)
    """By variety."""


class CallMeter:
    """Counts the calls of one template, handler and adapter."""

    __slots__ = ("_bad", "_bounds", "_counts")

    def __init__(self, count: Family, time: Family, labels: tuple[str, ...]) -> None:
        good, self._bad = time.labels(*labels, "false"), time.labels(*labels, "true")
        count.totals(good, *labels, "false")
        count.totals(self._bad, *labels, "true")
        self._bounds, self._counts = good.bounds, good.counts

    def succeeded(self, seconds: float, /) -> None:
        """Count a call that took *seconds*."""
        # `Histogram.observe`, in place: a call of it would be a tenth of the host's overhead.
        counts = self._counts
        counts[bisect_left(self._bounds, seconds)] += 1
        counts[-1] += seconds

    def failed(self, seconds: float, /) -> None:
        """Count a call that gave no result, after so many *seconds*."""
        self._bad.observe(seconds)


class GuardMeter:
    """Counts the calls that one handler was spared."""

    __slots__ = ("_count", "_handler")

    def __init__(self, count: Family, handler: str) -> None:
        self._count, self._handler = count, handler

    def refused(self, reason: str, /) -> None:
        """Count a call that was not let through."""
        self._count.labels(self._handler, reason).add()


class DeliveryMeter:
    """Counts what becomes of the queued instances of one template and handler."""

    __slots__ = ("_count", "_delivered", "_labels", "_retried", "_taken")

    def __init__(self, count: Family, retries: Family, labels: tuple[str, str]) -> None:
        self._count, self._labels = count, labels
        self._taken = count.labels(*labels, "taken")
        self._delivered = count.labels(*labels, "delivered")
        self._retried = retries.labels(*labels)

    def taken(self, instances: int, /) -> None:
        """Count instances that came."""
        self._taken.value += instances

    def delivered(self, instances: int, /) -> None:
        """Count instances that the back end took."""
        self._delivered.value += instances

    def dropped(self, reason: str, instances: int, /) -> None:
        """Count instances that are gone."""
        self._count.labels(*self._labels, reason).add(instances)

    def retried(self) -> None:
        """Count a batch that is tried again."""
        self._retried.value += 1


class RuleMeter:
    """Counts what becomes of one rule's calls."""

    __slots__ = ("_faults", "_headers", "_matches", "_name", "_shadow")

    def __init__(self, metrics: Mapping[str, Family], name: str) -> None:
        self._name = name
        self._faults = metrics["mixer_rule_faults_total"]
        self._shadow = metrics["mixer_rule_shadow_outcomes_total"]
        self._matches = metrics["mixer_rule_match_errors_total"].labels(name)
        self._headers = metrics["mixer_rule_header_errors_total"].labels(name)

    def match_failed(self) -> None:
        """Count a match without a value."""
        self._matches.add()

    def fault(self, outcome: Enum, /) -> None:
        """Count work that could not be done, by what was done about it."""
        self._faults.labels(self._name, outcome.value).add()

    def shadowed(self, outcome: str, /) -> None:
        """Count what the rule would have answered."""
        self._shadow.labels(self._name, outcome).add()

    def header_failed(self) -> None:
        """Count a header operation without a value."""
        self._headers.add()


class RoutesMeter:
    """Counts what is seen of all rules."""

    __slots__ = ("_instances", "_rules", "_unknown")

    def __init__(self, metrics: Mapping[str, Family]) -> None:
        self._rules = metrics["mixer_dispatcher_destinations_per_request"].labels().times
        self._instances = metrics["mixer_dispatcher_instances_per_request"].labels().times
        self._unknown = metrics["mixer_quota_unknown_total"].labels()

    def phase(self, rules: int, instances: int, times: int = 1, /) -> None:
        """Count phases of calls in which so many rules matched and instances were built."""
        self._rules[rules] += times
        self._instances[instances] += times

    def unknown_quota(self) -> None:
        """Count a quota no rule knows; its name comes from outside and is no label."""
        self._unknown.add()


class RpcMeter:
    """Counts the RPCs of one method."""

    __slots__ = ("_latency", "_method", "_received", "_rpcs", "_sent", "_statuses")

    def __init__(self, metrics: Mapping[str, Family], method: str) -> None:
        self._method = method
        self._rpcs = metrics["grpc_io_server_completed_rpcs"]
        self._statuses: dict[str, Any] = {}
        self._latency = metrics["grpc_io_server_server_latency"].labels(method)
        self._received = metrics["grpc_io_server_received_bytes_per_rpc"].labels(method)
        self._sent = metrics["grpc_io_server_sent_bytes_per_rpc"].labels(method)

    def completed(self, status: str, seconds: float, received: int, sent: int) -> None:
        """Count one RPC that ended with *status*, the name of a gRPC code."""
        counter = self._statuses.get(status)
        if counter is None:
            counter = self._statuses[status] = self._rpcs.labels(self._method, status)
        counter.value += 1
        self._latency.observe(seconds * 1000)
        self._received.observe(received)
        self._sent.observe(sent)


class Metrics:
    """All metrics of one server, in a registry of their own."""

    def __init__(self, version: str = "") -> None:
        self.cells = Cells(TABLE)
        self.registry = CollectorRegistry()
        self.registry.register(self.cells)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._by_name = self.cells.families
        self._by_name["istio_build"].labels("mixer", version).set(1)

    def call(self, template: str, handler: str, adapter: str) -> CallMeter:
        """The meter of one template, handler and adapter."""
        return CallMeter(
            self._by_name["mixer_runtime_dispatches_total"],
            self._by_name["mixer_runtime_dispatch_duration_seconds"],
            (template, handler, adapter),
        )

    def tasks(self, handler: str) -> Callable[[int, int], None]:
        """What to tell how many tasks a handler runs in the background, and for calls."""
        daemons = self._by_name["mixer_handler_daemons_total"].labels(handler)
        workers = self._by_name["mixer_handler_workers_total"].labels(handler)

        def changed(running: int, working: int) -> None:
            daemons.value, workers.value = running, working

        return changed

    def guard(self, handler: str) -> GuardMeter:
        """The meter of what stands before a handler."""
        return GuardMeter(self._by_name["mixer_handler_calls_refused_total"], handler)

    def delivery(self, template: str, handler: str) -> DeliveryMeter:
        """The meter of the queue of one template and handler."""
        return DeliveryMeter(
            self._by_name["mixer_delivery_instances_total"],
            self._by_name["mixer_delivery_retries_total"],
            (template, handler),
        )

    def rule(self, name: str) -> RuleMeter:
        """The meter of the rule of this name."""
        return RuleMeter(self._by_name, name)

    def routes(self) -> RoutesMeter:
        """The meter of all rules."""
        return RoutesMeter(self._by_name)

    def rpc(self, method: str) -> RpcMeter:
        """The meter of a method, such as ``istio.mixer.v1.Mixer/Check``."""
        return RpcMeter(self._by_name, method)

    def shed(self, cost: float) -> None:
        """Count a call refused because of overload."""
        self._by_name["mixer_loadshedding_requests_throttled"].labels().add()
        self._by_name["mixer_loadshedding_predicted_cost_shed_total"].labels().add(cost)

    def envoy_entries(self, outcome: str) -> Number:
        """Counts entries of Envoy's access logs of which that became."""
        found: Number = self._by_name["mixer_envoy_log_entries_total"].labels(outcome)
        return found

    def envoy_assignments(self, kind: str) -> Number:
        """Counts assignments of quota to Envoys that allow all, deny all or set a limit."""
        found: Number = self._by_name["mixer_envoy_quota_assignments_total"].labels(kind)
        return found

    def log_records(self) -> Number:
        """Counts log records that were reported."""
        found: Number = self._by_name["mixer_log_records_total"].labels()
        return found

    def envoy_misfits(self) -> Number:
        """Counts attributes given by name that were no values of their types."""
        found: Number = self._by_name["mixer_envoy_misfits_total"].labels()
        return found

    def reloads(self, result: str) -> None:
        """Count a change of the configuration by what became of it."""
        self._by_name["mixer_config_reloads_total"].labels(result).add()

    def closed(self, count: int, failures: int) -> None:
        """Tell how many handlers were closed after a change, and how many failed to."""
        self._by_name["mixer_handler_closed_handlers_total"].labels().set(count)
        self._by_name["mixer_handler_handler_close_failures_total"].labels().set(failures)

    def workers(self, serving: int, replaced: int = 0) -> None:
        """Tell how many processes serve, and how many were replaced so far."""
        self._by_name["mixer_workers"].labels().set(serving)
        self._by_name["mixer_workers_replaced_total"].labels().set(replaced)

    def shared_memory(self, used: int, refused: int) -> None:
        """Tell how many bytes workers share, and how many records found no room so far."""
        self._by_name["mixer_shared_memory_bytes"].labels().set(used)
        self._by_name["mixer_shared_records_refused_total"].labels().set(refused)

    def snapshot(self, figures: SnapshotFigures) -> None:
        """Show the configuration that came into force."""
        errors = figures.errors_by_kind
        values = {
            "mixer_config_attributes_total": figures.attributes,
            "mixer_config_handler_configs_total": figures.handlers,
            "mixer_config_instance_configs_total": figures.instances,
            "mixer_config_rule_configs_total": figures.rules,
            "mixer_config_instance_config_errors_total": errors.get("instance", 0),
            "mixer_config_rule_config_errors_total": errors.get("rule", 0),
            "mixer_config_handler_validation_error_total": errors.get("handler", 0),
            "mixer_config_rule_config_match_error_total": figures.match_errors,
            "mixer_config_unsatisfied_action_handler_total": figures.unsatisfied,
            "mixer_config_kept_last_good": figures.kept,
            "mixer_config_snapshot_id": figures.number,
            "mixer_handler_new_handlers_total": figures.opened,
            "mixer_handler_reused_handlers_total": figures.reused,
            "mixer_handler_handler_build_failures_total": figures.failed,
        }
        for name, value in values.items():
            self._by_name[name].labels().set(value)
        for severity in ("error", "warning"):
            shown = self._by_name["mixer_config_problems"].labels(severity)
            shown.set(figures.problems.get(severity, 0))
        for variety, count in figures.destinations.items():
            label = f"TEMPLATE_VARIETY_{variety}"
            self._by_name["mixer_dispatcher_destinations_per_variety_total"].labels(label).set(
                count
            )

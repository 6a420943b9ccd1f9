"""All metrics of the mixer: names, kinds, meanings and labels."""

from __future__ import annotations

from mixer.telemetry.cells import Kind, Metric

DURATION_BUCKETS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
)  # fmt: skip
# Whole numbers, as what is counted: Python compares them in half the time that floats take.
COUNT_BUCKETS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 15, 20)
SIZE_BUCKETS = (0, 1024, 2048, 4096, 16384, 65536, 262144, 1048576, 4194304)


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, Kind.GAUGE, text, labels)


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, Kind.COUNTER, text, labels)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Metric:
    return Metric(name, Kind.HISTOGRAM, text, labels, buckets)


_DISPATCH = ("meshFunction", "handler", "adapter", "error")

TABLE: tuple[Metric, ...] = (
    _gauge("mixer_config_attributes_total", "Attributes declared in the configuration in force."),
    _gauge("mixer_config_handler_configs_total", "Handlers in the configuration in force."),
    _gauge("mixer_config_instance_configs_total", "Instances in the configuration in force."),
    _gauge("mixer_config_instance_config_errors_total", "Problems of instances."),
    _gauge("mixer_config_rule_configs_total", "Rules in the configuration in force."),
    _gauge("mixer_config_rule_config_errors_total", "Problems of rules."),
    _gauge("mixer_config_adapter_info_configs_total", "Out-of-process adapters."),
    _gauge("mixer_config_adapter_info_config_errors_total", "Problems of such adapters."),
    _gauge("mixer_config_template_configs_total", "Out-of-process templates."),
    _gauge("mixer_config_template_config_errors_total", "Problems of such templates."),
    _gauge("mixer_config_rule_config_match_error_total", "Rules whose match does not compile."),
    _gauge("mixer_config_unsatisfied_action_handler_total", "Actions whose handler is not open."),
    _gauge("mixer_config_handler_validation_error_total", "Problems of handlers."),
    _gauge("mixer_config_problems", "All problems of the configuration, by severity.", "severity"),
    _gauge("mixer_config_kept_last_good", "Resources served in their last good version."),
    _gauge("mixer_config_snapshot_id", "Number of the configuration in force."),
    _counter(
        "mixer_config_reloads_total",
        "Changes of the configuration by result: applied, kept_last_good, unreadable, failed.",
        "result",
    ),
    _gauge("mixer_handler_new_handlers_total", "Handlers opened for the last change."),
    _gauge("mixer_handler_reused_handlers_total", "Handlers kept over the last change."),
    _gauge("mixer_handler_closed_handlers_total", "Handlers closed after the last change."),
    _gauge("mixer_handler_handler_build_failures_total", "Handlers that could not be opened."),
    _gauge("mixer_handler_handler_close_failures_total", "Handlers that failed while closing."),
    _gauge("mixer_handler_workers_total", "Tasks a handler runs for calls.", "handler"),
    _gauge("mixer_handler_daemons_total", "Tasks a handler runs in the background.", "handler"),
    _counter(
        "mixer_handler_calls_refused_total",
        "Calls that a handler was spared: busy, as too many wait for its back end, or spared, as "
        "it did not answer many times in a row.",
        "handler",
        "reason",
    ),
    _counter(
        "mixer_delivery_instances_total",
        "Instances of queued reports: taken, and then delivered, or dropped as the queue was full, "
        "the back end refused them, they expired while it was away, or the handler was closing.",
        "meshFunction",
        "handler",
        "outcome",
    ),
    _counter(
        "mixer_delivery_retries_total",
        "Batches of queued reports that were not taken and are tried again.",
        "meshFunction",
        "handler",
    ),
    _counter("mixer_runtime_dispatches_total", "Calls of handlers.", *_DISPATCH),
    _histogram(
        "mixer_runtime_dispatch_duration_seconds",
        "Time that calls of handlers took.",
        DURATION_BUCKETS,
        *_DISPATCH,
    ),
    Metric(
        "mixer_dispatcher_destinations_per_request",
        Kind.HISTOGRAM,
        "Rules that matched, per phase of a call.",
        buckets=COUNT_BUCKETS,
        has_few_values=True,
    ),
    Metric(
        "mixer_dispatcher_instances_per_request",
        Kind.HISTOGRAM,
        "Instances that were built, per phase of a call.",
        buckets=COUNT_BUCKETS,
        has_few_values=True,
    ),
    _gauge(
        "mixer_dispatcher_destinations_per_variety_total",
        "Handlers with templates that rules send to, by variety.",
        "variety",
    ),
    _counter("mixer_rule_match_errors_total", "Matches that had no value for a call.", "rule"),
    _counter(
        "mixer_rule_faults_total",
        "Calls for which a rule could not do its work, by what was done: skip, deny, fail.",
        "rule",
        "outcome",
    ),
    _counter(
        "mixer_rule_shadow_outcomes_total",
        "What rules in shadow mode would have answered.",
        "rule",
        "outcome",
    ),
    _counter("mixer_rule_header_errors_total", "Header operations that had no value.", "rule"),
    _counter("mixer_quota_unknown_total", "Quotas asked for that no rule knows."),
    _counter("mixer_loadshedding_requests_throttled", "Calls refused because of overload."),
    _counter("mixer_loadshedding_predicted_cost_shed_total", "Cost of the calls refused."),
    _counter(
        "grpc_io_server_completed_rpcs",
        "RPCs answered, by method and status.",
        "grpc_server_method",
        "grpc_server_status",
    ),
    _histogram(
        "grpc_io_server_server_latency",
        "Milliseconds from request to answer.",
        tuple(bound * 1000 for bound in DURATION_BUCKETS),
        "grpc_server_method",
    ),
    _histogram(
        "grpc_io_server_received_bytes_per_rpc",
        "Bytes of requests.",
        SIZE_BUCKETS,
        "grpc_server_method",
    ),
    _histogram(
        "grpc_io_server_sent_bytes_per_rpc",
        "Bytes of answers.",
        SIZE_BUCKETS,
        "grpc_server_method",
    ),
    _counter(
        "mixer_envoy_log_entries_total",
        "Entries of Envoy's access logs by what became of them: reported, passed_over, failed.",
        "outcome",
    ),
    _counter(
        "mixer_envoy_quota_assignments_total",
        "Assignments of quota to Envoys, by what they say: allow, deny or limit.",
        "kind",
    ),
    _counter("mixer_log_records_total", "Log records of OpenTelemetry that were reported."),
    _counter(
        "mixer_envoy_misfits_total",
        "Attributes that a proxy gave by name, and that were no values of their types.",
    ),
    _gauge("mixer_workers", "Processes that serve calls."),
    _counter("mixer_workers_replaced_total", "Workers that ended and were replaced."),
    _gauge("mixer_shared_memory_bytes", "Memory that records of all workers have taken so far."),
    _counter(
        "mixer_shared_records_refused_total",
        "Records there was no room for: calls that one worker counted alone.",
    ),
    _gauge("istio_build", "What runs here.", "component", "tag"),
)

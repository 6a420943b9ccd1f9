"""Instances to the messages of adapters elsewhere, and their answers back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mixer._pb import (
    adapter_model_pb2,
    check_nothing_pb2,
    metric_pb2,
    policy_pb2,
    quota_pb2,
    report_nothing_pb2,
)
from mixer.adapter import (
    CheckNothing,
    Code,
    DirectResponse,
    Duration,
    Grant,
    Metric,
    Quota,
    QuotaArgs,
    ReportNothing,
    Shape,
    Timestamp,
    Value,
    Verdict,
)

_DIRECT_RESPONSE = "istio.policy.v1beta1.DirectHttpResponse"
_NANOS = 1_000_000_000


def check_nothing(instance: CheckNothing) -> check_nothing_pb2.InstanceMsg:
    """The message of a check that needs no data."""
    return check_nothing_pb2.InstanceMsg(name=instance.name)


def report_nothing(instance: ReportNothing) -> report_nothing_pb2.InstanceMsg:
    """The message of a report that carries no data."""
    return report_nothing_pb2.InstanceMsg(name=instance.name)


def metric(instance: Metric) -> metric_pb2.InstanceMsg:
    """The message of an observation."""
    return metric_pb2.InstanceMsg(
        name=instance.name,
        value=_value(instance.value),
        dimensions=_values(instance.dimensions),
        monitored_resource_type=instance.monitored_resource_type,
        monitored_resource_dimensions=_values(instance.monitored_resource_dimensions),
    )


def quota(instance: Quota) -> quota_pb2.InstanceMsg:
    """The message of an allocation."""
    return quota_pb2.InstanceMsg(name=instance.name, dimensions=_values(instance.dimensions))


def quota_request(instance: Quota, args: QuotaArgs) -> adapter_model_pb2.QuotaRequest:
    """How much is asked for, under the full name of the instance."""
    asked = adapter_model_pb2.QuotaRequest.QuotaParams(
        amount=args.amount, best_effort=args.best_effort
    )
    return adapter_model_pb2.QuotaRequest(quotas={instance.name: asked})


def verdict(result: adapter_model_pb2.CheckResult) -> Verdict:
    """Read the answer to a check; a direct response in the status' details is kept."""
    status = result.status
    direct = None
    for detail in status.details:
        if detail.type_url.rpartition("/")[2] == _DIRECT_RESPONSE:
            response = policy_pb2.DirectHttpResponse.FromString(detail.value)
            direct = DirectResponse(response.code, response.body, dict(response.headers))
            break
    valid_for = _seconds(result.valid_duration)
    return Verdict(status.code, status.message, valid_for, result.valid_use_count, direct)


def grant(result: adapter_model_pb2.QuotaResult, name: str) -> Grant:
    """Read the answer to an allocation; raise ValueError where the quota *name* is missing."""
    if name not in result.quotas:
        raise ValueError(f"the answer has no quota {name!r}")
    answer = result.quotas[name]
    return Grant(
        answer.granted_amount,
        _seconds(answer.valid_duration),
        answer.status.code or Code.OK,
        answer.status.message,
    )


def inferred_types(shapes: Iterable[Shape]) -> dict[str, tuple[str, bytes]]:
    """The type of each instance by name: full name and encoding of the template's Type message."""
    found = {}
    for shape in shapes:
        message = _TYPES[shape.template](shape)
        # Deterministic, so that the same configuration opens the same session.
        found[shape.name] = (
            message.DESCRIPTOR.full_name,
            message.SerializeToString(deterministic=True),
        )
    return found


def _metric_type(shape: Shape) -> metric_pb2.Type:
    value: Any = shape.types.get("value")  # numbers are alike; the stub wants an enum of its own
    return metric_pb2.Type(
        value=value,
        dimensions=_types_below(shape, "dimensions"),
        monitored_resource_dimensions=_types_below(shape, "monitored_resource_dimensions"),
    )


_TYPES: Mapping[Any, Callable[[Shape], Any]] = {
    CheckNothing: lambda _: check_nothing_pb2.Type(),
    ReportNothing: lambda _: report_nothing_pb2.Type(),
    Metric: _metric_type,
    Quota: lambda shape: quota_pb2.Type(dimensions=_types_below(shape, "dimensions")),
}


def _types_below(shape: Shape, path: str) -> dict[str, Any]:
    return {key: shape.types[f"{path}.{key}"] for key in shape.keys(path)}


def _values(values: Mapping[str, Value]) -> dict[str, policy_pb2.Value]:
    return {name: _value(value) for name, value in values.items()}


def _value(value: Value | None) -> policy_pb2.Value:
    """
    Encode by what the value is in Python: e-mail addresses, URIs and DNS names become strings,
    as adapters in this process see them too.
    """
    match value:
        case None:
            return policy_pb2.Value()
        case str():
            return policy_pb2.Value(string_value=value)
        case bool():
            return policy_pb2.Value(bool_value=value)
        case Duration():
            seconds, nanos = _split(value)
            return policy_pb2.Value(duration_value={"value": {"seconds": seconds, "nanos": nanos}})
        case Timestamp():
            seconds, nanos = divmod(int(value), _NANOS)
            return policy_pb2.Value(timestamp_value={"value": {"seconds": seconds, "nanos": nanos}})
        case int():
            return policy_pb2.Value(int64_value=value)
        case float():
            return policy_pb2.Value(double_value=value)
        case bytes():
            return policy_pb2.Value(ip_address_value={"value": value})
        case _:
            return policy_pb2.Value(string_map_value={"value": dict(value)})


def _split(duration: Duration) -> tuple[int, int]:
    """Seconds and nanoseconds of one sign, as google.protobuf.Duration wants them."""
    seconds, nanos = divmod(abs(int(duration)), _NANOS)
    return (-seconds, -nanos) if duration < 0 else (seconds, nanos)


def _seconds(duration: Any) -> float:
    return float(duration.seconds + duration.nanos / _NANOS)

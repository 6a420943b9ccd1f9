"""The eleven templates of Istio 1.3 (spec: templates); field order follows their numbers."""

from __future__ import annotations

from attributes import Timestamp, Value
from mixer.adapter.template import Instance, Output, Variety

NO_ADDRESS = b""


class CheckNothing(Instance, frozen=True, gc=False):
    """A check that needs no data."""

    template = "checknothing"


class ReportNothing(Instance, frozen=True, gc=False):
    """A report that carries no data."""

    template = "reportnothing"
    variety = Variety.REPORT


class ListEntry(Instance, frozen=True, gc=False):
    """A value to look up in a list."""

    template = "listentry"

    value: Value | None = None
    """The value; STRING or IP_ADDRESS for listchecker."""


class Quota(Instance, frozen=True, gc=False):
    """A limit to draw from."""

    template = "quota"
    variety = Variety.QUOTA

    dimensions: dict[str, Value] = {}
    """Each distinct tuple of values is counted on its own."""


class ApiKey(Instance, frozen=True, gc=False):
    """An API key to verify."""

    template = "apikey"

    api: str = ""
    """The API being called."""

    api_version: str = ""
    """Version of the API."""

    api_operation: str = ""
    """Operation of the API."""

    api_key: str = ""
    """The key as the client sent it."""

    timestamp: Timestamp = Timestamp(0)
    """When the call was made."""


class Subject(Instance, frozen=True, gc=False):
    """Who acts."""

    user: str = ""
    """User name or id."""

    groups: str = ""
    """Groups the user belongs to."""

    properties: dict[str, Value] = {}
    """Whatever else is known of the subject."""


class Action(Instance, frozen=True, gc=False):
    """What is done."""

    namespace: str = ""
    """Namespace of the service."""

    service: str = ""
    """The service called."""

    method: str = ""
    """Method of the call."""

    path: str = ""
    """Path of the call."""

    properties: dict[str, Value] = {}
    """Whatever else is known of the action."""


class Authorization(Instance, frozen=True, gc=False):
    """A subject that wants to act."""

    template = "authorization"

    subject: Subject = Subject()
    """Who acts."""

    action: Action = Action()
    """What is done."""


class LogEntry(Instance, frozen=True, gc=False):
    """A line of a log."""

    template = "logentry"
    variety = Variety.REPORT

    variables: dict[str, Value] = {}
    """The content of the line."""

    timestamp: Timestamp = Timestamp(0)
    """When it happened."""

    severity: str = ""
    """How important it is; handlers map the text to their levels."""

    monitored_resource_type: str = ""
    """Type of the resource the line is about."""

    monitored_resource_dimensions: dict[str, Value] = {}
    """Which resource of that type."""


class Metric(Instance, frozen=True, gc=False):
    """One observation of a metric."""

    template = "metric"
    variety = Variety.REPORT
    measured = "value"

    value: Value | None = None
    """What was observed."""

    dimensions: dict[str, Value] = {}
    """The labels of the observation."""

    monitored_resource_type: str = ""
    """Type of the resource the metric is about."""

    monitored_resource_dimensions: dict[str, Value] = {}
    """Which resource of that type."""


class Edge(Instance, frozen=True, gc=False):
    """An edge of the graph of services: one workload called another."""

    template = "edge"
    variety = Variety.REPORT

    timestamp: Timestamp = Timestamp(0)
    """When the call was made."""

    source_workload_namespace: str = ""
    """Namespace of the calling workload."""

    source_workload_name: str = ""
    """Name of the calling workload."""

    source_owner: str = ""
    """Controller that owns the calling workload."""

    source_uid: str = ""
    """Platform id of the caller."""

    destination_workload_namespace: str = ""
    """Namespace of the called workload."""

    destination_workload_name: str = ""
    """Name of the called workload."""

    destination_owner: str = ""
    """Controller that owns the called workload."""

    destination_uid: str = ""
    """Platform id of the called instance."""

    destination_service_namespace: str = ""
    """Namespace of the called service."""

    destination_service_name: str = ""
    """Name of the called service."""

    context_protocol: str = ""
    """Protocol of the call."""

    api_protocol: str = ""
    """Protocol of the API."""


class TraceSpan(Instance, frozen=True, gc=False):
    """One span of a trace."""

    template = "tracespan"
    variety = Variety.REPORT

    trace_id: str = ""
    """Id of the trace, 16 or 32 hex digits."""

    span_id: str = ""
    """Id of the span, 16 hex digits."""

    parent_span_id: str = ""
    """Id of the parent span."""

    span_name: str = ""
    """Name of the span."""

    start_time: Timestamp = Timestamp(0)
    """When it began."""

    end_time: Timestamp = Timestamp(0)
    """When it ended."""

    span_tags: dict[str, Value] = {}
    """Tags of the span."""

    http_status_code: int = 0
    """HTTP status of the response."""

    client_span: bool = False
    """True for the calling side."""

    rewrite_client_span_id: bool = False
    """True if client and server share an id on the wire and the client's must be rewritten."""

    source_name: str = ""
    """Name of the caller."""

    source_ip: bytes = NO_ADDRESS
    """Address of the caller."""

    destination_name: str = ""
    """Name of the called."""

    destination_ip: bytes = NO_ADDRESS
    """Address of the called."""

    request_size: int = 0
    """Bytes of the request's body."""

    request_total_size: int = 0
    """Bytes of the request with headers."""

    response_size: int = 0
    """Bytes of the response's body."""

    response_total_size: int = 0
    """Bytes of the response with headers."""

    api_protocol: str = ""
    """Protocol of the API."""


class KubernetesOutput(Output, frozen=True):
    """What an attribute generator knows of the two ends of a call."""

    source_pod_ip: bytes | None = None
    """Address of the source pod."""

    source_pod_name: str | None = None
    """Name of the source pod."""

    source_labels: dict[str, str] | None = None
    """Labels of the source pod."""

    source_namespace: str | None = None
    """Namespace of the source pod."""

    source_service_account_name: str | None = None
    """Service account of the source pod."""

    source_host_ip: bytes | None = None
    """Address of the source pod's host."""

    destination_pod_ip: bytes | None = None
    """Address of the destination pod."""

    destination_pod_name: str | None = None
    """Name of the destination pod."""

    destination_labels: dict[str, str] | None = None
    """Labels of the destination pod."""

    destination_namespace: str | None = None
    """Namespace of the destination pod."""

    destination_service_account_name: str | None = None
    """Service account of the destination pod."""

    destination_host_ip: bytes | None = None
    """Address of the destination pod's host."""

    source_workload_uid: str | None = None
    """Id of the source workload."""

    source_workload_name: str | None = None
    """Name of the source workload."""

    source_workload_namespace: str | None = None
    """Namespace of the source workload."""

    source_owner: str | None = None
    """Controller of the source pod."""

    destination_owner: str | None = None
    """Controller of the destination pod."""

    destination_workload_uid: str | None = None
    """Id of the destination workload."""

    destination_workload_name: str | None = None
    """Name of the destination workload."""

    destination_workload_namespace: str | None = None
    """Namespace of the destination workload."""

    destination_container_name: str | None = None
    """Container that serves the destination port."""

    source_pod_uid: str | None = None
    """Id of the source pod."""

    destination_pod_uid: str | None = None
    """Id of the destination pod."""


class Kubernetes(Instance, frozen=True, gc=False):
    """The two ends of a call, to be looked up."""

    template = "kubernetes"
    variety = Variety.ATTRIBUTE_GENERATOR
    output = KubernetesOutput

    source_uid: str = ""
    """``kubernetes://POD.NAMESPACE`` of the source."""

    source_ip: bytes = NO_ADDRESS
    """Address of the source."""

    destination_uid: str = ""
    """``kubernetes://POD.NAMESPACE`` of the destination."""

    destination_ip: bytes = NO_ADDRESS
    """Address of the destination."""

    destination_port: int = 0
    """Port of the destination."""


TEMPLATES: tuple[type[Instance], ...] = (
    ApiKey,
    Authorization,
    CheckNothing,
    Edge,
    Kubernetes,
    ListEntry,
    LogEntry,
    Metric,
    Quota,
    ReportNothing,
    TraceSpan,
)
"""The templates every mixer has; adapters may bring their own."""

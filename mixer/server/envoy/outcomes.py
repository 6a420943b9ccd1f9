"""What a proxy says of how a request ended: its flags, and the codes they stand for."""

from __future__ import annotations

from collections.abc import Mapping

from mixer._pb import envoy_accesslog_data_pb2 as pb
from mixer.errors import Code

FLAGS: Mapping[str, str] = {
    "failed_local_healthcheck": "LH",
    "no_healthy_upstream": "UH",
    "upstream_request_timeout": "UT",
    "local_reset": "LR",
    "upstream_remote_reset": "UR",
    "upstream_connection_failure": "UF",
    "upstream_connection_termination": "UC",
    "upstream_overflow": "UO",
    "no_route_found": "NR",
    "delay_injected": "DI",
    "fault_injected": "FI",
    "rate_limited": "RL",
    "unauthorized_details": "UAEX",
    "rate_limit_service_error": "RLSE",
    "downstream_connection_termination": "DC",
    "upstream_retry_limit_exceeded": "URX",
    "stream_idle_timeout": "SI",
    "invalid_envoy_request_headers": "IH",
    "downstream_protocol_error": "DPE",
    "upstream_max_stream_duration_reached": "UMSDR",
    "response_from_cache_filter": "RFCF",
    "no_filter_config_found": "NFCF",
    "duration_timeout": "DT",
    "upstream_protocol_error": "UPE",
    "no_cluster_found": "NC",
    "overload_manager": "OM",
    "dns_resolution_failure": "DF",
    "downstream_remote_reset": "DR",
}
"""Envoy's short texts for response flags, in order of number."""

_CODES = {
    400: Code.INVALID_ARGUMENT, 401: Code.UNAUTHENTICATED, 403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND, 409: Code.ABORTED, 412: Code.FAILED_PRECONDITION,
    416: Code.OUT_OF_RANGE, 429: Code.RESOURCE_EXHAUSTED, 499: Code.CANCELLED,
    501: Code.UNIMPLEMENTED, 503: Code.UNAVAILABLE, 504: Code.DEADLINE_EXCEEDED,
}  # fmt: skip
"""The code that an HTTP status stands for, where nobody says it."""


def texts_of(flags: pb.ResponseFlags) -> str:
    """The texts of all *flags* that are set, in order of number; ``-`` where there are none."""
    return ",".join(FLAGS[field.name] for field, _ in flags.ListFields()) or "-"


def code_of(flags: pb.ResponseFlags, response: pb.HTTPResponseProperties | None) -> Code:
    """What the proxy has done with a request, or connection, as a code: OK, if it has passed it."""
    if flags.HasField("unauthorized_details") and response is not None:
        if response.response_code_details == "ext_authz_error":
            return Code.UNAVAILABLE
        status = response.response_code.value
        other = Code.INTERNAL if status >= 500 else Code.FAILED_PRECONDITION
        return _CODES.get(status, other if status >= 400 else Code.OK)
    if flags.rate_limited:
        return Code.RESOURCE_EXHAUSTED
    return Code.UNAVAILABLE if flags.rate_limit_service_error else Code.OK

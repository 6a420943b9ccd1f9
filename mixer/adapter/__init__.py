"""
Everything an adapter author may import, and nothing else.

With it come `mixer.adapter.files`, `.http`, `.hosting`, `.records` and `.rates` for those who need
them, and `.testing`, `.contract` and `.trial` for tests.
Names stay, and mean what they mean, as long as the first number of `VERSION` does.
"""

from attributes import Duration, Timestamp, Value, ValueType, ip_text, parse_ip, same_ip, text
from mixer.adapter.base import (
    Adapter,
    Allocates,
    Checks,
    ChecksWithOutput,
    Env,
    Exposes,
    Generates,
    Reports,
)
from mixer.adapter.config import Config, FieldProblem, Meta, NonNegative, Positive
from mixer.adapter.dimensions import comparison
from mixer.adapter.hooks import hookimpl
from mixer.adapter.line import Line, Show
from mixer.adapter.milestones import Milestones
from mixer.adapter.outages import PartlyRefused, Refused, Unavailable
from mixer.adapter.results import (
    ALLOW,
    DirectResponse,
    Grant,
    QuotaArgs,
    Standing,
    Verdict,
    WantedLimit,
)
from mixer.adapter.table import Table, TableFull
from mixer.adapter.template import Instance, Output, Shape, Variety
from mixer.adapter.templates import (
    Action,
    ApiKey,
    Authorization,
    CheckNothing,
    Edge,
    Kubernetes,
    KubernetesOutput,
    ListEntry,
    LogEntry,
    Metric,
    Quota,
    ReportNothing,
    Subject,
    TraceSpan,
)
from mixer.errors import Code

VERSION = "1.1"
"""Of this kit: the second number counts additions, the first what breaks adapters."""

__all__ = [
    "ALLOW",
    "VERSION",
    "Action",
    "Adapter",
    "Allocates",
    "ApiKey",
    "Authorization",
    "CheckNothing",
    "Checks",
    "ChecksWithOutput",
    "Code",
    "Config",
    "DirectResponse",
    "Duration",
    "Edge",
    "Env",
    "Exposes",
    "FieldProblem",
    "Generates",
    "Grant",
    "Instance",
    "Kubernetes",
    "KubernetesOutput",
    "Line",
    "ListEntry",
    "LogEntry",
    "Meta",
    "Metric",
    "Milestones",
    "NonNegative",
    "Output",
    "PartlyRefused",
    "Positive",
    "Quota",
    "QuotaArgs",
    "Refused",
    "ReportNothing",
    "Reports",
    "Shape",
    "Show",
    "Standing",
    "Subject",
    "Table",
    "TableFull",
    "Timestamp",
    "TraceSpan",
    "Unavailable",
    "Value",
    "ValueType",
    "Variety",
    "Verdict",
    "WantedLimit",
    "comparison",
    "hookimpl",
    "ip_text",
    "parse_ip",
    "same_ip",
    "text",
]

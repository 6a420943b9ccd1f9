"""Descriptors that can't be used, and what our own look like to others (spec: out-of-process)."""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress
from enum import IntEnum
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from hypothesis import given
from hypothesis import strategies as st

from attributes import Duration, Timestamp, ValueType
from mixer._pb import metric_pb2, quota_pb2
from mixer.adapter import Config, Instance, LogEntry, Metric, Quota, Value, Variety
from mixer.adapter.catalogue import load
from mixer.adapter.templates import TEMPLATES
from mixer.remote import configs, protos
from mixer.remote.codec import filler, reader
from mixer.remote.descriptors import BadDescriptor, unpacked, wire
from mixer.remote.params import packed
from mixer.remote.templates import template
from tests.remote.foreign import HEAD, compiled
from tests.remote.foreign import packed as in_base64

BODY = """
message InstanceMsg { string name = 72295727; %s }
message HandleXRequest {
  InstanceMsg instance = 1;
  google.protobuf.Any adapter_config = 2;
  string dedup_id = 3;
}
service HandleXService {
  rpc HandleX(HandleXRequest) returns (istio.mixer.adapter.model.v1beta1.CheckResult);
}
"""
HEADING = HEAD.format(package="x", name="x", variety="CHECK")


def text(heading: str = HEADING, body: str = BODY, fields: str = "") -> str:
    return heading + (body % fields if "%s" in body else body)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (text(HEADING.replace("template_variety", "template_name", 1).replace(
            "= TEMPLATE_VARIETY_CHECK", '= "x"').replace(
            'option (test.options.template_name) = "x";\n', "", 1)),
            "must have the option template_variety; none has"),
        (text(HEADING.replace('"x"', '"x1"')), "the template_name 'x1' .* is not made of letters"),
        (text(HEADING.replace('option (test.options.template_name) = "x";', "")),
            "the template_name '' .* is not made of letters"),
        (text(body="message A {}"), "no service whose name begins with Handle"),
        (text(body=BODY.replace("  InstanceMsg instance = 1;\n", "")), "has no message 'instance'"),
        (text(fields="map<int32, string> a = 1;"), "keys of x.InstanceMsg.a are not of"),
        (text(fields="InstanceMsg a = 1;"), "more than 16 deep"),
    ],
)  # fmt: skip
def test_a_template_that_is_none_is_refused(source: str, reason: str) -> None:
    with pytest.raises(BadDescriptor, match=reason):
        template("x", in_base64(compiled(source)))


@pytest.mark.parametrize(
    ("packed_text", "reason"),
    [
        ("???", "not base64"),
        (b64encode(b"\xff\xff").decode(), "no encoded FileDescriptorSet"),
        ("", "has no files"),
    ],
)
def test_what_is_no_set_is_refused(packed_text: str, reason: str) -> None:
    with pytest.raises(BadDescriptor, match=reason):
        unpacked(packed_text)


def test_a_set_without_its_imports_says_how_to_make_it() -> None:
    whole = compiled(text())
    alone = FileDescriptorSet(file=[whole.file[-1]])
    with pytest.raises(BadDescriptor, match=r"imports .*; make the set with --include_imports"):
        wire(alone)


def test_files_may_come_in_any_order_and_protobufs_own_be_left_out() -> None:
    whole = compiled(text())
    files = [file for file in reversed(whole.file) if not file.name.startswith("google/")]
    assert wire(FileDescriptorSet(file=files)).path == "/x.HandleXService/HandleX"


@given(st.binary(max_size=200))
def test_whatever_bytes_are_a_set_or_refused(data: bytes) -> None:
    with suppress(BadDescriptor):
        wire(unpacked(b64encode(data).decode()))


@given(st.data())
def test_a_damaged_set_is_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with suppress(BadDescriptor):
        template("x", b64encode(bytes(whole)).decode())


WHOLE = compiled(text(fields="string a = 1; repeated int32 b = 2;")).SerializeToString()


PATHS = {
    "apikey": "/apiKey.HandleApiKeyService/HandleApiKey",
    "authorization": "/authorization.HandleAuthorizationService/HandleAuthorization",
    "checknothing": "/checkNothing.HandleCheckNothingService/HandleCheckNothing",
    "edge": "/edge.HandleEdgeService/HandleEdge",
    "kubernetes": "/adapter.template.kubernetes.HandleKubernetesService/HandleKubernetes",
    "listentry": "/listEntry.HandleListEntryService/HandleListEntry",
    "logentry": "/logEntry.HandleLogEntryService/HandleLogEntry",
    "metric": "/metric.HandleMetricService/HandleMetric",
    "quota": "/quota.HandleQuotaService/HandleQuota",
    "reportnothing": "/reportNothing.HandleReportNothingService/HandleReportNothing",
    "tracespan": "/traceSpan.HandleTraceSpanService/HandleTraceSpan",
}
NUMBERS = {
    "apikey": "api=1 api_version=2 api_operation=3 api_key=4 timestamp=5",
    "authorization": "subject=1 action=2",
    "checknothing": "",
    "edge": "timestamp=1 source_workload_namespace=10 source_workload_name=11 source_owner=12 "
    "source_uid=13 destination_workload_namespace=20 destination_workload_name=21 "
    "destination_owner=22 destination_uid=23 destination_service_namespace=24 "
    "destination_service_name=25 context_protocol=30 api_protocol=31",
    "kubernetes": "source_uid=1 source_ip=2 destination_uid=3 destination_ip=4 destination_port=7",
    "listentry": "value=1",
    "logentry": "variables=1 timestamp=2 severity=3 monitored_resource_type=4 "
    "monitored_resource_dimensions=5",
    "metric": "value=1 dimensions=2 monitored_resource_type=3 monitored_resource_dimensions=4",
    "quota": "dimensions=1",
    "reportnothing": "",
    "tracespan": "trace_id=1 span_id=2 parent_span_id=3 span_name=4 start_time=5 end_time=6 "
    "span_tags=7 httpStatusCode=8 client_span=9 rewrite_client_span_id=10 source_name=11 "
    "source_ip=12 destination_name=13 destination_ip=14 request_size=15 request_total_size=16 "
    "response_size=17 response_total_size=18 api_protocol=19",
}
OUTPUT = (
    "source_pod_ip=1 source_pod_name=2 source_labels=3 source_namespace=4 "
    "source_service_account_name=6 source_host_ip=7 destination_pod_ip=8 destination_pod_name=9 "
    "destination_labels=10 destination_namespace=11 destination_service_account_name=13 "
    "destination_host_ip=14 source_workload_uid=22 source_workload_name=23 "
    "source_workload_namespace=24 source_owner=25 destination_owner=26 destination_workload_uid=27 "
    "destination_workload_name=28 destination_workload_namespace=29 "
    "destination_container_name=30 source_pod_uid=31 destination_pod_uid=32"
)


def numbered(message: Any) -> str:
    return " ".join(
        f"{field.name}={field.number}" for field in message.fields if field.number < 999
    )


@pytest.mark.parametrize("one", TEMPLATES, ids=lambda one: one.template)
def test_istios_templates_are_named_and_numbered_as_istios(one: type[Instance]) -> None:
    found = protos.wire_of(one)
    assert found.path == PATHS[one.template]
    assert numbered(found.instance) == NUMBERS[one.template]
    assert found.instance.fields_by_name["name"].number == 72295727
    assert found.variety is one.variety
    if found.output is not None:
        assert numbered(found.output) == OUTPUT


@pytest.mark.parametrize(
    ("one", "written"), [(Metric, metric_pb2), (Quota, quota_pb2)], ids=["metric", "quota"]
)
def test_what_we_send_is_what_our_own_proto_says(one: type[Instance], written: Any) -> None:
    found = protos.wire_of(one)
    message = found.request.DESCRIPTOR.fields[0].message_type
    assert message.name == "InstanceMsg"
    values: dict[str, Value] = {"a": "x", "b": 7, "c": Duration(5), "d": bytes([1, 2, 3, 4])}
    instance = one(name="n", dimensions=values)
    request = found.request()
    part = request.instances.add() if one is Metric else request.instance
    filler(found.instance, one, {})(part, instance)
    read = written.InstanceMsg.FromString(part.SerializeToString())
    assert (read.name, read.dimensions["b"].int64_value) == ("n", 7)
    assert read.dimensions["c"].duration_value.value.nanos == 5


TEXTS = st.text(max_size=5)
VALUES = st.one_of(
    TEXTS,
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(allow_nan=False),
    st.binary(min_size=4, max_size=4),
    st.integers(-(10**17), 10**17).map(Duration),
    st.integers(-(10**17), 10**17).map(Timestamp),
    st.dictionaries(TEXTS, TEXTS, max_size=3),
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4), TEXTS, st.integers(0, 10**18))
def test_what_is_sent_is_what_arrives(variables: dict[str, Value], kind: str, at: int) -> None:
    sent = LogEntry(
        name="n", variables=variables, severity=kind, timestamp=Timestamp(at),
        monitored_resource_dimensions=variables,
    )  # fmt: skip
    found = protos.wire_of(LogEntry)
    message = found.request().instances.add()
    filler(found.instance, LogEntry, {})(message, sent)
    types: dict[str, ValueType] = {}
    assert reader(found.instance, LogEntry)(message, types, "") == sent
    assert {path for path in types if path.startswith("variables.")} == {
        f"variables.{key}" for key in variables
    }


@pytest.mark.parametrize("name", sorted(load().adapters))
def test_params_of_every_adapter_have_a_message(name: str) -> None:
    adapter = load().adapters[name]
    message = configs.params_of(name, adapter.config_type)
    assert message.DESCRIPTOR.full_name == f"meshmixer.adapters.{name}.Params"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Part(Config, frozen=True):
    """A part."""

    name: str = "unnamed"
    """Its name."""

    limit: int = 5
    """Its limit."""


class Everything(Config, frozen=True):
    """All kinds of fields."""

    on: bool = True
    """Whether."""

    ratio: float = 0.5
    """How much."""

    wait: Duration = Duration.of(3)
    """How long."""

    level: Level = Level.HIGH
    """How high."""

    parts: tuple[Part, ...] = ()
    """Of what."""

    named: dict[str, Part] = {}
    """By name."""

    words: dict[str, str] = {}
    """In words."""

    one: Part | None = None
    """Perhaps."""


def test_zero_that_was_said_is_not_taken_for_the_default() -> None:
    message = configs.params_of("everything", Everything)
    said = {
        "on": False, "ratio": 0, "wait": "0s", "level": "LOW", "parts": [{"limit": 0}, {}],
        "named": {"a": {"name": ""}}, "words": {"k": "v"},
    }  # fmt: skip
    found = packed(message, said)
    assert not isinstance(found, list)

    class Adapter:
        name = "everything"
        config_type = Everything

    back: Any = configs.given(Adapter, found.value)  # type: ignore[arg-type]
    assert back == {
        "on": False, "ratio": 0.0, "wait": "0s", "level": "LOW", "parts": [{"limit": "0"}, {}],
        "named": {"a": {"name": ""}}, "words": {"k": "v"},
    }  # fmt: skip


def test_a_template_of_our_own_is_numbered_as_declared() -> None:
    class Greeting(Instance, frozen=True, gc=False):
        """Somebody to greet."""

        template = "greeting"
        variety = Variety.CHECK

        who: str = ""
        """Whom."""

        at: Timestamp = Timestamp(0)
        """When."""

    found = protos.wire_of(Greeting)
    assert found.path == "/greeting.HandleGreetingService/HandleGreeting"
    assert numbered(found.instance) == "who=1 at=2"


class Greeted(Instance, frozen=True, gc=False):
    """Somebody to greet, who has defaults of his own."""

    template = "greeted"

    who: str = "world"
    """Whom."""

    times: int = 3
    """How often."""

    loud: bool = True
    """How."""

    pause: Duration = Duration.of(2)
    """How long between."""

    words: dict[str, str] = {}
    """What else."""

    guests: tuple[str, ...] = ("ann",)
    """Who else."""


@given(
    st.builds(
        Greeted,
        who=TEXTS,
        times=st.integers(-3, 3),
        loud=st.booleans(),
        pause=st.integers(-3, 3).map(Duration),
        words=st.dictionaries(TEXTS, TEXTS, max_size=2),
        guests=st.lists(TEXTS, max_size=2).map(tuple),
        name=st.just("n"),
    )
)
def test_zero_arrives_as_zero_whatever_the_default_is(sent: Greeted) -> None:
    found = protos.wire_of(Greeted)
    message = found.request().instance
    filler(found.instance, Greeted, {})(message, sent)
    assert reader(found.instance, Greeted)(message, {}, "") == sent

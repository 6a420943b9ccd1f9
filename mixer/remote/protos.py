"""
Templates and params of our own to the messages of adapters in other processes.

What Istio's templates are called, and how their fields are numbered, is Istio's (spec: templates);
of all others, fields are numbered in the order in which they are declared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import cache, reduce
from operator import or_
from typing import Any, TypeAlias, get_args, get_origin, get_type_hints

import msgspec
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from attributes import Duration, Timestamp, Value
from mixer._pb.pool import POOL
from mixer.adapter import templates as ours
from mixer.adapter.template import DnsName, EmailAddress, Instance, Uri, Variety
from mixer.remote.descriptors import INSTANCE_NAME, TEMPLATE_NAME, TEMPLATE_VARIETY, Wire, wire
from mixer.remote.kinds import POLICY, VALUE, VALUE_TYPE

_MODEL = "istio.mixer.adapter.model.v1beta1"
MESSAGE = FieldDescriptorProto.TYPE_MESSAGE
_RESULTS = {
    Variety.CHECK: "CheckResult",
    Variety.REPORT: "ReportResult",
    Variety.QUOTA: "QuotaResult",
}
Held: TypeAlias = tuple[Any, str]
"""The type of a field, and the name of its message or enum."""

_Leaf: TypeAlias = Callable[[Any], Held | None]

_PACKAGES: Mapping[type[Instance], str] = {
    ours.ApiKey: "apiKey",
    ours.CheckNothing: "checkNothing",
    ours.Kubernetes: "adapter.template.kubernetes",
    ours.ListEntry: "listEntry",
    ours.LogEntry: "logEntry",
    ours.ReportNothing: "reportNothing",
    ours.TraceSpan: "traceSpan",
}
"""Of Istio's templates whose package is not simply their name."""

_NUMBERS: Mapping[type[Any], tuple[int, ...]] = {
    ours.Edge: (1, *range(10, 14), *range(20, 26), 30, 31),
    ours.Kubernetes: (1, 2, 3, 4, 7),
    ours.KubernetesOutput: (
        *(1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 13, 14),
        *(22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32),
    ),
}
"""Of the fields of Istio's messages that are not numbered 1, 2, 3..."""

_IMPORTED = (
    *("google/protobuf/any.proto", "google/protobuf/duration.proto"),
    *("google/protobuf/timestamp.proto", "status.proto", "policy.proto", "adapter_model.proto"),
)
_SPELLINGS = {"http_status_code": "httpStatusCode"}
"""What Istio's field is called, in its one message that says so."""

SCALARS: Mapping[Any, int] = {
    str: FieldDescriptorProto.TYPE_STRING,
    int: FieldDescriptorProto.TYPE_INT64,
    float: FieldDescriptorProto.TYPE_DOUBLE,
    bool: FieldDescriptorProto.TYPE_BOOL,
}
_MESSAGES: Mapping[Any, str] = {
    bytes: f"{POLICY}.IPAddress",
    Timestamp: f"{POLICY}.TimeStamp",
    Duration: f"{POLICY}.Duration",
    DnsName: f"{POLICY}.DNSName",
    EmailAddress: f"{POLICY}.EmailAddress",
    Uri: f"{POLICY}.Uri",
}


@cache
def wire_of(template: type[Instance]) -> Wire:
    """How instances of *template* travel."""
    return wire(files_of(template))


@cache
def files_of(template: type[Instance]) -> FileDescriptorSet:
    """
    The descriptor set of *template*, with all that it imports.

    Raises ValueError where a field can't be sent.
    """
    files = own_imports(*_IMPORTED)
    files.file.append(_Writer(template).file())
    return files


def own_imports(*names: str) -> FileDescriptorSet:
    """Files of ours that others import; what they import themselves must stand before them."""
    files = FileDescriptorSet()
    for name in names:
        POOL.FindFileByName(name).CopyToProto(files.file.add())
    return files


class _Writer:
    """Writes the file of one template."""

    def __init__(self, template: type[Instance]) -> None:
        name = template.__name__
        self._template = template
        self._called = name[0].lower() + name[1:]
        package = _PACKAGES.get(template, template.template)
        self._file = FileDescriptorProto(
            name=f"{template.template}.proto", package=package, syntax="proto3"
        )
        self._seen: set[str] = set()

    def file(self) -> FileDescriptorProto:
        """The whole file."""
        file, template = self._file, self._template
        file.dependency.extend(["google/protobuf/any.proto", "policy.proto", "adapter_model.proto"])
        name = f"Handle{template.__name__}"
        method = file.service.add(name=f"{name}Service").method.add(name=name)
        method.input_type = self._request(f"{name}Request")
        method.output_type = self._response(f"{name}Response")
        self._message(template, "Msg", "InstanceMsg", _sent)
        self._message(template, "Type", "Type", _typed)
        self._message(template, "InstanceParam", "InstanceParam", _written)
        instance = next(one for one in file.message_type if one.name == "InstanceMsg")
        add_field(instance, "name", INSTANCE_NAME, FieldDescriptorProto.TYPE_STRING)
        options = _varint(TEMPLATE_VARIETY << 3) + _varint(template.variety)
        called = self._called.encode()
        options += _varint(TEMPLATE_NAME << 3 | 2) + _varint(len(called)) + called
        file.options.MergeFromString(options)
        return file

    def _request(self, name: str) -> str:
        message = self._file.message_type.add(name=name)
        own = f".{self._file.package}"
        if self._template.variety is Variety.REPORT:
            field = add_field(message, "instances", 1, MESSAGE, f"{own}.InstanceMsg")
            field.label = FieldDescriptorProto.LABEL_REPEATED
        else:
            add_field(message, "instance", 1, MESSAGE, f"{own}.InstanceMsg")
        add_field(message, "adapter_config", 2, MESSAGE, ".google.protobuf.Any")
        add_field(message, "dedup_id", 3, FieldDescriptorProto.TYPE_STRING)
        if self._template.variety is Variety.QUOTA:
            add_field(message, "quota_request", 4, MESSAGE, f".{_MODEL}.QuotaRequest")
        return f"{own}.{name}"

    def _response(self, name: str) -> str:
        variety, own = self._template.variety, f".{self._file.package}"
        if variety in _RESULTS:
            return f".{_MODEL}.{_RESULTS[variety]}"
        output = self._template.output
        if output is None:
            raise ValueError(f"the template {self._template.template!r} has no output")
        self._message(output, "Msg", "OutputMsg", _sent)
        if variety is Variety.ATTRIBUTE_GENERATOR:
            return f"{own}.OutputMsg"
        message = self._file.message_type.add(name=name)
        add_field(message, "result", 1, MESSAGE, f".{_MODEL}.CheckResult")
        add_field(message, "output", 2, MESSAGE, f"{own}.OutputMsg")
        return f"{own}.{name}"

    def _message(self, struct: type[msgspec.Struct], suffix: str, name: str, leaf: _Leaf) -> str:
        """Write the message that *struct* becomes; return its full name."""
        full_name = f".{self._file.package}.{name}"
        if name in self._seen:
            return full_name
        self._seen.add(name)
        message = DescriptorProto(name=name)
        hints = get_type_hints(struct)
        fields = [field for field in struct.__struct_fields__ if field != "name"]
        numbers = _NUMBERS.get(struct, range(1, len(fields) + 1))
        for field, number in zip(fields, numbers, strict=True):
            self._field(message, field, number, hints[field], suffix, leaf)
        self._file.message_type.append(message)
        return full_name

    def _field(
        self,
        message: DescriptorProto,
        name: str,
        number: int,
        annotation: Any,
        suffix: str,
        leaf: _Leaf,
    ) -> None:
        name, annotation = _SPELLINGS.get(name, name), present(annotation)
        origin, arguments = get_origin(annotation), get_args(annotation)
        keyed = origin in (dict, Mapping)
        if keyed or origin is tuple:
            annotation = arguments[1 if keyed else 0]
        if isinstance(annotation, type) and issubclass(annotation, Instance):
            inner = f"{annotation.__name__}{suffix}"
            held: Held | None = MESSAGE, self._message(annotation, suffix, inner, leaf)
        else:
            held = leaf(annotation)
        if held is None:
            return
        if keyed:
            add_map(message, name, number, held, f".{self._file.package}.{message.name}")
            return
        field = add_field(message, name, number, *held)
        if origin is tuple:
            field.label = FieldDescriptorProto.LABEL_REPEATED


def add_field(
    message: DescriptorProto, name: str, number: int, type_: int, type_name: str = ""
) -> FieldDescriptorProto:
    """Add a field that holds one thing."""
    field = message.field.add(name=name, number=number, type=type_)
    field.label = FieldDescriptorProto.LABEL_OPTIONAL
    if type_name:
        field.type_name = type_name
    return field


def add_map(message: DescriptorProto, name: str, number: int, held: Held, scope: str) -> None:
    """Add a map from texts to what is *held*, to the *message* whose full name is *scope*."""
    title = "".join(part.capitalize() for part in name.split("_"))
    entry = message.nested_type.add(name=f"{title}Entry")
    entry.options.map_entry = True
    add_field(entry, "key", 1, FieldDescriptorProto.TYPE_STRING)
    add_field(entry, "value", 2, *held)
    field = add_field(message, name, number, MESSAGE, f"{scope}.{entry.name}")
    field.label = FieldDescriptorProto.LABEL_REPEATED


def _sent(annotation: Any) -> Held:
    """How the value of a leaf is sent."""
    if annotation == Value:
        return MESSAGE, f".{VALUE}"
    if annotation in _MESSAGES:
        return MESSAGE, f".{_MESSAGES[annotation]}"
    if isinstance(annotation, type) and issubclass(annotation, IntEnum):
        annotation = int
    if annotation not in SCALARS:
        raise ValueError(f"a field of type {annotation} can't be sent to another process")
    return SCALARS[annotation], ""


def _typed(annotation: Any) -> Held | None:
    """How the type of a leaf is told; only of those that may be of any."""
    return (FieldDescriptorProto.TYPE_ENUM, f".{VALUE_TYPE}") if annotation == Value else None


def _written(annotation: Any) -> Held:
    """How the expression of a leaf is written."""
    return FieldDescriptorProto.TYPE_STRING, ""


def present(annotation: Any) -> Any:
    """*annotation* without None."""
    arms = get_args(annotation)
    if type(None) not in arms:
        return annotation
    return reduce(or_, (arm for arm in arms if arm is not type(None)))


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])

"""
Descriptor sets to what a template or an adapter of another process says of itself.

Each set has a pool of its own, so that two may bring different files of one name.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from google.protobuf import (
    any_pb2,
    duration_pb2,
    empty_pb2,
    message_factory,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DESCRIPTOR as DESCRIPTOR_FILE
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from mixer.adapter.template import Variety

TEMPLATE_VARIETY = 72295727
TEMPLATE_NAME = 72295888
"""Options of a template's file, by number."""

INSTANCE_NAME = 72295727
"""The field of an instance message that holds the instance's full name."""

_NAME = re.compile("[a-zA-Z]+")
_LENT = {
    file.name: file
    for file in (
        DESCRIPTOR_FILE,
        any_pb2.DESCRIPTOR,
        duration_pb2.DESCRIPTOR,
        empty_pb2.DESCRIPTOR,
        struct_pb2.DESCRIPTOR,
        timestamp_pb2.DESCRIPTOR,
        wrappers_pb2.DESCRIPTOR,
    )
}
"""What a set need not bring."""


class BadDescriptor(ValueError):
    """A descriptor that can't be used; the message says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Wire:
    """How instances of a template travel."""

    name: str
    """What the template calls itself, such as ``listEntry``."""

    variety: Variety
    path: str
    """Of the method: ``/PACKAGE.SERVICE/METHOD``."""

    request: type[Any]
    response: type[Any]
    types: type[Any] | None
    """Of the message that tells the types of an instance, where there is one."""

    @property
    def instance(self) -> Descriptor:
        """Of the message of an instance."""
        field = "instances" if self.variety is Variety.REPORT else "instance"
        return _part(self.request.DESCRIPTOR, field)

    @property
    def output(self) -> Descriptor | None:
        """Of the message of what is found, where the template finds anything."""
        match self.variety:
            case Variety.ATTRIBUTE_GENERATOR:
                return cast(Descriptor, self.response.DESCRIPTOR)
            case Variety.CHECK_WITH_OUTPUT:
                return _part(self.response.DESCRIPTOR, "output")
            case _:
                return None


def wire(files: FileDescriptorSet) -> Wire:
    """
    Tell how the template travels that *files* describe.

    Raises `BadDescriptor` where they are no template (spec: out-of-process, pieces).
    """
    marked = [(file, options) for file in files.file if (options := _options(file))[1] is not None]
    if len(marked) != 1:
        found = "none has" if not marked else f"{len(marked)} have"
        raise BadDescriptor(f"one of its files must have the option template_variety; {found}")
    file, (called, number) = marked[0]
    known = pool(files)
    if not _NAME.fullmatch(called):
        raise BadDescriptor(f"the template_name {called!r} of {file.name} is not made of letters")
    if number not in tuple(Variety):
        raise BadDescriptor(f"{file.name} has the unknown template_variety {number}")
    service = next((one for one in file.service if one.name.startswith("Handle")), None)
    if service is None or not service.method:
        raise BadDescriptor(f"{file.name} has no service whose name begins with Handle")
    full_name = f"{file.package}.{service.name}".lstrip(".")
    method = known.FindServiceByName(full_name).methods[0]
    request, response = (
        message_factory.GetMessageClass(kind) for kind in (method.input_type, method.output_type)
    )
    types = None
    if any(kind.name == "Type" for kind in file.message_type):
        kind = known.FindMessageTypeByName(f"{file.package}.Type".lstrip("."))
        types = message_factory.GetMessageClass(kind)
    path = f"/{full_name}/{method.name}"
    made = Wire(called, Variety(number or 0), path, request, response, types)
    _ = made.instance, made.output  # so that what is missing is told now
    return made


def params(files: FileDescriptorSet) -> type[Message]:
    """The class of the message ``Params``. Raises `BadDescriptor` where there is none."""
    known = pool(files)
    for file in reversed(files.file):
        for kind in file.message_type:
            if kind.name == "Params":
                found = known.FindMessageTypeByName(f"{file.package}.Params".lstrip("."))
                return message_factory.GetMessageClass(found)
    raise BadDescriptor("it has no message called Params")


def unpacked(text: str) -> FileDescriptorSet:
    """Read a set from base64. Raises `BadDescriptor`."""
    try:
        files = FileDescriptorSet.FromString(b64decode(text, validate=True))
    except NotBase64 as error:
        raise BadDescriptor(f"it is not base64: {error}") from None
    except DecodeError:
        raise BadDescriptor("it is no encoded FileDescriptorSet") from None
    if not files.file:
        raise BadDescriptor("it has no files")
    return files


def own_fields(kind: Descriptor) -> Iterator[FieldDescriptor]:
    """The fields of an instance, or of a struct in it, without the instance's name."""
    return (field for field in kind.fields if field.number != INSTANCE_NAME)


def _part(kind: Descriptor, name: str) -> Descriptor:
    field = kind.fields_by_name.get(name)
    if field is None or field.message_type is None:
        raise BadDescriptor(f"the message {kind.full_name} has no message {name!r}")
    return field.message_type


def _options(file: FileDescriptorProto) -> tuple[str, int | None]:
    """Name and variety of the template that *file* describes, where it does."""
    unknown: Any = UnknownFieldSet(file.options)  # iterable, whatever its stub says
    said = {one.field_number: one.data for one in unknown}
    name, variety = said.get(TEMPLATE_NAME, b""), said.get(TEMPLATE_VARIETY)
    return str(name, "utf-8", "replace"), variety


def pool(files: FileDescriptorSet) -> DescriptorPool:
    """
    A pool of *files*, whatever their order; what protobuf itself brings may be left out.

    Raises `BadDescriptor` where something else is missing, or wrong.
    """
    found = DescriptorPool()
    waiting = {file.name: file for file in files.file}
    added: set[str] = set()

    def add(file: FileDescriptorProto) -> None:
        for needed in file.dependency:
            if needed in waiting:
                add(waiting.pop(needed))
            elif needed in _LENT and needed not in added:
                lent = FileDescriptorProto()
                _LENT[needed].CopyToProto(lent)
                add(lent)
            elif needed not in added:
                hint = "make the set with --include_imports"
                raise BadDescriptor(f"{file.name} imports {needed}, which is not in it; {hint}")
        try:
            found.Add(file)
        except TypeError as error:
            raise BadDescriptor(f"{file.name} can't be read: {error}") from None
        added.add(file.name)

    while waiting:
        add(waiting.pop(next(iter(waiting))))
    return found

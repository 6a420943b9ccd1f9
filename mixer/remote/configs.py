"""The params of an adapter of our own as a message, for mixers that ask it from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message

from attributes import Duration
from mixer.adapter.base import Adapter
from mixer.adapter.config import Config
from mixer.remote.descriptors import params
from mixer.remote.protos import MESSAGE, SCALARS, Held, add_field, add_map, own_imports, present

_DURATION: Held = (MESSAGE, ".google.protobuf.Duration")


@cache
def files_of(adapter: str, config: type[Config]) -> FileDescriptorSet:
    """
    The descriptor set of the message ``Params`` of *adapter*, whose params are a *config*.

    Every field knows whether it was set, so that zero is not taken for the default. Raises
    ValueError where a field can't be sent.
    """
    files = own_imports("google/protobuf/duration.proto")
    files.file.append(_Writer(adapter, config).file())
    return files


@cache
def params_of(adapter: str, config: type[Config]) -> type[Message]:
    """The class of the message ``Params`` of *adapter*."""
    return params(files_of(adapter, config))


def given(adapter: type[Adapter[Any]], encoded: bytes) -> dict[str, Any]:
    """What encoded ``Params`` say, as YAML would. Raises ValueError where they are none."""
    try:
        message = params_of(adapter.name, adapter.config_type).FromString(encoded)
    except DecodeError:
        raise ValueError("the params can't be decoded; are they of another adapter?") from None
    return MessageToDict(message)


class _Writer:
    """Writes the file of one adapter's params."""

    def __init__(self, adapter: str, config: type[Config]) -> None:
        self._adapter, self._config = adapter, config
        package = f"meshmixer.adapters.{adapter}"
        self._file = FileDescriptorProto(
            name=f"{adapter}_params.proto", package=package, syntax="proto3"
        )
        self._names: dict[type[Any], str] = {}

    def file(self) -> FileDescriptorProto:
        self._file.dependency.append("google/protobuf/duration.proto")
        self._message(self._config, "Params")
        return self._file

    def _message(self, config: type[msgspec.Struct], name: str = "") -> str:
        """Write the message that *config* becomes; return its full name."""
        if config not in self._names:
            name = self._claim(config, name or config.__name__)
            message = DescriptorProto(name=name)
            hints = get_type_hints(config, include_extras=True)
            for number, field in enumerate(msgspec.structs.fields(config), 1):
                self._field(message, field.name, number, hints[field.name])
                if field.encode_name != field.name:
                    message.field[-1].json_name = field.encode_name
            self._file.message_type.append(message)
        return f".{self._file.package}.{self._names[config]}"

    def _field(self, message: DescriptorProto, name: str, number: int, annotation: Any) -> None:
        annotation = _bare(annotation)
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin in (dict, Mapping):
            held = self._held(_bare(arguments[1]))
            add_map(message, name, number, held, f".{self._file.package}.{message.name}")
        elif origin is tuple:
            field = add_field(message, name, number, *self._held(_bare(arguments[0])))
            field.label = FieldDescriptorProto.LABEL_REPEATED
        else:
            field = add_field(message, name, number, *self._held(annotation))
            if field.type != MESSAGE:
                field.proto3_optional = True
                field.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name=f"_{name}")

    def _held(self, annotation: Any) -> Held:
        if annotation is Duration:
            return _DURATION
        if annotation in SCALARS:
            return SCALARS[annotation], ""
        if isinstance(annotation, type) and issubclass(annotation, IntEnum):
            return FieldDescriptorProto.TYPE_ENUM, self._enum(annotation)
        if isinstance(annotation, type) and issubclass(annotation, Config):
            return MESSAGE, self._message(annotation)
        reason = f"the params of {self._adapter} have a field of type {annotation}"
        raise ValueError(f"{reason}, which can't be sent to another process")

    def _enum(self, members: type[IntEnum]) -> str:
        """Write an enum in a message of its own, as members of one scope share their names."""
        if members not in self._names:
            name = self._claim(members, f"{members.__name__}Values")
            scope = self._file.message_type.add(name=name)
            enum = scope.enum_type.add(name="Enum")
            if 0 not in [int(member) for member in members]:
                enum.value.add(name="UNSPECIFIED", number=0)
            for member in sorted(members):
                enum.value.add(name=member.name, number=int(member))
        return f".{self._file.package}.{self._names[members]}.Enum"

    def _claim(self, type_: type[Any], name: str) -> str:
        """A name for the message of *type_* that no other has."""
        while name in self._names.values():
            name += "_"
        self._names[type_] = name
        return name


def _bare(annotation: Any) -> Any:
    """*annotation* without None and bounds."""
    annotation = present(annotation)
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation

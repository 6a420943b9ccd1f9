from mixer._pb import adapter_model_pb2 as _adapter_model_pb2
from google.protobuf import any_pb2 as _any_pb2
from mixer._pb import policy_pb2 as _policy_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InstanceMsg(_message.Message):
    __slots__ = ("value", "dimensions", "monitored_resource_type", "monitored_resource_dimensions", "name")
    class DimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _policy_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_policy_pb2.Value, _Mapping]] = ...) -> None: ...
    class MonitoredResourceDimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _policy_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_policy_pb2.Value, _Mapping]] = ...) -> None: ...
    VALUE_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    MONITORED_RESOURCE_TYPE_FIELD_NUMBER: _ClassVar[int]
    MONITORED_RESOURCE_DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    value: _policy_pb2.Value
    dimensions: _containers.MessageMap[str, _policy_pb2.Value]
    monitored_resource_type: str
    monitored_resource_dimensions: _containers.MessageMap[str, _policy_pb2.Value]
    name: str
    def __init__(self, value: _Optional[_Union[_policy_pb2.Value, _Mapping]] = ..., dimensions: _Optional[_Mapping[str, _policy_pb2.Value]] = ..., monitored_resource_type: _Optional[str] = ..., monitored_resource_dimensions: _Optional[_Mapping[str, _policy_pb2.Value]] = ..., name: _Optional[str] = ...) -> None: ...

class HandleMetricRequest(_message.Message):
    __slots__ = ("instances", "adapter_config", "dedup_id")
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_CONFIG_FIELD_NUMBER: _ClassVar[int]
    DEDUP_ID_FIELD_NUMBER: _ClassVar[int]
    instances: _containers.RepeatedCompositeFieldContainer[InstanceMsg]
    adapter_config: _any_pb2.Any
    dedup_id: str
    def __init__(self, instances: _Optional[_Iterable[_Union[InstanceMsg, _Mapping]]] = ..., adapter_config: _Optional[_Union[_any_pb2.Any, _Mapping]] = ..., dedup_id: _Optional[str] = ...) -> None: ...

class Type(_message.Message):
    __slots__ = ("value", "dimensions", "monitored_resource_dimensions")
    class DimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _policy_pb2.ValueType
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_policy_pb2.ValueType, str]] = ...) -> None: ...
    class MonitoredResourceDimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _policy_pb2.ValueType
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_policy_pb2.ValueType, str]] = ...) -> None: ...
    VALUE_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    MONITORED_RESOURCE_DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    value: _policy_pb2.ValueType
    dimensions: _containers.ScalarMap[str, _policy_pb2.ValueType]
    monitored_resource_dimensions: _containers.ScalarMap[str, _policy_pb2.ValueType]
    def __init__(self, value: _Optional[_Union[_policy_pb2.ValueType, str]] = ..., dimensions: _Optional[_Mapping[str, _policy_pb2.ValueType]] = ..., monitored_resource_dimensions: _Optional[_Mapping[str, _policy_pb2.ValueType]] = ...) -> None: ...

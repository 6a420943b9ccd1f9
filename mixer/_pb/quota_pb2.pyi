from mixer._pb import adapter_model_pb2 as _adapter_model_pb2
from google.protobuf import any_pb2 as _any_pb2
from mixer._pb import policy_pb2 as _policy_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InstanceMsg(_message.Message):
    __slots__ = ("dimensions", "name")
    class DimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _policy_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_policy_pb2.Value, _Mapping]] = ...) -> None: ...
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    dimensions: _containers.MessageMap[str, _policy_pb2.Value]
    name: str
    def __init__(self, dimensions: _Optional[_Mapping[str, _policy_pb2.Value]] = ..., name: _Optional[str] = ...) -> None: ...

class HandleQuotaRequest(_message.Message):
    __slots__ = ("instance", "adapter_config", "dedup_id", "quota_request")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_CONFIG_FIELD_NUMBER: _ClassVar[int]
    DEDUP_ID_FIELD_NUMBER: _ClassVar[int]
    QUOTA_REQUEST_FIELD_NUMBER: _ClassVar[int]
    instance: InstanceMsg
    adapter_config: _any_pb2.Any
    dedup_id: str
    quota_request: _adapter_model_pb2.QuotaRequest
    def __init__(self, instance: _Optional[_Union[InstanceMsg, _Mapping]] = ..., adapter_config: _Optional[_Union[_any_pb2.Any, _Mapping]] = ..., dedup_id: _Optional[str] = ..., quota_request: _Optional[_Union[_adapter_model_pb2.QuotaRequest, _Mapping]] = ...) -> None: ...

class Type(_message.Message):
    __slots__ = ("dimensions",)
    class DimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _policy_pb2.ValueType
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_policy_pb2.ValueType, str]] = ...) -> None: ...
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    dimensions: _containers.ScalarMap[str, _policy_pb2.ValueType]
    def __init__(self, dimensions: _Optional[_Mapping[str, _policy_pb2.ValueType]] = ...) -> None: ...

"""Templates and adapters of others: descriptors by protoc, answers by grpcio's own server."""

from __future__ import annotations

import tempfile
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import grpc_tools
from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_tools import protoc

PROTO = Path(__file__).parents[2] / "proto"
OPTIONS = """
syntax = "proto3";
package test.options;
import "google/protobuf/descriptor.proto";
enum TemplateVariety {
  TEMPLATE_VARIETY_CHECK = 0;
  TEMPLATE_VARIETY_REPORT = 1;
  TEMPLATE_VARIETY_QUOTA = 2;
  TEMPLATE_VARIETY_ATTRIBUTE_GENERATOR = 3;
  TEMPLATE_VARIETY_CHECK_WITH_OUTPUT = 4;
}
extend google.protobuf.FileOptions {
  TemplateVariety template_variety = 72295727;
  string template_name = 72295888;
}
"""
HEAD = """
syntax = "proto3";
package {package};
import "options.proto";
import "policy.proto";
import "adapter_model.proto";
import "google/protobuf/any.proto";
option (test.options.template_variety) = TEMPLATE_VARIETY_{variety};
option (test.options.template_name) = "{name}";
"""


def compiled(text: str) -> FileDescriptorSet:
    """What protoc makes of a file, with all that it imports."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "options.proto").write_text(OPTIONS)
        (here / "test.proto").write_text(text)
        own = Path(grpc_tools.__file__).parent / "_proto"
        arguments = [f"-I{here}", f"-I{PROTO}", f"-I{own}", "--include_imports"]
        failed = protoc.main(["", *arguments, f"--descriptor_set_out={here}/set", "test.proto"])
        assert not failed, text
        return FileDescriptorSet.FromString((here / "set").read_bytes())


def packed(files: FileDescriptorSet) -> str:
    """A set as a configuration has it."""
    return b64encode(files.SerializeToString()).decode()


class Foreign(grpc.GenericRpcHandler):
    """An adapter of somebody else: notes what it is asked and shown, answers what it was told."""

    def __init__(self, *files: FileDescriptorSet) -> None:
        self.address = ""
        self.asked: list[Any] = []
        self.shown: list[dict[str, Any]] = []
        self.answer: Callable[[Any, Any], Any] = lambda request, response: response
        self._methods: dict[str, tuple[Any, Any]] = {}
        for one in files:
            self._learn(one)

    def _learn(self, files: FileDescriptorSet) -> None:
        pool = DescriptorPool()
        for file in files.file:
            pool.Add(file)
        for file in files.file:
            for service in file.service:
                name = f"{file.package}.{service.name}"
                for method in pool.FindServiceByName(name).methods:
                    self._methods[f"/{name}/{method.name}"] = (
                        message_factory.GetMessageClass(method.input_type),
                        message_factory.GetMessageClass(method.output_type),
                    )

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        if details.method not in self._methods:
            return None
        request_type, response_type = self._methods[details.method]

        async def answer(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            self.asked.append(request)
            self.shown.append(dict(context.invocation_metadata() or ()))
            return self.answer(request, response_type())

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=request_type.FromString,
            response_serializer=lambda response: response.SerializeToString(),
        )

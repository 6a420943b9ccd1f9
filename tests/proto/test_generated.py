"""What is generated from proto/ is what is committed, and keeps to itself."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool

from mixer._pb import status_pb2
from mixer._pb.pool import POOL

ROOT = Path(__file__).parents[2]


def test_generating_again_changes_nothing(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "tools" / "generate_proto.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.generate(tmp_path)
    fresh = {file.name: file.read_text() for file in tmp_path.iterdir()}
    committed = {
        file.name: file.read_text()
        for file in (ROOT / "mixer" / "_pb").iterdir()
        if file.suffix in (".py", ".pyi")
    }
    assert fresh == committed, "say: make proto"


def test_another_package_may_bring_its_own_status() -> None:
    other = descriptor_pb2.FileDescriptorProto(
        name="google/rpc/status.proto", package="google.rpc", syntax="proto3"
    )
    other.message_type.add(name="Status").field.add(
        name="other", number=1, type="TYPE_BYTES", label="LABEL_OPTIONAL"
    )
    descriptor_pool.Default().Add(other)
    theirs = descriptor_pool.Default().FindMessageTypeByName("google.rpc.Status")
    assert [field.name for field in theirs.fields] == ["other"]
    assert status_pb2.Status(code=7).code == 7
    assert POOL.FindMessageTypeByName("google.rpc.Status") is not theirs

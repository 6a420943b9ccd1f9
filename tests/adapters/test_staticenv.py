"""Both ends of a call are found in a list, by uid or address, and the list may change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import structlog

from adapters.staticenv import Staticenv, StaticenvConfig
from adapters.staticenv.workloads import Workload
from attributes import parse_ip
from mixer.adapter import Kubernetes
from mixer.adapter.files import BadFile
from mixer.adapter.testing import running
from tests.dispatch.conftest import Start, start

__all__ = ["start"]

BILLING = Workload(
    name="billing-1", namespace="legacy", workload="billing",
    addresses=("192.0.2.10", "2001:db8::10"), labels={"app": "billing"},
    service_account="billing", host_address="192.0.2.1", owner="me", containers={"http": 8080},
)  # fmt: skip
WEB = Workload(name="web", namespace="shop")


async def test_who_is_listed_is_found_by_uid_or_address() -> None:
    async with running(Staticenv, StaticenvConfig(workloads=(BILLING, WEB))) as handler:
        found = handler.generate(
            Kubernetes(
                source_uid="kubernetes://web.shop",
                destination_ip=parse_ip("::ffff:192.0.2.10"),
                destination_port=8080,
            )
        )
        assert found.destination_pod_ip == parse_ip("192.0.2.10")
        assert found.destination_pod_name == "billing-1"
        assert found.destination_labels == {"app": "billing"}
        assert found.destination_service_account_name == "billing"
        assert found.destination_host_ip == parse_ip("192.0.2.1")
        assert found.destination_owner == "me"
        assert found.destination_container_name == "http"
        assert found.destination_workload_name == "billing"
        assert found.destination_workload_uid == "istio://legacy/workloads/billing"
        assert found.destination_pod_uid == "kubernetes://billing-1.legacy"
        assert (found.source_workload_name, found.source_namespace) == ("web", "shop")
        assert (found.source_pod_ip, found.source_owner) == (None, None)
        by_v6 = handler.generate(Kubernetes(source_ip=parse_ip("2001:db8::10")))
        assert by_v6.source_pod_name == "billing-1"


@pytest.mark.parametrize(
    "instance",
    [
        Kubernetes(),
        Kubernetes(source_ip=bytes(4), destination_ip=bytes(16)),
        Kubernetes(source_uid="kubernetes://nobody.shop", source_ip=parse_ip("192.0.2.10")),
    ],
)
async def test_who_is_not_listed_has_no_attributes(instance: Kubernetes) -> None:
    async with running(Staticenv, StaticenvConfig(workloads=(BILLING,))) as handler:
        found = handler.generate(instance)
    assert all(getattr(found, name) is None for name in found.__struct_fields__)


async def test_a_file_is_read_again_when_it_changes_and_a_wrong_one_is_not_taken(
    tmp_path: Path,
) -> None:
    file = tmp_path / "machines.yaml"
    file.write_text("workloads: [{name: a, namespace: n, serviceAccount: s}]")
    ask = Kubernetes(source_uid="a.n", destination_uid="b.n")
    with structlog.testing.capture_logs() as log:
        async with running(Staticenv, StaticenvConfig(file=str(file))) as handler:
            first = handler.generate(ask)
            assert (first.source_service_account_name, first.destination_pod_name) == ("s", None)
            for text, known in (
                ("workloads: [{name: b, namespace: n}]", "b"),
                ("workloads: [{name: c, namspace: n}]", "b"),
            ):
                file.write_text(text)
                os.utime(file, ns=(0, file.stat().st_mtime_ns + 1_000_000))
                await handler.refresh()
                assert handler.generate(ask).destination_pod_name == known
    (line,) = log
    assert line["event"] == "a file can't be read; what it said before stays in force"
    assert str(file) in line["error"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("workloads: [{name: a}]", "missing required field `namespace`"),
        ("workloads: [{name: a, namespace: n, label: {}}]", "unknown field `label`"),
        ("workloads: [{name: a, namespace: n, addresses: [x]}]", "'x' is no IP address"),
        ("machines: []", "must say `workloads:` and nothing else"),
        ("workloads: [", "while parsing"),
    ],
)
async def test_a_wrong_file_keeps_the_handler_from_opening(
    text: str, told: str, tmp_path: Path
) -> None:
    file = tmp_path / "machines.yaml"
    file.write_text(text)
    with pytest.raises(BadFile) as failed:
        async with running(Staticenv, StaticenvConfig(file=str(file))):
            pass
    assert told in str(failed.value)


def test_what_is_wrong_with_the_params_is_told() -> None:
    config = StaticenvConfig(
        workloads=(WEB, WEB, Workload(name="a", namespace="n", addresses=("1",)))
    )
    assert [(one.field, one.reason) for one in Staticenv.problems(config, [])] == [
        ("workloads[1]", "'web.shop' is listed twice, first in workloads[0]"),
        ("workloads[2].addresses[0]", "'1' is no IP address"),
    ]


RULE = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: who}
spec:
  actions:
  - handler:
      adapter: staticenv
      params: {workloads: [{name: web, namespace: shop, addresses: [192.0.2.7]}]}
    instances:
    - template: kubernetes
      params: {source_ip: source.ip}
      attributeBindings: {source.name: $out.source_pod_name}
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: no-web}
spec:
  match: source.name == "web"
  actions:
  - handler: {adapter: denier, params: {status: {code: 7, message: no web here}}}
    instances: [{template: checknothing}]
"""


async def test_rules_see_the_attributes(start: Start) -> None:
    mixer = await start(RULE)
    denied = (await mixer.check({"source.ip": parse_ip("192.0.2.7")})).precondition
    assert "no web here" in denied.message
    assert (
        await mixer.check({"source.ip": parse_ip("192.0.2.8"), "source.name": "x"})
    ).precondition.code == 0

"""kubernetesenv: pods by uid and address, what owns them, and a server that is not always there."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from adapters.kubernetesenv import Kubernetesenv, KubernetesenvConfig, pace
from adapters.kubernetesenv import cluster as following
from mixer.adapter import Duration, Kubernetes, KubernetesOutput, Unavailable, parse_ip
from mixer.adapter.testing import running
from tests.kubernetes_api import Api, api_server, kubeconfig, kubeconfig_of


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with api_server() as found:
        yield found


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for what is only there to spare a server."""
    monkeypatch.setattr(following, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(pace, "SECONDS", 0.01)


def config(api: Api, folder: Path, **more: Any) -> KubernetesenvConfig:
    return KubernetesenvConfig(kubeconfig_path=str(kubeconfig(folder, api.url)), **more)


def pod(api: Api, name: str, address: str = "10.0.0.1", owner: str = "", **more: Any) -> None:
    """Have a pod, owned by ``KIND/NAME``."""
    kind, _, owned_by = owner.partition("/")
    owners = [
        {"kind": kind, "name": owned_by, "apiVersion": "apps/v1", "controller": True, "uid": "1"}
    ]
    metadata = {"labels": {"app": name}, **({"ownerReferences": owners} if owner else {})}
    spec = {
        "serviceAccountName": "sa",
        "containers": [
            {"name": "web", "image": "x", "ports": [{"containerPort": 8080}]},
            {"name": "side", "image": "x"},
        ],
    } | more.pop("spec", {})
    status = {"podIP": address, "hostIP": "192.0.2.1", "phase": "Running"} | more.pop("status", {})
    api.put("pods", name, metadata=metadata, spec=spec, status=status, **more)


def replicas(api: Api, name: str, deployment: str, kind: str = "replicasets") -> None:
    owner = "Deployment" if kind == "replicasets" else "DeploymentConfig"
    version = "apps/v1" if kind == "replicasets" else "apps.openshift.io/v1"
    owners = [
        {"kind": owner, "name": deployment, "apiVersion": version, "controller": True, "uid": "1"}
    ]
    spec = {"selector": {"matchLabels": {}}} if kind == "replicasets" else {}
    api.put(kind, name, metadata={"ownerReferences": owners}, spec=spec)


def by_uid(adapter: Kubernetesenv, uid: str) -> KubernetesOutput:
    return adapter.generate(Kubernetes(source_uid=uid))


async def until(found: Callable[[], Any]) -> Any:
    """Wait until *found* gives something true."""
    async with asyncio.timeout(20):
        while not (value := found()):
            await asyncio.sleep(0.005)
    return value


async def test_a_pod_is_told_with_all_that_is_known_of_it(api: Api, tmp_path: Path) -> None:
    replicas(api, "web-5f", "web")
    pod(api, "web-5f-x", owner="ReplicaSet/web-5f")
    async with running(Kubernetesenv, config(api, tmp_path)) as adapter:
        found = adapter.generate(
            Kubernetes(
                source_uid="kubernetes://web-5f-x.shop",
                destination_ip=parse_ip("::ffff:10.0.0.1"),
                destination_port=8080,
            )
        )
    assert found == KubernetesOutput(
        **{
            f"{end}_{name}": value
            for end in ("source", "destination")
            for name, value in {
                "pod_name": "web-5f-x",
                "namespace": "shop",
                "labels": {"app": "web-5f-x"},
                "pod_uid": "kubernetes://web-5f-x.shop",
                "pod_ip": parse_ip("10.0.0.1"),
                "host_ip": parse_ip("192.0.2.1"),
                "service_account_name": "sa",
                "owner": "kubernetes://apis/apps/v1/namespaces/shop/deployments/web",
                "workload_name": "web",
                "workload_namespace": "shop",
                "workload_uid": "istio://shop/workloads/web",
            }.items()
        },
        destination_container_name="web",
    )
    assert api.tokens == {"Bearer t0ken"}


@pytest.mark.parametrize(
    ("owner", "workload", "told"),
    [
        ("", "p", "kubernetes://apis/v1/namespaces/shop/pods/p"),
        ("StatefulSet/db", "db", "kubernetes://apis/apps/v1/namespaces/shop/statefulsets/db"),
        ("ReplicaSet/alone", "alone",
            "kubernetes://apis/apps/v1/namespaces/shop/replicasets/alone"),
        ("ReplicationController/rc", "dc",
            "kubernetes://apis/apps.openshift.io/v1/namespaces/shop/deploymentconfigs/dc"),
    ],
)  # fmt: skip
async def test_owners_are_followed_up(
    api: Api, tmp_path: Path, owner: str, workload: str, told: str
) -> None:
    replicas(api, "rc", "dc", "replicationcontrollers")
    pod(api, "p", owner=owner)
    async with running(Kubernetesenv, config(api, tmp_path)) as adapter:
        found = by_uid(adapter, "p.shop")
    assert (found.source_workload_name, found.source_owner) == (workload, told)


async def test_changes_are_followed(api: Api, tmp_path: Path) -> None:
    pod(api, "a", "10.0.0.1", owner="ReplicaSet/r")
    async with running(Kubernetesenv, config(api, tmp_path)) as adapter:
        assert by_uid(adapter, "a.shop").source_workload_name == "r"
        replicas(api, "r", "late")
        await until(lambda: by_uid(adapter, "a.shop").source_workload_name == "late")
        pod(api, "b", "10.0.0.2")
        await until(lambda: by_uid(adapter, "10.0.0.2").source_pod_name == "b")
        pod(api, "b", "10.0.0.3")
        await until(lambda: by_uid(adapter, "10.0.0.3").source_pod_name == "b")
        assert by_uid(adapter, "10.0.0.2").source_pod_name is None
        api.drop("pods", "b")
        await until(lambda: by_uid(adapter, "b.shop").source_pod_name is None)
        assert by_uid(adapter, "10.0.0.3").source_pod_name is None


async def test_an_address_is_of_who_runs_now(api: Api, tmp_path: Path) -> None:
    pod(api, "new", "10.0.0.9")
    pod(api, "old", "10.0.0.9", status={"phase": "Succeeded"})
    pod(api, "node", "192.0.2.1", spec={"hostNetwork": True})
    async with running(Kubernetesenv, config(api, tmp_path)) as adapter:
        assert by_uid(adapter, "10.0.0.9").source_pod_name == "new"
        assert by_uid(adapter, "old.shop").source_pod_name == "old"
        assert by_uid(adapter, "192.0.2.1").source_pod_name is None
        assert by_uid(adapter, "node.shop").source_pod_name == "node"
        unknown = Kubernetes(source_uid="kubernetes://x.shop", source_ip=parse_ip("10.0.0.9"))
        assert adapter.generate(unknown).source_pod_name is None


async def test_a_watch_that_ends_or_is_too_old_goes_on(api: Api, tmp_path: Path) -> None:
    pod(api, "a")
    async with running(Kubernetesenv, config(api, tmp_path)) as adapter:
        await until(lambda: ("pods", True) in api.asked)
        api.end_watches()
        pod(api, "b", "10.0.0.2")
        await until(lambda: by_uid(adapter, "b.shop").source_pod_name)
        api.drop("pods", "a")
        api.forget()
        pod(api, "c", "10.0.0.3")
        await until(lambda: by_uid(adapter, "c.shop").source_pod_name)
        await until(lambda: by_uid(adapter, "a.shop").source_pod_name is None)


async def test_everything_is_listed_anew_now_and_then(api: Api, tmp_path: Path) -> None:
    pod(api, "a")
    params = config(api, tmp_path, cache_refresh_duration=Duration.of(0.05))
    async with running(Kubernetesenv, params) as adapter:
        api.objects["pods"].clear()  # and nobody told
        await until(lambda: by_uid(adapter, "a.shop").source_pod_name is None)


async def test_many_pods_come_in_chunks(api: Api, tmp_path: Path) -> None:
    for number in range(1201):
        pod(api, f"p{number}", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    async with running(Kubernetesenv, config(api, tmp_path)) as adapter:
        assert by_uid(adapter, "p1200.shop").source_pod_name == "p1200"
        assert by_uid(adapter, "10.0.0.7").source_pod_name == "p7"
    assert api.asked.count(("pods", False)) == 3


async def test_only_the_namespaces_that_are_said_are_followed(api: Api, tmp_path: Path) -> None:
    pod(api, "a")
    pod(api, "b", namespace="bank")
    params = config(api, tmp_path, namespaces=("bank",))
    async with running(Kubernetesenv, params) as adapter:
        assert by_uid(adapter, "b.bank").source_pod_name == "b"
        assert by_uid(adapter, "a.shop").source_pod_name is None


async def test_a_server_that_is_away_at_first_is_asked_until_it_is_there(
    api: Api, tmp_path: Path
) -> None:
    pod(api, "a")
    api.fails = {"pods": 503}
    with structlog.testing.capture_logs() as log:
        params = config(api, tmp_path, sync_timeout=Duration.of(0.05))
        async with running(Kubernetesenv, params) as adapter:
            assert by_uid(adapter, "a.shop") == KubernetesOutput()
            api.fails = {}
            await until(lambda: by_uid(adapter, "a.shop").source_pod_name)
            await until(lambda: len(log) == 3)
    assert [line["event"] for line in log] == [
        "a cluster can't be followed; what is known of it stays",
        "the cluster was not listed in time; until it is, pods have no attributes",
        "the cluster is followed again",
    ]


@pytest.mark.parametrize("status", [401, 403, 500])
async def test_an_outage_leaves_what_is_known_and_is_told_once(
    api: Api, tmp_path: Path, status: int
) -> None:
    pod(api, "a")
    with structlog.testing.capture_logs() as log:
        async with running(Kubernetesenv, config(api, tmp_path)) as adapter:
            await until(lambda: ("pods", True) in api.asked)
            before = len(api.asked)
            api.fails = {"pods": status}
            api.end_watches()
            await until(lambda: len(api.asked) > before + 5)
            assert by_uid(adapter, "a.shop").source_pod_name == "a"
            api.fails = {}
            pod(api, "b", "10.0.0.2")
            await until(lambda: by_uid(adapter, "b.shop").source_pod_name)
    told = [line for line in log if "can't be followed" in line["event"]]
    assert len(told) == 1
    assert told[0]["what"] == "Pods of own"


async def test_a_server_that_ends_watches_at_once_is_not_asked_without_pause(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "SECONDS", 3600.0)
    async with running(Kubernetesenv, config(api, tmp_path)):
        await until(lambda: ("pods", True) in api.asked)
        for _ in range(50):
            api.end_watches()
            await asyncio.sleep(0.002)
        assert api.asked.count(("pods", True)) == 1


async def test_clusters_in_secrets_come_and_go(api: Api, tmp_path: Path) -> None:
    params = config(api, tmp_path, cluster_registries_namespace="istio-system")
    async with api_server() as other, running(Kubernetesenv, params) as adapter:
        pod(other, "far", "10.9.9.9")
        said = base64.b64encode(json.dumps(kubeconfig_of(other.url, "other")).encode()).decode()
        wrong = base64.b64encode(b"apiVersion: [").decode()
        with structlog.testing.capture_logs() as log:
            api.put("secrets", "remote", "istio-system", data={"far": said, "broken": wrong})
            await until(lambda: by_uid(adapter, "far.shop").source_pod_name)
        assert "another cluster can't be used" in log[0]["event"]
        assert other.tokens == {"Bearer other"}
        api.drop("secrets", "remote", "istio-system")
        await until(lambda: by_uid(adapter, "far.shop").source_pod_name is None)


@pytest.mark.parametrize("path", ["", "/nowhere/config"])
async def test_without_a_cluster_to_follow_it_does_not_open(path: str) -> None:
    with pytest.raises(Unavailable, match="no cluster to follow: "):
        async with running(Kubernetesenv, KubernetesenvConfig(kubeconfig_path=path)):
            pass

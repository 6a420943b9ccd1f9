"""The pods of one cluster, found by name and by address, and what owns them. Knows no network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from mixer.adapter import parse_ip
from mixer.adapter.workloads import UID, Known

_DONE = frozenset({"Succeeded", "Failed"})


class Owner(NamedTuple):
    """What controls a pod, or a set of them."""

    kind: str
    api_version: str
    name: str

    @classmethod
    def of(cls, metadata: Any) -> Owner | None:
        """The controller that *metadata* names, None where there is none."""
        for one in metadata.ownerReferences or ():
            if one.controller:
                return cls(one.kind, one.apiVersion, one.name)
        return None


class Pod:
    """As much of a pod as is ever told."""

    __slots__ = ("_age", "_known", "address", "containers", "host", "key", "labels", "name",
                 "namespace", "owner", "service_account")  # fmt: skip

    def __init__(self, pod: Any) -> None:
        """*pod* is as the API has it."""
        metadata, spec, status = pod.metadata, pod.spec, pod.status
        self.name, self.namespace = str(metadata.name), str(metadata.namespace)
        self.key = f"{self.name}.{self.namespace}"
        self.labels: Mapping[str, str] = dict(metadata.labels or {})
        self.owner = Owner.of(metadata)
        self.service_account = (spec and spec.serviceAccountName) or None
        self.host = (status and status.hostIP) or ""
        # Pods of the host's network share its address, and ended ones lose theirs to others.
        apart = spec is not None and spec.hostNetwork
        done = status is not None and status.phase in _DONE
        self.address = "" if apart or done or status is None else status.podIP or ""
        self.containers = {
            int(port.containerPort): str(one.name)
            for one in (spec.containers if spec else ()) or ()
            for port in one.ports or ()
        }
        self._known: Known | None = None
        self._age = -1

    def known(self, owners: Mapping[str, Owner], age: int) -> Known:
        """What is told of it; made anew where the *owners* are of another *age*."""
        if self._known is None or self._age != age:
            self._known, self._age = self._told(owners), age
        return self._known

    def _told(self, owners: Mapping[str, Owner]) -> Known:
        owner = self.owner or Owner("Pod", "v1", self.name)
        owner = owners.get(f"{owner.kind}/{self.namespace}/{owner.name}", owner)
        place = f"namespaces/{self.namespace}/{owner.kind.lower()}s/{owner.name}"
        told = {
            "pod_name": self.name,
            "namespace": self.namespace,
            "labels": dict(self.labels),
            "pod_uid": f"{UID}{self.key}",
            "pod_ip": parse_ip(self.address) if self.address else None,
            "host_ip": parse_ip(self.host) if self.host else None,
            "service_account_name": self.service_account,
            "owner": f"{UID}apis/{owner.api_version}/{place}",
            "workload_name": owner.name,
            "workload_namespace": self.namespace,
            "workload_uid": f"istio://{self.namespace}/workloads/{owner.name}",
        }
        return Known.of(told, self.containers)


class Pods:
    """All pods of a cluster; changed only by who watches it, on the event loop."""

    def __init__(self) -> None:
        self._pods: dict[str, Pod] = {}
        self._by_address: dict[str, Pod] = {}
        self._owners: dict[str, Owner] = {}
        """Of replica sets and the like, by ``KIND/NAMESPACE/NAME``."""
        self._age = 0

    def __len__(self) -> int:
        return len(self._pods)

    def of_uid(self, uid: str) -> Known | None:
        """What is told of ``NAME.NAMESPACE``, or of who has an address."""
        pod = self._pods.get(uid) or self._by_address.get(uid)
        return pod.known(self._owners, self._age) if pod else None

    def of_address(self, address: str) -> Known | None:
        """What is told of who has an address."""
        pod = self._by_address.get(address)
        return pod.known(self._owners, self._age) if pod else None

    def put(self, pod: Any) -> None:
        """Take a pod as it is now."""
        self.drop(pod)
        made = Pod(pod)
        self._pods[made.key] = made
        if made.address:
            self._by_address[made.address] = made

    def drop(self, pod: Any) -> None:
        """Forget a pod."""
        old = self._pods.pop(f"{pod.metadata.name}.{pod.metadata.namespace}", None)
        if old is not None and self._by_address.get(old.address) is old:
            del self._by_address[old.address]

    def keep(self, keys: Iterable[str], namespace: str) -> None:
        """Forget the pods of a namespace, or of all with ``*``, that are none of *keys*."""
        known = set(keys)
        for pod in list(self._pods.values()):
            if pod.key not in known and namespace in ("*", pod.namespace):
                del self._pods[pod.key]
                if self._by_address.get(pod.address) is pod:
                    del self._by_address[pod.address]

    def own(self, kind: str, metadata: Any, gone: bool = False) -> None:
        """Take what controls a *kind* of set, or that it is *gone*."""
        key = f"{kind}/{metadata.namespace}/{metadata.name}"
        owner = None if gone else Owner.of(metadata)
        if self._owners.get(key) == owner:
            return
        self._age += 1
        if owner is None:
            del self._owners[key]
        else:
            self._owners[key] = owner

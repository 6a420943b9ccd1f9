"""What is told of a workload at either end of a call: the fields of the template kubernetes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from attributes import ip_text
from mixer.adapter.addresses import NOWHERE
from mixer.adapter.templates import Kubernetes, KubernetesOutput

UID = "kubernetes://"


class Known(NamedTuple):
    """What is told of a workload."""

    as_source: Mapping[str, Any]
    as_destination: Mapping[str, Any]
    containers: Mapping[int, str]
    """Names of its containers by port."""

    @classmethod
    def of(cls, told: Mapping[str, Any], containers: Mapping[int, str]) -> Known:
        """What is *told*, by the fields of the template's output without the end of the call."""
        return cls(
            {f"source_{name}": value for name, value in told.items()},
            {f"destination_{name}": value for name, value in told.items()},
            containers,
        )


NOBODY = Known({}, {}, {})


def both_ends(
    instance: Kubernetes,
    by_uid: Callable[[str], Known | None],
    by_address: Callable[[str], Known | None],
) -> KubernetesOutput:
    """
    Tell what is known of both ends: by uid, given without `UID`, and by address only where there
    is none (spec: adapters, kubernetesenv).
    """

    def found(uid: str, address: bytes) -> Known:
        if uid:
            return by_uid(uid.removeprefix(UID)) or NOBODY
        return NOBODY if address in NOWHERE else by_address(ip_text(address)) or NOBODY

    source = found(instance.source_uid, instance.source_ip)
    destination = found(instance.destination_uid, instance.destination_ip)
    return KubernetesOutput(
        **source.as_source,
        **destination.as_destination,
        destination_container_name=destination.containers.get(instance.destination_port),
    )

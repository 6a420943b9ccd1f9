"""Workloads as they are listed, and the attributes they have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mixer.adapter import Config, Duration, parse_ip
from mixer.adapter.files import BadFile, listed
from mixer.adapter.workloads import UID, Known


class Workload(Config, frozen=True):
    """One machine, pod or process."""

    name: str
    """Its name; with the namespace it makes the uid, `kubernetes://NAME.NAMESPACE`."""

    namespace: str
    """Its namespace."""

    addresses: tuple[str, ...] = ()
    """Addresses it calls from and is called at."""

    labels: dict[str, str] = {}
    """Its labels."""

    workload: str = ""
    """The workload it is one of; by default its own name."""

    service_account: str = ""
    """Its service account."""

    host_address: str = ""
    """The address of the host it runs on."""

    owner: str = ""
    """What manages it, such as `kubernetes://apis/apps/v1/namespaces/shop/deployments/web`."""

    containers: dict[str, int] = {}
    """Names of its containers, or processes, by the port each listens on."""


class StaticenvConfig(Config, frozen=True):
    """Params of staticenv."""

    workloads: tuple[Workload, ...] = ()
    """All there are, or more than stand in the file."""

    file: str = ""
    """A YAML file with `workloads:` and a list of them, in the same words, lowerCamelCase."""

    refresh_interval: Duration = Duration.of(5)
    """How often to look whether the file changed."""


def read(file: Path) -> Sequence[Workload]:
    """The workloads of a *file*; blocks. Raises OSError and `BadFile`."""
    found = listed(file, "workloads", Workload)
    for where, reason in faults(found):
        raise BadFile(f"{file}: {where}: {reason}")
    return found


def faults(workloads: Sequence[Workload]) -> Iterator[tuple[str, str]]:
    """What is wrong with *workloads*: where, and why."""
    seen: dict[str, int] = {}
    for number, one in enumerate(workloads):
        at = f"workloads[{number}]"
        for key in (f"{one.name}.{one.namespace}", *one.addresses):
            if seen.setdefault(key, number) != number:
                yield at, f"{key!r} is listed twice, first in workloads[{seen[key]}]"
        addresses: Iterable[tuple[str, str]] = [
            *((f"{at}.addresses[{place}]", one) for place, one in enumerate(one.addresses)),
            *([(f"{at}.host_address", one.host_address)] if one.host_address else []),
        ]
        for where, address in addresses:
            try:
                parse_ip(address)
            except ValueError:
                yield where, f"{address!r} is no IP address"


def known(one: Workload) -> Known:
    """What is told of *one*."""
    workload = one.workload or one.name
    return Known.of(
        {
            "pod_name": one.name,
            "namespace": one.namespace,
            "labels": dict(one.labels),
            "pod_uid": f"{UID}{one.name}.{one.namespace}",
            "pod_ip": parse_ip(one.addresses[0]) if one.addresses else None,
            "service_account_name": one.service_account or None,
            "host_ip": parse_ip(one.host_address) if one.host_address else None,
            "owner": one.owner or None,
            "workload_name": workload,
            "workload_namespace": one.namespace,
            "workload_uid": f"istio://{one.namespace}/workloads/{workload}",
        },
        {port: name for name, port in one.containers.items()},
    )

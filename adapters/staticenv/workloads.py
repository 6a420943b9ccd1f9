"""Workloads as they are listed, and the attributes they have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
import yaml

from mixer.adapter import Config, Duration, parse_ip


class BadList(Exception):
    """A list that is wrong; the message says where."""


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

    def container_of(self, port: int) -> str:
        """The name of the container that listens on *port*; empty where none does."""
        return next((name for name, number in self.containers.items() if number == port), "")


class StaticenvConfig(Config, frozen=True):
    """Params of staticenv."""

    workloads: tuple[Workload, ...] = ()
    """All there are, or more than stand in the file."""

    file: str = ""
    """A YAML file with `workloads:` and a list of them, in the same words, lowerCamelCase."""

    refresh_interval: Duration = Duration.of(5)
    """How often to look whether the file changed."""


class _Listed(msgspec.Struct, forbid_unknown_fields=True):
    """What a file says."""

    workloads: list[dict[str, object]] = []


def read(content: bytes, name: str) -> list[Workload]:
    """The workloads of a file. Raises `BadList`."""
    try:
        listed = msgspec.convert(yaml.safe_load(content) or {}, _Listed)
        found = [
            msgspec.convert({_snake(key): value for key, value in one.items()}, Workload)
            for one in listed.workloads
        ]
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise BadList(f"{name}: {error}") from None
    known = set(Workload.__struct_fields__)
    for number, one in enumerate(listed.workloads):
        if unknown := {_snake(key) for key in one} - known:
            raise BadList(f"{name}: workloads[{number}] has no field {min(unknown)!r}")
    for where, reason in faults(found):
        raise BadList(f"{name}: {where}: {reason}")
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


def attributes_of(one: Workload, side: str) -> Mapping[str, object]:
    """The fields of the template's output for the *side* of the call it is at."""
    workload = one.workload or one.name
    found: dict[str, object] = {
        "pod_name": one.name,
        "namespace": one.namespace,
        "labels": dict(one.labels),
        "pod_uid": f"kubernetes://{one.name}.{one.namespace}",
        "workload_name": workload,
        "workload_namespace": one.namespace,
        "workload_uid": f"istio://{one.namespace}/workloads/{workload}",
    }
    if one.addresses:
        found["pod_ip"] = parse_ip(one.addresses[0])
    if one.service_account:
        found["service_account_name"] = one.service_account
    if one.host_address:
        found["host_ip"] = parse_ip(one.host_address)
    if one.owner:
        found["owner"] = one.owner
    return {f"{side}_{name}": value for name, value in found.items()}


def _snake(key: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)

"""
Find attributes of workloads in a list: for virtual machines, and wherever there is no Kubernetes.

Example::

    apiVersion: meshmixer.io/v1
    kind: handler
    metadata: {name: machines}
    spec:
      adapter: staticenv
      params:
        workloads:
        - name: billing-1
          namespace: legacy
          workload: billing
          addresses: [192.0.2.10, "2001:db8::10"]
          labels: {app: billing, version: v1}
          serviceAccount: billing
          containers: {http: 8080}

It answers instances of the template kubernetes, by the uid ``kubernetes://NAME.NAMESPACE`` or by
address. The same list may stand in a file, which is read again when it changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from adapters.staticenv.workloads import (
    StaticenvConfig,
    Workload,
    faults,
    known,
    read,
)
from mixer.adapter import (
    Adapter,
    Env,
    FieldProblem,
    Generates,
    Kubernetes,
    KubernetesOutput,
    Shape,
    hookimpl,
    ip_text,
    parse_ip,
)
from mixer.adapter.files import Followed
from mixer.adapter.workloads import both_ends


class Staticenv(
    Adapter[StaticenvConfig], Generates[Kubernetes, KubernetesOutput], name="staticenv"
):
    """
    Looks up both ends of a call by uid, or by address where there is none.

    Who is not listed has no attributes. A file that can't be read, or is wrong, keeps the handler
    from opening; later it leaves the list as it was, and is logged.
    """

    def __init__(self, config: StaticenvConfig, env: Env) -> None:
        super().__init__(config, env)
        self._index(config.workloads)
        self._file = Followed(config.file, config.refresh_interval, read, self._index_all, env)

    @classmethod
    def problems(cls, config: StaticenvConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
        """Find addresses that are none, and workloads that are listed twice."""
        for field, reason in faults(config.workloads):
            yield FieldProblem(field, reason)
        if config.refresh_interval <= 0:
            reason = f"'{config.refresh_interval}' is not more than 0"
            yield FieldProblem("refresh_interval", reason)

    async def open(self) -> None:
        """Read the file, if there is one; raise OSError or `BadFile` where that fails."""
        await self._file.open()

    async def close(self) -> None:
        """Stop watching the file."""
        await self._file.close()

    async def refresh(self) -> None:
        """Read the file again, if it changed. What goes wrong is logged, and the list stays."""
        await self._file.refresh()

    def generate(self, instance: Kubernetes, /) -> KubernetesOutput:
        """Tell what is known of both ends."""
        return both_ends(instance, self._by_uid.get, self._by_address.get)

    def _index_all(self, more: Iterable[Workload]) -> None:
        self._index([*self.config.workloads, *more])

    def _index(self, workloads: Iterable[Workload]) -> None:
        found = [(one, known(one)) for one in workloads]
        self._by_uid = {f"{one.name}.{one.namespace}": told for one, told in found}
        self._by_address = {
            ip_text(parse_ip(address)): told for one, told in found for address in one.addresses
        }


@hookimpl
def mixer_adapters() -> list[type[Staticenv]]:
    """Offer the adapter at the plugin door."""
    return [Staticenv]

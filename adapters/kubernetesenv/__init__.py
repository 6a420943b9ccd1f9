"""
Find attributes of pods, as the API server of Kubernetes tells them.

Example::

    apiVersion: config.istio.io/v1alpha2
    kind: handler
    metadata: {name: kubernetesenv, namespace: istio-system}
    spec:
      compiledAdapter: kubernetesenv
      params: {kubeconfigPath: ""}

It answers instances of the template kubernetes by uid, ``kubernetes://POD.NAMESPACE``, or by
address: from what it follows, so that no call waits. Without ``kubeconfigPath`` it uses the
service account of its own pod, which needs to list and watch pods, replication controllers and
replica sets::

    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRole
    metadata: {name: mixer}
    rules:
    - {apiGroups: [""], resources: [pods, replicationcontrollers], verbs: [list, watch]}
    - {apiGroups: [apps], resources: [replicasets], verbs: [list, watch]}

Pods in the network of their host are not found by address, which they share, nor are those that
have ended.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from adapters.kubernetesenv.cluster import Cluster, Following, follow
from mixer.adapter import (
    Adapter,
    Config,
    Duration,
    Env,
    FieldProblem,
    Generates,
    Kubernetes,
    KubernetesOutput,
    Meta,
    Shape,
    Unavailable,
    hookimpl,
)
from mixer.adapter.config import missing
from mixer.adapter.workloads import Known, both_ends

REMOTE = {"istio/multiCluster": "true"}
"""What secrets with the kubeconfigs of other clusters are labelled with."""


class KubernetesenvConfig(Config, frozen=True):
    """Params of kubernetesenv."""

    kubeconfig_path: str = ""
    """File that says how to reach the cluster; empty means by the service account of this pod.
    (Environment variables are not read.)"""

    cache_refresh_duration: Annotated[Duration, Meta(gt=0)] = Duration.of(300)
    """How often everything is listed anew, beside what is told at once."""

    cluster_registries_namespace: str = ""
    """Where secrets with the label ``istio/multiCluster: "true"`` hold kubeconfigs of further
    clusters; empty means that there are none."""

    namespaces: tuple[str, ...] = ()
    """Follow only pods of these; empty means all."""

    sync_timeout: Annotated[Duration, Meta(ge=0)] = Duration.of(10)
    """How long opening waits until everything was listed once."""


class Kubernetesenv(
    Adapter[KubernetesenvConfig],
    Generates[Kubernetes, KubernetesOutput],
    name="kubernetesenv",
):
    """
    Looks up both ends of a call among the pods of clusters.

    An API server that is away keeps no handler from opening: it is asked again, and until then
    nobody has attributes. Later outages leave what is known. It needs the extra
    `meshmixer[kubernetes]`.
    """

    def __init__(self, config: KubernetesenvConfig, env: Env) -> None:
        super().__init__(config, env)
        self._clusters: dict[str, Cluster] = {}
        """By name; the own cluster is the first."""
        self._secrets: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @classmethod
    def problems(
        cls, config: KubernetesenvConfig, shapes: Sequence[Shape]
    ) -> Iterable[FieldProblem]:
        """Find what is not installed."""
        return missing("lightkube", "kubernetes", cls.name)

    async def open(self) -> None:
        """Begin to follow, and wait a while. Raises `Unavailable` where nobody says how."""
        own = await self.env.work(_client, self.config.kubeconfig_path)
        cluster = self._add("own", own)
        namespace = self.config.cluster_registries_namespace
        if namespace:
            self._secrets = self.env.spawn(self._follow_secrets(own, namespace), "remote clusters")
        try:
            async with asyncio.timeout(self.config.sync_timeout.seconds):
                await cluster.synced.wait()
        except TimeoutError:
            self.env.log.warning(
                "the cluster was not listed in time; until it is, pods have no attributes",
                handler=self.env.name,
                seconds=self.config.sync_timeout.seconds,
            )

    async def close(self) -> None:
        """Follow no more."""
        secrets, self._secrets = self._secrets, None
        if secrets is not None:
            secrets.cancel()
            await asyncio.wait({secrets})
        while self._clusters:
            await self._clusters.pop(next(iter(self._clusters))).close()
        if self._closing:
            await asyncio.wait(self._closing)

    def generate(self, instance: Kubernetes, /) -> KubernetesOutput:
        """Tell what is known of both ends."""
        return both_ends(instance, self._of_uid, self._of_address)

    def _of_uid(self, uid: str) -> Known | None:
        for cluster in self._clusters.values():
            if (known := cluster.pods.of_uid(uid)) is not None:
                return known
        return None

    def _of_address(self, address: str) -> Known | None:
        for cluster in self._clusters.values():
            if (known := cluster.pods.of_address(address)) is not None:
                return known
        return None

    def _add(self, name: str, client: Any) -> Cluster:
        config = self.config
        found = Cluster(name, client, config.namespaces, config.cache_refresh_duration, self.env)
        self._clusters[name] = found
        found.start()
        return found

    async def _follow_secrets(self, client: Any, namespace: str) -> None:
        from lightkube.resources.core_v1 import Secret

        every = self.config.cache_refresh_duration
        following = Following(
            client, Secret, namespace, self._take_secret, self._keep_secrets, every, REMOTE
        )
        await follow(following, lambda: None, self.env, f"secrets of {namespace}")

    def _take_secret(self, event: str, secret: Any) -> None:
        said: Mapping[str, str] = {} if event == "DELETED" else secret.data or {}
        prefix = f"{secret.metadata.name}.{secret.metadata.namespace}/"
        wanted = {f"{prefix}{key}\n{text}": text for key, text in said.items()}
        for name in [name for name in self._clusters if name.startswith(prefix)]:
            if name not in wanted:
                self._drop(name)
        for name, text in wanted.items():
            if name not in self._clusters:
                try:
                    self._add(name, _remote(text))
                except Exception as error:  # whatever is wrong with what somebody wrote there
                    self.env.log.error(
                        "a secret with another cluster can't be used",
                        handler=self.env.name,
                        secret=prefix,
                        error=type(error).__name__,  # its text may hold what is secret
                    )

    def _keep_secrets(self, keys: Iterable[str], namespace: str) -> None:
        there = set(keys)
        for name in [name for name in self._clusters if "/" in name]:
            if name.partition("/")[0] not in there:
                self._drop(name)

    def _drop(self, name: str) -> None:
        closing = self.env.spawn(self._clusters.pop(name).close(), "leave a cluster")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


def _client(path: str) -> Any:
    """A client for the cluster of a kubeconfig, or of this pod; blocks. Raises `Unavailable`."""
    from lightkube import KubeConfig
    from lightkube.core.exceptions import ConfigError

    try:
        found = KubeConfig.from_file(path) if path else KubeConfig.from_service_account()
        return _of(found.get())
    except ConfigError as error:
        hint = "" if path else "; outside of a pod, give kubeconfigPath"
        raise Unavailable(f"no cluster to follow: {error}{hint}") from None


def _remote(encoded: str) -> Any:
    """A client for the cluster of a kubeconfig in a secret."""
    import yaml
    from lightkube import KubeConfig

    return _of(KubeConfig.from_dict(yaml.safe_load(base64.b64decode(encoded))).get())


def _of(config: Any) -> Any:
    from lightkube import AsyncClient

    from adapters.kubernetesenv.pace import Paced

    return AsyncClient(config=config, trust_env=False, transport=Paced.of(config))


@hookimpl
def mixer_adapters() -> list[type[Kubernetesenv]]:
    """Offer the adapter at the plugin door."""
    return [Kubernetesenv]

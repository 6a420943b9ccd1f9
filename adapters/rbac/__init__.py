"""
Let subjects do what their roles allow, and nothing else.

Example::

    apiVersion: meshmixer.io/v1
    kind: handler
    metadata: {name: roles}
    spec:
      adapter: rbac
      params:
        roles:
          viewer:
            namespace: shop
            rules:
            - services: [products.shop.svc.cluster.local, "reviews*"]
              methods: [GET, HEAD]
              constraints: [{key: version, values: [v1, v2]}]
        bindings:
        - role: viewer
          subjects:
          - user: cluster.local/ns/shop/sa/web
          - group: staff
            properties: {source.namespace: back-office}

The subject and the action come from an instance of the template authorization, whose
``action.properties`` and ``subject.properties`` are what constraints and subjects speak of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from adapters.rbac.config import RbacConfig, problems
from adapters.rbac.grants import Grants
from mixer.adapter import (
    Adapter,
    Authorization,
    Checks,
    Code,
    Env,
    FieldProblem,
    Shape,
    Verdict,
    hookimpl,
)

USES = 10_000
DENIED = "RBAC: permission denied"


class Rbac(Adapter[RbacConfig], Checks[Authorization], name="rbac"):
    """
    Decides by roles and bindings, which are compiled as the handler opens.

    What no enforced binding allows is denied.
    """

    def __init__(self, config: RbacConfig, env: Env) -> None:
        super().__init__(config, env)
        seconds = config.cache_duration.seconds
        self._grants = Grants(config)
        self._allowed = Verdict(Code.OK, "", seconds, USES)
        self._denied = Verdict(Code.PERMISSION_DENIED, DENIED, seconds, USES)

    @classmethod
    def problems(cls, config: RbacConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
        """Find bindings of roles that are not there, and subjects and rules that say nothing."""
        return problems(config)

    def check(self, instance: Authorization, /) -> Verdict:
        """Decide whether the subject may do the action."""
        allowed, permissive = self._grants.of(instance)
        if allowed:
            return self._allowed
        if permissive is not None:
            self.env.log.debug(
                "a permissive binding would allow",
                handler=self.env.name,
                role=permissive.role,
                user=instance.subject.user,
                service=instance.action.service,
            )
        return self._denied


@hookimpl
def mixer_adapters() -> list[type[Rbac]]:
    """Offer the adapter at the plugin door."""
    return [Rbac]

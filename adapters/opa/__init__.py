"""
Decide by policies in Rego, here or by an Open Policy Agent.

Example of policies that are evaluated in this process::

    apiVersion: config.istio.io/v1alpha2
    kind: handler
    metadata: {name: policies, namespace: istio-system}
    spec:
      compiledAdapter: opa
      params:
        checkMethod: data.shop.allow
        failClose: true
        policy:
        - |
          package shop
          import rego.v1
          default allow := false
          allow if input.subject.user == "ann"
          allow if input.action.method == "GET"

and of an agent that is asked::

    apiVersion: meshmixer.io/v1
    kind: handler
    metadata: {name: agent}
    spec:
      adapter: opa
      timeout: 300ms
      params: {url: "http://localhost:8181", checkMethod: data.shop.allow}

The input is that of Istio's adapter: ``action`` with ``namespace``, ``service``, ``method``,
``path`` and ``properties``, ``subject`` with ``user``, ``groups`` (a list of one) and
``properties``, of an instance of the template authorization; what is empty is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from adapters.opa.rego import METHOD, BadPolicy, Policies
from mixer.adapter import (
    Adapter,
    Authorization,
    Checks,
    Code,
    Env,
    FieldProblem,
    Milestones,
    Positive,
    Refused,
    Shape,
    Value,
    Verdict,
    hookimpl,
)
from mixer.adapter.config import missing
from mixer.adapter.http import Http, HttpPeer, connected, fault_of, http_problems
from mixer.adapter.records import plain_map

REJECTED = "opa: request was rejected"
_ALLOWED = Verdict(Code.OK, "", 0.0, 0)


class OpaConfig(HttpPeer, frozen=True):
    """Params of opa: either policies, or the url of an agent."""

    policy: tuple[str, ...] = ()
    """Modules of Rego to evaluate in this process."""

    check_method: str = ""
    """The rule that decides, such as ``data.shop.allow``; it must be true or false."""

    fail_close: bool = False
    """For policies in this process: what becomes of a call for which the rule is neither true nor
    false, or fails, or for which no policy could be compiled. True: it is denied. False: it is
    allowed, and policies that can't be compiled are a problem of the configuration. (Of an agent
    that is away, the rule's ``onError`` decides.)"""

    at_once: Positive = 2
    """For policies in this process: how many calls are decided at a time, each in a thread."""


class Opa(Adapter[OpaConfig], Checks[Authorization], name="opa"):
    """
    Asks a rule of Rego whether a call may pass.

    In this process, calls wait for a thread, at most as long as the handler's `timeout`: a policy
    that takes long costs those who ask it, and no other rule. It needs the extra `meshmixer[opa]`;
    the language is that of rego-cpp, without functions that reach the network. An agent needs
    `meshmixer[http]`.
    """

    def __init__(self, config: OpaConfig, env: Env) -> None:
        super().__init__(config, env)
        self._http: Http | None = None
        self._policies: Policies | None = None
        self._url = f"{config.url.rstrip('/')}/v1/{config.check_method.replace('.', '/')}"
        self._failures = Milestones()

    @classmethod
    def problems(cls, config: OpaConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
        """Find rules that are none, and policies that do not compile."""
        if not METHOD.fullmatch(config.check_method):
            reason = f"{config.check_method!r} is not of the form data.PACKAGE.RULE"
            yield FieldProblem("check_method", reason)
        elif bool(config.url) == bool(config.policy):
            yield FieldProblem("", "decisions come from one of policy and url", "give one of them")
        elif config.url:
            yield from http_problems(config, cls.name)
            if config.fail_close:
                hint = "say onError: deny on the rule"
                yield FieldProblem("fail_close", "an agent that is away fails the rule", hint)
        else:
            lacking = list(missing("regopy", "opa", cls.name))
            yield from lacking
            if not lacking and not config.fail_close:
                try:
                    Policies(config.policy, config.check_method)
                except BadPolicy as error:
                    yield FieldProblem("policy", str(error))

    async def open(self) -> None:
        """Compile, or prepare to connect. Raises `BadPolicy` unless it is to fail closed."""
        config = self.config
        if config.url:
            self._http = await connected(config, self.env)
            return
        try:
            self._policies = await self.env.work(
                Policies, config.policy, config.check_method, config.at_once
            )
        except BadPolicy as error:
            if not config.fail_close:
                raise
            self.env.log.error(
                "policies can't be compiled, so all calls are denied",
                handler=self.env.name,
                error=str(error),
            )

    async def close(self) -> None:
        """End all connections."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def check(self, instance: Authorization, /) -> Verdict:
        """Decide. Raises `Unavailable` or `Refused` where an agent does not."""
        if self._http is not None:
            allowed = await self._asked(self._http, _input(instance))
        elif self._policies is None:
            return _denied()
        else:
            try:
                allowed = await self.env.work(self._policies.decide, _input(instance))
            except BadPolicy as error:
                return self._undecided(error)
        return _ALLOWED if allowed else _denied()

    async def _asked(self, http: Http, document: dict[str, Any]) -> bool:
        body = json.dumps({"input": document}).encode()
        answer = await http.ask("POST", self._url, body, {"content-type": "application/json"})
        if answer.status != 200:
            raise fault_of(answer, self._url)
        try:
            found = json.loads(answer.body)
            result = found.get("result") if isinstance(found, dict) else None
        except ValueError:
            raise Refused(f"{self._url} answered what is no JSON") from None
        if not isinstance(result, bool):
            told = "undefined" if result is None else f"no boolean but {json.dumps(result)[:100]}"
            raise Refused(f"{self.config.check_method} is {told}")
        return result

    def _undecided(self, error: BadPolicy) -> Verdict:
        if self._failures.reached():
            self.env.log.warning(
                "a policy gave no decision",
                handler=self.env.name,
                error=str(error),
                times=self._failures.count,
                calls="are denied" if self.config.fail_close else "are allowed",
            )
        return _denied(f". err: {error}") if self.config.fail_close else _ALLOWED


def _denied(why: str = "") -> Verdict:
    return Verdict(Code.PERMISSION_DENIED, f"{REJECTED}{why}", 0.0, 0)


def _input(instance: Authorization) -> dict[str, Any]:
    """What policies see of a call."""
    subject, action = instance.subject, instance.action
    return _filled(
        action=_filled(
            namespace=action.namespace,
            service=action.service,
            method=action.method,
            path=action.path,
            properties=_plain(action.properties),
        ),
        subject=_filled(
            user=subject.user,
            groups=[subject.groups] if subject.groups else [],
            properties=_plain(subject.properties),
        ),
    )


def _plain(properties: dict[str, Value]) -> dict[str, Any]:
    return plain_map(properties, frozenset())


def _filled(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


@hookimpl
def mixer_adapters() -> list[type[Opa]]:
    """Offer the adapter at the plugin door."""
    return [Opa]

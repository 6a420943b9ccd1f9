"""
Ask an HTTP service whether a call may pass.

Example::

    apiVersion: meshmixer.io/v1
    kind: handler
    metadata: {name: ask-risk}
    spec:
      adapter: httpcheck
      timeout: 300ms
      params: {url: "http://localhost:8000/decide", cacheDuration: 10s}

The service is posted the instance as JSON, such as ``{"template": "listentry", "name":
"who.listentry.shop", "value": "ann"}``. A status of 2xx lets the call pass, 401, 403, 404, 409 and
429 deny it, with the text of the answer as the message; any other is a failure of the handler.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from mixer.adapter import (
    Adapter,
    ApiKey,
    Authorization,
    CheckNothing,
    Checks,
    Code,
    Duration,
    Env,
    FieldProblem,
    Instance,
    ListEntry,
    NonNegative,
    Positive,
    Shape,
    Verdict,
    hookimpl,
)
from mixer.adapter.http import Answer, Http, HttpPeer, connected, fault_of, http_problems
from mixer.adapter.records import plain

_DENIALS = {
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND,
    409: Code.ABORTED,
    429: Code.RESOURCE_EXHAUSTED,
}
MAX_MESSAGE = 500
"""Characters of an answer that reach the client."""

_encode = msgspec.json.Encoder(order="deterministic").encode


class HttpcheckConfig(HttpPeer, frozen=True):
    """Params of httpcheck."""

    cache_duration: Duration = Duration(0)
    """How long an answer is used for equal instances, and by sidecars; 0 asks each time."""

    cache_use_count: NonNegative = 10_000
    """How often a sidecar may use an answer."""

    cache_size: Positive = 10_000
    """Answers that are kept; beyond, those that were longest not used are forgotten."""


class Httpcheck(
    Adapter[HttpcheckConfig],
    Checks[ApiKey | Authorization | CheckNothing | ListEntry],
    name="httpcheck",
):
    """
    Decides what a service answers.

    It needs the extra `meshmixer[http]`. While the service is away the rule's `onError` decides,
    and the handler's `breaker` spares those who would wait for it; answers that are kept still hold
    for their time.
    """

    _http: Http

    def __init__(self, config: HttpcheckConfig, env: Env) -> None:
        super().__init__(config, env)
        self._seconds = config.cache_duration.seconds
        self._kept: OrderedDict[bytes, tuple[float, Verdict]] = OrderedDict()

    @classmethod
    def problems(cls, config: HttpcheckConfig, shapes: Sequence[Shape]) -> Iterable[FieldProblem]:
        """Find an address that is none, and a duration that is none."""
        yield from http_problems(config, cls.name)
        if config.cache_duration < 0:
            yield FieldProblem("cache_duration", f"'{config.cache_duration}' is less than 0")

    async def open(self) -> None:
        """Prepare to connect; the service may be away."""
        self._http = await connected(self.config, self.env)

    async def close(self) -> None:
        """End all connections."""
        await self._http.close()

    async def check(self, instance: Instance, /) -> Verdict:
        """Ask, or remember; raise `Unavailable` or `Refused` where there is no decision."""
        question = _encode({"template": instance.template, **shown(instance)})
        now = self.env.clock()
        kept = self._kept.get(question)
        if kept is not None and kept[0] > now:
            self._kept.move_to_end(question)
            return kept[1]
        headers = {"content-type": "application/json"}
        verdict = self._verdict(await self._http.ask("POST", "", question, headers))
        if self._seconds:
            self._kept[question] = now + self._seconds, verdict
            if len(self._kept) > self.config.cache_size:
                self._kept.popitem(last=False)
        return verdict

    def _verdict(self, answer: Answer) -> Verdict:
        uses = self.config.cache_use_count if self._seconds else 0
        if 200 <= answer.status < 300:
            # Without a time to keep it, it has to be asked for anew each time.
            return Verdict(Code.OK, "", self._seconds, uses or 1)
        code = _DENIALS.get(answer.status)
        if code is None:
            raise fault_of(answer, self.config.url)
        message = answer.body.decode("utf-8", "replace").strip()[:MAX_MESSAGE]
        return Verdict(code, message or f"refused with {answer.status}", self._seconds, uses)


def shown(instance: Instance) -> Mapping[str, Any]:
    """The fields of an instance as JSON shows them."""
    found: dict[str, Any] = {}
    for name in instance.__struct_fields__:
        value = getattr(instance, name)
        if isinstance(value, Instance):
            found[name] = {key: part for key, part in shown(value).items() if key != "name"}
        elif isinstance(value, dict):
            found[name] = {key: plain(held, frozenset()) for key, held in value.items()}
        else:
            found[name] = plain(value, frozenset())
    return found


@hookimpl
def mixer_adapters() -> list[type[Httpcheck]]:
    """Offer the adapter at the plugin door."""
    return [Httpcheck]

"""The service envoy.service.auth.v3.Authorization: may a request, or a connection, pass."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from itertools import count
from time import time_ns

from google.protobuf.message import DecodeError
from structlog.typing import FilteringBoundLogger

from attributes import Bag, Timestamp
from mixer._pb import envoy_auth_pb2 as pb
from mixer.adapter import Milestones
from mixer.adapter.results import QuotaArgs
from mixer.answers import CheckAnswer, HeaderChange
from mixer.dispatch.check import check
from mixer.errors import Code, RpcError
from mixer.rules.routes import Routes, identity
from mixer.runtime import Snapshot
from mixer.server.envoy.answers import Answers, decision_id
from mixer.server.envoy.asked import Asked
from mixer.server.envoy.named import Names
from mixer.server.front import Front
from mixer.transport.calls import DEFECT, INTERNAL, Handler

SERVICE = "envoy.service.auth.v3.Authorization"

_ONE = QuotaArgs(tells=True)

QUOTAS = "quotas"
"""The key of ``context_extensions`` that says which quotas a request takes from."""


class Authorization:
    """Answers Envoy's filters ext_authz, for HTTP and for TCP, by the configuration in force."""

    def __init__(self, front: Front, log: FilteringBoundLogger, reporter: str = "inbound") -> None:
        """*reporter* is the attribute context.reporter.kind where a proxy does not say it."""
        self._front = front
        self._log = log
        self._reporter = reporter
        self._answers = Answers("", self._unsayable)
        self._names = Names(front, log, "context_extensions")
        self._snapshot: Snapshot | None = None
        self._unsayables = Milestones()
        self._serial, self._process = count(), secrets.token_hex(5)
        self.check: Handler = front.counted(f"{SERVICE}/Check", self._check)
        """Answers a CheckRequest; whatever goes wrong, there is an answer, and no status."""

    @property
    def methods(self) -> dict[str, Handler]:
        """The handlers by full method name."""
        return {f"{SERVICE}/Check": self.check}

    async def _check(self, raw: bytes) -> bytes:
        asked: Asked | None = None
        answers = self._answers
        try:
            self._front.shed(1)
            with (snapshot := self._front.snapshot()) as routes:
                answers = self._answers_of(snapshot)
                asked = self._read(raw, snapshot)
                bag = Bag(asked)
                quotas = _quotas(asked, bag, routes)
                answer = await check(routes, bag, quotas)
            said = _say(answers, answer, asked, quotas)
        except RpcError as error:
            said = answers.fail(error.code, error.message, _is_grpc(asked))
        except Exception:
            self._log.exception(DEFECT)
            said = answers.fail(Code.INTERNAL, INTERNAL, _is_grpc(asked))
        return said + decision_id(f"{self._process}{next(self._serial):010x}")

    def _answers_of(self, snapshot: Snapshot) -> Answers:
        if snapshot is not self._snapshot:
            self._snapshot = snapshot
            self._answers = Answers(snapshot.plan.revision, self._unsayable)
        return self._answers

    def _read(self, raw: bytes, snapshot: Snapshot) -> Asked:
        try:
            context = pb.CheckRequest.FromString(raw).attributes
        except DecodeError as error:
            raise RpcError(Code.INVALID_ARGUMENT, f"the request can't be read: {error}") from None
        vocabulary = snapshot.plan.model.vocabulary
        named = self._names.read(vocabulary, context.context_extensions)
        return Asked(context, named, self._reporter, Timestamp(time_ns()))

    def _unsayable(self, change: HeaderChange) -> None:
        if self._unsayables.reached():
            self._log.warning(
                "a change of headers can't be asked of Envoy",
                header=change.name,
                operation=change.verb.name,
                times=self._unsayables.count,
                advice="response headers can't be removed; names are tokens, values one line",
            )


def _say(
    answers: Answers, answer: CheckAnswer, asked: Asked, quotas: Mapping[str, QuotaArgs]
) -> bytes:
    decided = answer.precondition
    if decided.code:
        return answers.deny(decided, asked.is_grpc)
    for name, given in answer.quotas.items():
        if given.granted < quotas[name].amount:
            return answers.refuse(name, given, asked.is_grpc)
    return answers.allow(decided.directive, asked.headers if decided.directive else {})


def _is_grpc(asked: Asked | None) -> bool:
    return asked is not None and asked.is_grpc


def _quotas(asked: Asked, bag: Bag, routes: Routes) -> Mapping[str, QuotaArgs]:
    """
    The quotas that a request takes from: those named by the proxy, else all there are for it.

    Of the latter those count whose rules match. Raises RpcError where the proxy's words are wrong.
    """
    said = asked.context.context_extensions
    if QUOTAS not in said:
        known = routes.quotas
        if known and not routes.generates:  # what is generated may tell whose rules apply
            known = routes.quotas_of(identity(bag).namespace)
        return dict.fromkeys(known, _ONE)
    found = {}
    for part in filter(None, map(str.strip, said[QUOTAS].split(","))):
        name, _, amount = part.partition("=")
        if not (amount or "1").isdecimal() or len(amount) > 18:
            raise RpcError(
                Code.INVALID_ARGUMENT,
                f"{QUOTAS} of context_extensions should be like NAME or NAME=2, not {part!r}",
            )
        found[name.strip()] = QuotaArgs(int(amount or 1), tells=True)
    return found

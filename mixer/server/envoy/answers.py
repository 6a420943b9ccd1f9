"""
What Envoy is answered: OK with header operations, a denial, or that there is no decision.

Law: whatever rules and adapters say, no header is sent that Envoy could not pass on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from math import ceil
from typing import Any

from mixer._pb import envoy_auth_pb2 as pb
from mixer._pb import envoy_core_pb2 as core
from mixer.answers import (
    HeaderChange,
    HeaderVerb,
    Precondition,
    QuotaAnswer,
    RouteDirective,
)
from mixer.dispatch.combine import HTTP_STATUS as DIRECT_STATUS
from mixer.errors import Code
from mixer.transport.calls import escaped

HTTP_STATUS: Mapping[int, int] = {
    **DIRECT_STATUS,
    Code.CANCELLED: 499,
    Code.FAILED_PRECONDITION: 400,
}
"""HTTP status of a denial, by gRPC code; 500 for any other (spec: envoy, codes for denials)."""

MAX_KNOWN = 1024
LONGEST_KNOWN = 4096

_CODES = frozenset(Code)
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FORBIDDEN = re.compile(r"[\0\r\n\ud800-\udfff]")

Unsayable = Callable[[HeaderChange], None]
"""Is told of a change of headers that can't be asked of Envoy."""


class Answers:
    """Writes answers for one configuration; what is equal in many of them is written once."""

    def __init__(self, revision: str, unsayable: Unsayable) -> None:
        self._revision = revision
        self._unsayable = unsayable
        self._known: dict[Hashable, bytes] = {}

    def allow(self, directive: RouteDirective | None, headers: Mapping[str, str]) -> bytes:
        """Let a request with these *headers* pass, with the changes of a *directive*."""
        if directive is None:
            return self._keep((), lambda: self._write(self._decided("allow")))
        answer = self._decided("allow")
        ok = answer.ok_response
        for name, value in self._changed(directive.request_headers, headers):
            if value is None:
                ok.headers_to_remove.append(name)
            else:
                ok.headers.add().header.MergeFrom(_header(name, value))
        for change in self._sayable(directive.response_headers):
            if change.verb is HeaderVerb.REMOVE:
                self._unsayable(change)
                continue
            added = ok.response_headers_to_add.add()
            added.header.MergeFrom(_header(change.name, change.value))
            if change.verb is HeaderVerb.REPLACE:
                added.append_action = core.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
        return self._write(answer)

    def deny(self, given: Precondition, is_grpc: bool) -> bytes:
        """Refuse a request, by what the rules say of it."""
        if given.directive is not None:
            return self._write(self._denial(given, is_grpc))
        key = given.code, given.message, given.rule, given.handler, is_grpc
        return self._keep(key, lambda: self._write(self._denial(given, is_grpc)))

    def refuse(self, name: str, given: QuotaAnswer, is_grpc: bool) -> bytes:
        """Refuse a request that would take more of the quota *name* than there is."""
        code = Code.RESOURCE_EXHAUSTED
        message = given.message or f"quota {name} is exhausted"
        answer = self._decided("deny", code, message, given.rule, given.handler)
        denied = answer.denied_response
        self._say(denied, code, message, is_grpc)
        if given.standing is not None and given.standing.more_in > 0:
            seconds = str(ceil(given.standing.more_in))
            denied.headers.add().header.MergeFrom(_header("retry-after", seconds))
        return self._write(answer)

    def fail(self, code: Code, message: str, is_grpc: bool) -> bytes:
        """Tell that there is no decision; Envoy goes by its ``failure_mode_allow``."""
        answer = self._decided("error", code, message)
        self._say(answer.error_response, code, message, is_grpc)
        return self._write(answer)

    def _denial(self, given: Precondition, is_grpc: bool) -> pb.CheckResponse:
        answer = self._decided("deny", given.code, given.message, given.rule, given.handler)
        denied = answer.denied_response
        self._say(denied, given.code, given.message, is_grpc)
        if (direct := given.directive) is not None:
            denied.status.code = direct.direct_code
            if not is_grpc:
                denied.body = direct.direct_body
            for change in self._sayable(direct.response_headers):
                if change.verb is not HeaderVerb.REMOVE:
                    denied.headers.add().header.MergeFrom(_header(change.name, change.value))
        return answer

    def _say(self, to: pb.DeniedHttpResponse, code: int, message: str, is_grpc: bool) -> None:
        to.status.code = HTTP_STATUS.get(code, 500)
        if is_grpc:  # Envoy would make another code of the HTTP status
            to.headers.add().header.MergeFrom(_header("grpc-status", str(int(code))))
            to.headers.add().header.MergeFrom(_header("grpc-message", escaped(message)))
        else:
            to.body = f"{name_of(code)}:{message}".encode(errors="replace").decode()

    def _decided(
        self, decision: str, code: int = 0, message: str = "", rule: str = "", handler: str = ""
    ) -> pb.CheckResponse:
        answer = pb.CheckResponse()
        message = message.encode(errors="replace").decode()
        answer.status.code, answer.status.message = int(code), message
        fields = answer.dynamic_metadata.fields
        fields["decision"].string_value = decision
        fields["code"].number_value = code
        fields["revision"].string_value = self._revision
        for name, value in (("message", message), ("rule", rule), ("handler", handler)):
            if value:
                fields[name].string_value = value
        return answer

    def _changed(
        self, changes: Iterable[HeaderChange], headers: Mapping[str, str]
    ) -> Iterator[tuple[str, str | None]]:
        """The headers that *changes*, in order, make others than they were; None to remove one."""
        now: dict[str, str | None] = {}
        for change in self._sayable(changes):
            name = change.name.lower()
            before = now.get(name, headers.get(name))
            match change.verb:
                case HeaderVerb.REMOVE:
                    now[name] = None
                case HeaderVerb.APPEND if before:
                    now[name] = f"{before},{change.value}"
                case _:
                    now[name] = change.value
        return ((name, value) for name, value in now.items() if value != headers.get(name))

    def _sayable(self, changes: Iterable[HeaderChange]) -> Iterator[HeaderChange]:
        for change in changes:
            if _TOKEN.fullmatch(change.name) and not _FORBIDDEN.search(change.value):
                yield change
            else:
                self._unsayable(change)

    def _keep(self, key: Hashable, write: Callable[[], bytes]) -> bytes:
        raw = self._known.get(key)
        if raw is None:
            raw = write()
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            if len(raw) <= LONGEST_KNOWN:
                self._known[key] = raw
        return raw

    def _write(self, answer: pb.CheckResponse) -> bytes:
        return answer.SerializeToString(deterministic=True)


def name_of(code: int) -> str:
    """The name of a gRPC code, its number where it has none."""
    return Code(code).name if code in _CODES else str(code)


def _header(name: str, value: str) -> Any:
    return core.HeaderValue(key=name, value=value)


def _numbered(id_: str) -> bytes:
    more = pb.CheckResponse()
    more.dynamic_metadata.fields["decision_id"].string_value = id_
    return more.SerializeToString()


ID_LENGTH = 20
_NUMBERED = _numbered("0" * ID_LENGTH)[:-ID_LENGTH]


def decision_id(id_: str) -> bytes:
    """What, behind an answer, adds the id of its decision to its metadata; it has ID_LENGTH."""
    # A message that comes twice is one with the fields of both (protobuf's encoding: "Merging").
    return _NUMBERED + id_.encode()

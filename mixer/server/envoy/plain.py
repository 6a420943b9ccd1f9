"""
The plain form of ext_authz, over HTTP/1.1: for Envoy's ``http_service``, and for proxies that know
no other (nginx, Caddy, Traefik).

Law: it only translates; what is decided, `Authorization` decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from time import time_ns
from urllib.parse import parse_qsl, urlsplit

from structlog.typing import FilteringBoundLogger

from attributes.values import NANOS
from mixer._pb import envoy_auth_pb2 as pb
from mixer._pb import envoy_core_pb2 as core
from mixer.adapter import Milestones
from mixer.transport.calls import Handler
from mixer.transport.http1 import Request, Response

AS_SENT = "/ext-authz"
"""Before a request as Envoy sends it; words follow behind ``;``."""

FORWARDED = "/forward-auth"
"""Asks about a request that headers tell of; words follow as the query."""

_UNFIT = re.compile(r"[^\t\x20-\x7e\x80-\U0010ffff]")


class Unclear(Exception):
    """Why it can't be told what is asked."""


@dataclass(frozen=True, slots=True)
class _Words:
    """
    What the configuration of a proxy says in the address it asks at.

    Each header is read under one name only: those that a proxy does not set, a client could.
    """

    address_header: str = "x-forwarded-for"
    """Tells, last, the address of the client."""

    method_header: str = "x-forwarded-method"
    target_header: str = "x-forwarded-uri"
    denial_status: str = ""
    """The status of all denials; without it, each has its own."""

    extensions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str, separator: str) -> _Words:
        """Raises Unclear."""
        said = dict(parse_qsl(text, True, separator=separator, errors="replace"))
        own = {name: said.pop(name).lower() for name in _OWN_WORDS if name in said}
        words = cls(**own, extensions=said)
        if words.denial_status and not _STATUS.fullmatch(words.denial_status):
            raise Unclear(f"denial_status should be like 403, not {words.denial_status!r}")
        return words


_OWN_WORDS = ("address_header", "method_header", "target_header", "denial_status")
_STATUS = re.compile("[45][0-9][0-9]")


class PlainAuthorization:
    """Answers questions that come as requests of HTTP/1.1."""

    def __init__(self, check: Handler, log: FilteringBoundLogger) -> None:
        """*check* answers the same question as Envoy's CheckRequest."""
        self._check = check
        self._log = log
        self._unclear = Milestones()

    async def answer(self, request: Request) -> Response:
        """Whether the request that is asked about may pass: 200, or what to answer it."""
        try:
            if request.target.startswith(AS_SENT):
                words, context = _as_sent(request)
            elif request.target.partition("?")[0] == FORWARDED:
                words, context = _forwarded(request)
            else:
                return _text(404, f"there are {AS_SENT}/... and {FORWARDED} here, and gRPC")
        except Unclear as error:
            if self._unclear.reached():
                self._log.warning(
                    "a proxy asks what can't be understood",
                    target=request.target,
                    reason=str(error),
                    times=self._unclear.count,
                )
            return _text(500, f"INVALID_ARGUMENT:{error}")
        asked = pb.CheckRequest(attributes=context).SerializeToString()
        return _answer(pb.CheckResponse.FromString(await self._check(asked)), words)


def _as_sent(request: Request) -> tuple[_Words, pb.AttributeContext]:
    """A question as Envoy asks it: the request itself, below a path."""
    text, slash, path = request.target[len(AS_SENT) :].partition("/")
    if not slash or text[:1] not in ("", ";"):
        raise Unclear(f"path_prefix should be {AS_SENT} or {AS_SENT};NAME=TEXT;NAME=TEXT")
    words, headers = _Words.of(text[1:], ";"), _headers(request)
    host = headers.pop("host", "")
    return words, _context(words, headers, request.method, f"/{path}", host)


def _forwarded(request: Request) -> tuple[_Words, pb.AttributeContext]:
    """A question in headers, as other proxies ask it."""
    words, headers = _Words.of(request.target.partition("?")[2], "&"), _headers(request)
    host = headers.pop("host", "")
    try:
        method, target = headers.pop(words.method_header), headers.pop(words.target_header)
    except KeyError as missing:
        raise Unclear(
            f"the proxy should tell the method of a request as {words.method_header}, and its"
            f" path and query as {words.target_header}; there is no {missing.args[0]}"
        ) from None
    if not target.startswith("/"):
        parts = urlsplit(target)
        target = f"{parts.path or '/'}?{parts.query}".removesuffix("?")
        headers["x-forwarded-host"], headers["x-forwarded-proto"] = parts.netloc, parts.scheme
    host = headers.get("x-forwarded-host", host)
    return words, _context(words, headers, method, target, host)


def _headers(request: Request) -> dict[str, str]:
    """Those of the request that is asked about; of repeated ones, all values in one."""
    found: dict[str, str] = {}
    for name, value in request.headers:
        if name not in ("connection", "content-length", "transfer-encoding"):
            found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _context(
    words: _Words, headers: Mapping[str, str], method: str, target: str, host: str
) -> pb.AttributeContext:
    context = pb.AttributeContext(context_extensions=words.extensions)
    _, _, address = headers.get(words.address_header, "").rpartition(",")
    context.source.address.socket_address.address = address.strip()
    seconds, nanos = divmod(time_ns(), NANOS)
    context.request.time.seconds, context.request.time.nanos = seconds, nanos
    http = context.request.http
    http.method, http.path, http.host = method, target, host
    http.scheme = headers.get("x-forwarded-proto", "")
    http.headers.update(headers)
    http.headers.update({":method": method, ":path": target, ":authority": host})
    return context


def _answer(said: pb.CheckResponse, words: _Words) -> Response:
    headers = [("x-mixer-decision-id", said.dynamic_metadata.fields["decision_id"].string_value)]
    if not said.status.code:
        ok = said.ok_response
        headers += _lines(ok.headers)
        headers += _lines(ok.response_headers_to_add)
        if ok.headers_to_remove:
            headers.append(("x-envoy-auth-headers-to-remove", ",".join(ok.headers_to_remove)))
        return Response(200, headers)
    is_denial = said.HasField("denied_response")
    denied = said.denied_response if is_denial else said.error_response
    status = denied.status.code if 200 <= denied.status.code <= 599 else 403
    headers += _lines(denied.headers)
    if is_denial and words.denial_status:
        headers.append(("x-mixer-status", str(status)))
        status = int(words.denial_status)
    if denied.body and not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", "text/plain; charset=utf-8"))
    return Response(status, headers, denied.body.encode())


def _lines(changes: Iterable[core.HeaderValueOption]) -> Iterator[tuple[str, str]]:
    for change in changes:
        yield change.header.key.lower(), _UNFIT.sub("", change.header.value).strip()


def _text(status: int, text: str) -> Response:
    return Response(status, [("content-type", "text/plain; charset=utf-8")], text.encode())

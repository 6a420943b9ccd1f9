"""
What Envoy asks about or tells, as attributes (spec: envoy, mapping).

What the proxy saw goes before what its configuration says by name, and that before what can be
derived from other attributes. An empty text is an absent attribute.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias
from urllib.parse import unquote_plus

from attributes import Value
from mixer.server.envoy.identities import service

KINDS = ("inbound", "outbound")
"""What a log may be called, so that it tells which end its proxy stands at."""

_JWT = "envoy.filters.http.jwt_authn"
RBAC = "envoy.filters.http.rbac"
"""The filter whose shadow rules leave word of what they would have done."""

_GRPC = "application/grpc"


class EnvoySource(ABC, dict[str, Value | None]):
    """
    A source over one message of Envoy; works out what is asked for, once.

    It is a dictionary so that what was read before, present or not, is found at the speed of one.
    """

    reads: ClassVar[Mapping[str, tuple[Read | None, Read | None]]]
    """See `reads`."""

    __slots__ = ("reporter",)

    def __init__(self, reporter: str) -> None:
        """*reporter* is the kind of proxy where nobody says another."""
        self.reporter = reporter

    @property
    @abstractmethod
    def named(self) -> Mapping[str, Value]:
        """What is given by name."""

    @property
    def get(self) -> Callable[[str], Value | None]:  # type: ignore[override]
        """Reads the value of a name, None where there is none."""
        return self.__getitem__

    def __missing__(self, name: str) -> Value | None:
        see, derive = self.reads.get(name, _NOT_READ)
        value = _some(see(self)) if see else None
        if value is None:
            value = self.named.get(name)
        elif value.__class__ is dict and (given := self.named.get(name)):
            value = {**given, **value}  # type: ignore[dict-item]  # both are maps
        if value is None and derive:
            value = _some(derive(self))
        self[name] = value
        return value

    def text(self, name: str) -> str:
        """The value of an attribute that is a text; empty where there is none."""
        value = self[name]
        return value if isinstance(value, str) else ""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the request, with names in lower case."""
        found = self["request.headers"]
        return found if isinstance(found, Mapping) else {}

    @property
    def is_grpc(self) -> bool:
        """Whether the request is a call of gRPC."""
        return self.headers.get("content-type", "").startswith(_GRPC)

    @abstractmethod
    def metadata(self, of: str) -> Mapping[str, Any]:
        """The metadata that a filter has left behind, by key."""


Read: TypeAlias = Callable[[Any], Value | None]

_NOT_READ = (None, None)


def reads(
    seen: Mapping[str, Read], derived: Mapping[str, Read]
) -> dict[str, tuple[Read | None, Read | None]]:
    """
    How attributes are read: what the proxy saw, and what follows from others.

    The second counts where nobody says anything else.
    """
    return {name: (seen.get(name), derived.get(name)) for name in {**seen, **derived}}


def _some(value: Value | None) -> Value | None:
    """A *value*, None for an empty text or map: nobody says that."""
    return value if value or value.__class__ not in (str, dict) else None


def _query(source: EnvoySource) -> dict[str, str]:
    _, _, query = source.text("request.path").partition("?")
    found: dict[str, str] = {}
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        found.setdefault(unquote_plus(name), unquote_plus(value))
    return found


def _host(source: EnvoySource) -> str:
    host = source.text("request.host")
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and not host.endswith("]") else host


def _service(source: EnvoySource) -> tuple[str, str]:
    return service(source.text("destination.service.host")) or ("", "")


def _service_uid(source: EnvoySource) -> str:
    name, space = _service(source)
    return name and f"istio://{space}/services/{name}"


def _claims(source: EnvoySource) -> Mapping[str, Any]:
    """The claims of a token that Envoy has looked at; of several tokens the first by key."""
    found = source.metadata(_JWT)
    for key in sorted(found):
        fields = found[key].struct_value.fields
        if "iss" in fields or "sub" in fields:
            return {name: plain(fields[name]) for name in fields}
    return {}


def plain(value: Any) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return {name: plain(inner) for name, inner in value.struct_value.fields.items()}
        case "list_value":
            return [plain(inner) for inner in value.list_value.values]
        case "null_value" | None:
            return None
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case kind:
            return getattr(value, kind)


def _text(claim: Any) -> str:
    """A claim as text: a list joined by commas, all else as JSON."""
    match claim:
        case str():
            return claim
        case list():
            return ",".join(map(_text, claim))
        case _:
            return json.dumps(claim, separators=(",", ":"))


def _token_principal(source: EnvoySource) -> str:
    claims = _claims(source)
    issuer, subject = claims.get("iss"), claims.get("sub")
    return f"{issuer}/{subject}" if issuer and subject else ""


def _claim(name: str) -> Read:
    def read(source: EnvoySource) -> str:
        found = _claims(source).get(name)
        return "" if found is None else _text(found)

    return read


def _shadow(name: str) -> Read:
    def read(source: EnvoySource) -> str:
        found = source.metadata(RBAC)
        return found[name].string_value if name in found else ""

    return read


SEEN: Mapping[str, Read] = {
    "origin.ip": lambda source: source["source.ip"],
    "request.url_path": lambda source: source.text("request.path").partition("?")[0],
    "request.query_params": _query,
    "request.auth.principal": _token_principal,
    "request.auth.audiences": _claim("aud"),
    "request.auth.presenter": _claim("azp"),
    "request.auth.claims": lambda source: {
        key: _text(claim) for key, claim in _claims(source).items()
    },
    "request.auth.raw_claims": lambda source: (
        json.dumps(found) if (found := _claims(source)) else ""
    ),
    "rbac.permissive.response_code": _shadow("shadow_engine_result"),
    "rbac.permissive.effective_policy_id": _shadow("shadow_effective_policy_id"),
}
"""What all of Envoy's messages are asked for in one way."""

DERIVED: Mapping[str, Read] = {
    "destination.service": _host,
    "destination.service.host": _host,
    "destination.service.name": lambda source: _service(source)[0],
    "destination.service.namespace": lambda source: _service(source)[1],
    "destination.service.uid": _service_uid,
    "context.reporter.kind": lambda source: source.reporter,
}

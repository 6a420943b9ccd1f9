"""
What of an entry of an access log decides each attribute: read off its message, as code.

Entries that are alike in that, come from one proxy and have the same tags have the same key in a
`Fold`, so most are never worked out attribute by attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from attributes import Source
from attributes.values import NANOS
from mixer.expr.source import compiled
from mixer.rules.folding import HUGE, LONGEST_KEY, Folding, Folds, Measure, Number
from mixer.server.envoy.logged import Logged, own_name, peer_name
from mixer.server.envoy.source import RBAC, SEEN

MAX_KNOWN = 4096
"""Keys that are remembered by what decides them."""

_PEER = "peer_name(tls.peer_certificate_properties)"
_OWN = "own_name(tls.local_certificate_properties)"
_PATH = "(request.original_path or request.path)"
_LOCAL = "common.downstream_local_address.socket_address"
_REMOTE = "common.downstream_remote_address.socket_address"
_UPSTREAM = "common.upstream_remote_address.socket_address"
_CODE = "response.response_code.value"
_FLAGS = "common.response_flags.SerializeToString()"
_HOST = ("common.upstream_cluster", "request.authority")
_RBAC = f"{RBAC!r} in common.metadata.filter_metadata and seen[{{!r}}](logged)"
_JOINED = "logged.joined({!r})"


def _sent(name: str) -> tuple[str, ...]:
    """What decides a header of the request."""
    own = _OWN_HEADERS.get(name)
    return (f"request.request_headers.get({name!r})", *([own] if own else []))


def _grpc(name: str) -> tuple[str, ...]:
    return (
        f"response.response_trailers.get({name!r})",
        f"response.response_headers.get({name!r})",
    )


_OWN_HEADERS = {
    ":method": "request.request_method",
    ":path": _PATH,
    ":authority": "request.authority",
    ":scheme": "request.scheme",
    "user-agent": "request.user_agent",
    "referer": "request.referer",
    "x-forwarded-for": "request.forwarded_for",
    "x-request-id": "request.request_id",
}

_BY_ENTRY: Mapping[str, Callable[[str], tuple[str, ...]]] = {
    "request.headers": lambda name: ("bool(request.path or logged.headers)", *_sent(name)),
    "request.query_params": lambda name: (_PATH,),
    "response.headers": lambda name: (
        "bool(response.response_headers)",
        f"response.response_headers.get({name!r})",
    ),
}
"""Of maps of which some entries are read, what decides each of those."""

SIGHTS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("source.principal", "source.user", "source.namespace", "source.serviceAccount"), (_PEER,)
    ),
    **dict.fromkeys(
        (
            "destination.principal",
            "destination.user",
            "destination.namespace",
            "destination.serviceAccount",
        ),
        (_OWN,),
    ),
    **dict.fromkeys(
        (
            "destination.service",
            "destination.service.host",
            "destination.service.name",
            "destination.service.namespace",
            "destination.service.uid",
        ),
        _HOST,
    ),
    **dict.fromkeys(
        (
            "context.reporter.kind",
            "context.reporter.uid",
            "context.proxy_version",
            "source.labels",
            "source.name",
            "source.owner",
            "source.workload.name",
            "source.workload.namespace",
            "destination.labels",
            "destination.name",
            "destination.owner",
            "destination.workload.name",
            "destination.workload.namespace",
        ),
        (),
    ),
    "source.ip": (f"{_REMOTE}.address",),
    "origin.ip": (f"{_REMOTE}.address",),
    "source.service": _sent("x-envoy-downstream-service-cluster"),
    "destination.ip": (f"{_LOCAL}.address", f"{_UPSTREAM}.address"),
    "destination.port": (
        f"{_LOCAL}.port_value",
        f"{_UPSTREAM}.port_value",
        f"{_UPSTREAM}.address",
    ),
    "request.path": (_PATH,),
    "request.url_path": (f"{_PATH}.partition('?')[0]",),
    "request.host": ("request.authority",),
    "request.method": ("request.request_method",),
    "request.scheme": ("request.scheme",),
    "request.referer": ("request.referer",),
    "request.useragent": ("request.user_agent",),
    "response.code": (_CODE,),
    "response.grpc_status": _grpc("grpc-status"),
    "response.grpc_message": _grpc("grpc-message"),
    "connection.event": (),
    "connection.id": (),
    "connection.mtls": (_PEER,),
    "connection.requested_server_name": ("tls.tls_sni_hostname",),
    "context.protocol": _sent("content-type"),
    "context.proxy_error_code": (_FLAGS,),
    "check.error_code": (_JOINED.format("code"), _FLAGS, "response.response_code_details", _CODE),
    "check.error_message": (
        _JOINED.format("message"),
        _JOINED.format("code"),
        _FLAGS,
        "response.response_code_details",
        _CODE,
    ),
    "check.cache_hit": (_JOINED.format("cache_hit"),),
    "quota.cache_hit": (_JOINED.format("quota_cache_hit"),),
    "decision.rule": (_JOINED.format("rule"),),
    **{
        name: (_RBAC.format(name),)
        for name in ("rbac.permissive.response_code", "rbac.permissive.effective_policy_id")
    },
}
"""
By attribute, what of an entry of HTTP decides it, beside its tags and its proxy.

An attribute that proxies say by name alone needs none; one that `Logged` reads and that is not
here differs from entry to entry, or is seldom asked for.
"""

_NUMBERS: Mapping[str, str] = {
    "request.size": "request.request_body_bytes",
    "request.total_size": "request.request_headers_bytes + request.request_body_bytes",
    "response.size": "response.response_body_bytes",
    "response.total_size": "response.response_headers_bytes + response.response_body_bytes",
    "response.duration": (
        f"common.duration.seconds * {NANOS} + common.duration.nanos"
        " if common.HasField('duration') else -1"
    ),
}
"""What is measured, where a proxy has seen it; less than nothing where it has not."""

_OF_CONNECTIONS = frozenset(
    (
        "connection.received.bytes",
        "connection.received.bytes_total",
        "connection.sent.bytes",
        "connection.sent.bytes_total",
    )
)
"""What is measured of connections; a request has it only if tags say so."""


def entry_folds(plain: Folds, folding: Folding) -> Folds:
    """
    The folding of entries: what *plain* makes of them as sources, in most cases without asking it.
    """
    inputs = _inputs(folding)
    if inputs is None or not all(_is_seen(measure) for measure in folding.measures):
        return plain
    known: dict[Hashable, Hashable] = {}

    def learn(logged: Source, decides: Hashable) -> Hashable:
        read = plain.fold(logged)
        if read is None or len(str(decides)) > LONGEST_KEY:
            return None
        if len(known) >= MAX_KNOWN:
            known.clear()
        known[decides] = read[0]
        return read[0]

    names = {
        "own_name": own_name,
        "peer_name": peer_name,
        "seen": SEEN,
        "find": known.get,
        "learn": learn,
        "plain": plain.fold,
    }
    fold: Callable[[Source], tuple[Hashable, Sequence[Number]] | None] = compiled(
        "\n".join(_lines(inputs, folding.measures)), "fold", names, "sights"
    )
    return replace(plain, fold=fold)


def _inputs(folding: Folding) -> list[str] | None:
    """What decides the attributes that are read; None where that is not known of one."""
    found: dict[str, None] = {}
    for name, _ in folding.reads:
        keys = folding.entries.get(name)
        if keys is not None and name in _BY_ENTRY:
            for key in keys:
                found |= dict.fromkeys(_BY_ENTRY[name](key))
        elif name in SIGHTS:
            found |= dict.fromkeys(SIGHTS[name])
        elif name in Logged.reads:
            return None
    return list(found)


def _is_seen(measure: Measure) -> bool:
    return measure.attribute in ("", *_NUMBERS, *_OF_CONNECTIONS)


def _lines(inputs: Sequence[str], measures: Sequence[Measure]) -> Iterator[str]:
    yield "def fold(logged):"
    yield "    if logged.http is None:"
    yield "        return plain(logged)"
    yield "    common, request, response = logged.common, logged.http.request, logged.http.response"
    yield "    tls = common.tls_properties"
    numbers = []
    for number, measure in enumerate(measures):
        if not measure.attribute:
            numbers.append(repr(measure.default))
            continue
        if measure.attribute in _OF_CONNECTIONS:
            default = -1 if measure.default is None else measure.default
            yield f"    v{number} = logged.named.get({measure.attribute!r}, {default!r})"
        else:
            yield f"    v{number} = {_NUMBERS[measure.attribute]}"
        yield f"    if not 0 <= v{number} < {HUGE}:"
        yield "        return plain(logged)"
        numbers.append(f"v{number}")
    yield f"    decides = ({', '.join(('logged.proxy.serial', 'logged.tags', *inputs))})"
    yield "    key = find(decides)"
    yield "    if key is None:"
    yield "        key = learn(logged, decides)"
    yield "        if key is None:"
    yield "            return plain(logged)"
    yield f"    return key, ({''.join(f'{one}, ' for one in numbers)})"
    yield ""

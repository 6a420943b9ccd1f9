"""What decides an entry is read off its message, and nothing else does."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attributes import Value, ValueType
from mixer._pb import envoy_accesslog_data_pb2 as data
from mixer.rules.folding import Folding, Measure, plain_folds
from mixer.server.envoy import sights
from mixer.server.envoy.logged import Logged, Proxy
from mixer.server.envoy.sights import SIGHTS, entry_folds

NUMBER, SPAN = ValueType.INT64, ValueType.DURATION
MEASURES = (
    Measure("", NUMBER, 1),
    Measure("response.duration", SPAN, 0),
    Measure("request.size", NUMBER, 0),
    Measure("response.total_size", NUMBER, None),
    Measure("connection.sent.bytes", NUMBER, 0),
)
ENTRIES = {
    "request.headers": (":path", "content-type", "user-agent", "x-user"),
    "response.headers": ("content-type",),
    "request.query_params": ("a",),
}

few = st.sampled_from
_address = few(["", "10.0.0.1", "10.0.0.2", "odd"]).map(
    lambda ip: {"socket_address": {"address": ip, "port_value": len(ip)}}
)
_headers = st.dictionaries(
    few(["content-type", "x-user", "grpc-status", "X-User"]), few(["", "application/grpc", "1"])
)
_certificate = st.fixed_dictionaries(
    {
        "subject": few(["", "CN=a"]),
        "subject_alt_name": st.lists(
            few(["", "spiffe://d/ns/a/sa/b", "spiffe://d/ns/c/sa/b"]).map(lambda uri: {"uri": uri}),
            max_size=2,
        ),
    }
)
_flags = st.fixed_dictionaries(
    {},
    optional={
        "rate_limited": st.booleans(),
        "no_route_found": st.booleans(),
        "unauthorized_details": few([{}, {"reason": 1}]),
    },
)
_entry = st.fixed_dictionaries(
    {
        "common_properties": st.fixed_dictionaries(
            {
                "downstream_remote_address": _address,
                "downstream_local_address": _address,
                "upstream_remote_address": _address,
                "tls_properties": st.fixed_dictionaries(
                    {
                        "tls_sni_hostname": few(["", "a"]),
                        "peer_certificate_properties": _certificate,
                        "local_certificate_properties": _certificate,
                    }
                ),
                "upstream_cluster": few(["", "in|80||a.b.svc.local", "in|80||c.d.svc.local", "x"]),
                "response_flags": _flags,
                "stream_id": st.uuids().map(str),
            },
            optional={"duration": few([{"seconds": -1}, {"seconds": 1, "nanos": 5}, {}])},
        ),
        "request": st.fixed_dictionaries(
            {
                "request_method": st.integers(0, 11),
                "scheme": few(["", "http"]),
                "authority": few(["", "a.b.svc:80", "c"]),
                "path": few(["", "/a", "/a?a=1", "/a?a=2"]),
                "original_path": few(["", "/o"]),
                "user_agent": few(["", "curl"]),
                "referer": few(["", "r"]),
                "request_headers": _headers,
                "request_body_bytes": st.integers(0, 3),
            }
        ),
        "response": st.fixed_dictionaries(
            {
                "response_headers": _headers,
                "response_trailers": _headers,
                "response_code_details": few(["", "ext_authz_error"]),
                "response_body_bytes": st.integers(0, 3),
            },
            optional={"response_code": few([0, 200, 403]).map(lambda code: {"value": code})},
        ),
    }
)
_decision = st.dictionaries(few(["code", "message", "rule", "cache_hit"]), few([7, "m", True]))
_shadow = st.dictionaries(
    few(["shadow_engine_result", "shadow_effective_policy_id"]), few(["denied", "p"])
)
_metadata = st.dictionaries(
    few(["envoy.filters.http.ext_authz", "envoy.filters.network.ext_authz"]), _decision
) | _shadow.map(lambda said: {"envoy.filters.http.rbac": said})

NAMED: list[dict[str, Value]] = [
    {},
    {"context.reporter.kind": "outbound", "destination.namespace": "n"},
    {"request.headers": {"x-user": "named", "content-type": "application/grpc"}},
    {"connection.sent.bytes": 7, "source.labels": {"app": "a"}, "request.host": "named"},
]
PROXIES = [
    Proxy(),
    Proxy("outbound", "p", "1.2.3", {"LABELS": {"app": "web"}, "NAMESPACE": "x"}),
    Proxy("inbound", "q", "", {"NAME": "pod"}),
]


def type_of(name: str) -> ValueType:
    maps = ("request.headers", "response.headers", "source.labels", "destination.labels")
    return ValueType.STRING_MAP if name in (*maps, "request.query_params") else ValueType.STRING


def folding(names: list[str]) -> Folding:
    reads = tuple((name, type_of(name)) for name in sorted(names))
    return Folding(reads, ENTRIES, MEASURES, {}, {}, {}, (), ())


def logged(told: dict[str, Any], said: dict[str, Any], proxy: int, named: int) -> Logged:
    entry = data.HTTPAccessLogEntry(**told)
    for filter_, fields in said.items():
        entry.common_properties.metadata.filter_metadata[filter_].update(fields)
    tags = (("tags", str(named)),)
    return Logged(entry, PROXIES[proxy], tags, lambda _: NAMED[named], "inbound")


NAMES = sorted([*SIGHTS, *ENTRIES, "source.uid"])

Told: TypeAlias = tuple[dict[str, Any], dict[str, Any], int, int]
_told: st.SearchStrategy[Told] = st.tuples(
    _entry, _metadata, st.integers(0, len(PROXIES) - 1), st.integers(0, len(NAMED) - 1)
)


class Alike(list[Told]):
    """Entries that are too long to be shown."""

    def __repr__(self) -> str:
        return f"{len(self)} entries like {self[0]}"


@st.composite
def alike(draw: st.DrawFn) -> Alike:
    """An entry, and some that differ from it in one thing each."""
    first, other = draw(_told), draw(_told)
    first[0]["common_properties"]["duration"] = {"seconds": 1}
    found = [first, (first[0], other[1], *first[2:])]
    found += [(*first[:2], proxy, first[3]) for proxy in range(len(PROXIES))]
    found += [(*first[:3], named) for named in range(len(NAMED))]
    for part, fields in other[0].items():
        for name, said in fields.items():
            told = {**first[0], part: {**first[0][part], name: said}}
            found.append((told, *first[1:]))
    return Alike(draw(st.permutations(found)))


@settings(deadline=None, max_examples=50)
@given(alike())
def test_an_entry_has_the_key_and_the_numbers_that_its_attributes_have(told: Alike) -> None:
    for names in (*([name] for name in NAMES), NAMES):
        plain = plain_folds(folding(names))
        folds = entry_folds(plain, folding(names))
        assert folds.fold is not plain.fold
        for one in told:
            found, expected = folds.fold(logged(*one)), plain.fold(logged(*one))
            assert (found is None) == (expected is None)
            if found is not None and expected is not None:
                assert found[0] == expected[0], names
                assert list(found[1]) == list(expected[1])


@pytest.mark.parametrize("name", ["request.id", "request.headers", "request.auth.principal"])
def test_what_differs_from_entry_to_entry_is_read_as_attributes(name: str) -> None:
    whole = folding([name, "response.code"])
    whole = Folding(whole.reads, {}, MEASURES, {}, {}, {}, (), ())
    plain = plain_folds(whole)
    assert entry_folds(plain, whole) is plain


def test_most_entries_are_found_by_what_was_seen_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sights, "MAX_KNOWN", 2)
    made = folding(["response.code", "request.url_path"])
    plain, asked = plain_folds(made), []

    def counting(source: Any) -> Any:
        asked.append(source)
        return plain.fold(source)

    folds = entry_folds(sights.replace(plain, fold=counting), made)
    for query in range(5):
        for code in (200, 403):
            told = {
                "common_properties": {"duration": {"seconds": query}},
                "request": {"path": f"/a?{query}"},
                "response": {"response_code": {"value": code}},
            }
            folds.fold(logged(told, {}, 0, 0))
    assert len(asked) == 2
    folds.fold(logged({"request": {"path": "/b"}}, {}, 0, 0))
    assert len(asked) == 3


def test_all_that_decides_is_something_that_entries_can_tell() -> None:
    assert set(SIGHTS) <= {*Logged.reads}

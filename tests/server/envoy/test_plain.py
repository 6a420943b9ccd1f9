"""Questions over HTTP/1.1, and their answers; bad ones get no decision."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer._pb import envoy_auth_pb2 as pb
from mixer._pb import envoy_core_pb2 as core
from mixer.server.envoy.plain import PlainAuthorization
from mixer.transport.http1 import Request, Response

TELLS = (
    ("x-forwarded-method", "PUT"),
    ("x-forwarded-uri", "/a/b?c=d"),
    ("x-forwarded-host", "shop.example.com:8000"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-for", "1.1.1.1, 10.0.0.7"),
)


class Asked:
    """What is asked of a service that lets everything pass, but says how."""

    def __init__(self, answer: pb.CheckResponse | None = None) -> None:
        self._answer = (answer or pb.CheckResponse()).SerializeToString()
        self.context = pb.AttributeContext()
        self.warnings: list[str] = []

    async def check(self, raw: bytes) -> bytes:
        self.context = pb.CheckRequest.FromString(raw).attributes
        return self._answer

    def warning(self, event: str, **_: object) -> None:
        self.warnings.append(event)

    async def ask(self, target: str, *headers: tuple[str, str], method: str = "GET") -> Response:
        service = PlainAuthorization(self.check, self)  # type: ignore[arg-type]  # it only warns
        return await service.answer(Request(method, target, headers))


async def test_headers_tell_of_the_request_that_is_asked_about() -> None:
    asked = Asked()
    await asked.ask("/forward-auth?destination.namespace=shop&quotas=a%3D2,b", *TELLS)
    http = asked.context.request.http
    assert (http.method, http.path, http.host) == ("PUT", "/a/b?c=d", "shop.example.com:8000")
    assert http.scheme == "https"
    assert http.headers[":method"] == "PUT"
    assert asked.context.source.address.socket_address.address == "10.0.0.7"
    assert dict(asked.context.context_extensions) == {
        "destination.namespace": "shop",
        "quotas": "a=2,b",
    }
    assert asked.context.request.time.seconds > 0


async def test_envoy_sends_the_request_itself_below_a_path() -> None:
    asked = Asked()
    target = "/ext-authz;destination.namespace=shop;source.uid=k%2F1/ext-authz/x?y=/z"
    await asked.ask(target, ("host", "shop"), ("content-length", "0"), method="POST")
    http = asked.context.request.http
    assert (http.method, http.path, http.host) == ("POST", "/ext-authz/x?y=/z", "shop")
    assert "content-length" not in http.headers
    assert dict(asked.context.context_extensions) == {
        "destination.namespace": "shop",
        "source.uid": "k/1",
    }


async def test_other_headers_may_tell_it_and_then_the_usual_ones_do_not_count() -> None:
    asked = Asked()
    words = "target_header=X-Original-URL&method_header=X-Original-Method&address_header=X-Real-IP"
    told = [
        ("x-original-url", "https://shop.example.com/a?b=c"),
        ("x-original-method", "DELETE"),
        ("x-real-ip", "10.0.0.9"),
    ]
    await asked.ask(f"/forward-auth?{words}", *TELLS, *told)
    http = asked.context.request.http
    assert (http.method, http.path, http.host) == ("DELETE", "/a?b=c", "shop.example.com")
    assert asked.context.source.address.socket_address.address == "10.0.0.9"


async def test_repeated_headers_are_joined() -> None:
    asked = Asked()
    await asked.ask("/forward-auth", *TELLS, ("x-a", "1"), ("x-a", "2"))
    assert asked.context.request.http.headers["x-a"] == "1,2"


@pytest.mark.parametrize(
    ("target", "headers", "reason"),
    [
        ("/forward-auth", TELLS[1:], "there is no x-forwarded-method"),
        ("/forward-auth", TELLS[:1], "there is no x-forwarded-uri"),
        ("/forward-auth?target_header=x-url", TELLS, "there is no x-url"),
        ("/forward-auth?denial_status=200", TELLS, "should be like 403, not '200'"),
        ("/ext-authz;a=b", TELLS, "path_prefix should be"),
        ("/ext-authzoo/", TELLS, "path_prefix should be"),
    ],
)
async def test_what_is_unclear_is_not_decided_and_logged(
    target: str, headers: tuple[tuple[str, str], ...], reason: str
) -> None:
    asked = Asked()
    response = await asked.ask(target, *headers)
    assert response.status == 500
    assert reason in response.body.decode()
    assert asked.warnings == ["a proxy asks what can't be understood"]


async def test_other_paths_are_not_found() -> None:
    assert (await Asked().ask("/", *TELLS)).status == 404


async def test_all_denials_may_have_one_status_but_failures_keep_theirs() -> None:
    denial, failure = pb.CheckResponse(), pb.CheckResponse()
    denial.status.code = failure.status.code = 8
    denial.denied_response.status.code = 429
    failure.error_response.status.code = 503
    denied = await Asked(denial).ask("/forward-auth?denial_status=403", *TELLS)
    assert denied.status == 403
    assert ("x-mixer-status", "429") in denied.headers
    failed = await Asked(failure).ask("/forward-auth?denial_status=403", *TELLS)
    assert failed.status == 503


async def test_changes_of_headers_are_headers_of_the_answer() -> None:
    answer = pb.CheckResponse()
    answer.ok_response.headers.add(header={"key": "X-A", "value": " 1 "})
    answer.ok_response.response_headers_to_add.add(header={"key": "x-b", "value": "é"})
    answer.ok_response.headers_to_remove.extend(["cookie", "x-c"])
    response = await Asked(answer).ask("/forward-auth", *TELLS)
    assert response.status == 200
    assert list(response.headers)[1:] == [
        ("x-a", "1"),
        ("x-b", "é"),
        ("x-envoy-auth-headers-to-remove", "cookie,x-c"),
    ]


_VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"))
_TARGETS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E)).map(lambda t: f"/{t}")
_WORDS = st.sampled_from(["", "?denial_status=403", "?source.ip=1.2.3.4&x=%ff", ";a=b", "?a;b=&"])


_CHANGES = st.lists(
    st.builds(
        lambda name, value: {"header": {"key": name, "value": value}},
        st.sampled_from(["X-A", "x-b", "Content-Type"]),
        _VALUES,
    )
)


@given(st.data())
async def test_whatever_is_asked_there_is_an_answer_that_can_be_sent(data: st.DataObject) -> None:
    answer = pb.CheckResponse()
    answer.status.code = data.draw(st.integers(0, 1))
    answer.denied_response.status.code = data.draw(st.integers(0, 1000))
    answer.ok_response.headers.extend(
        core.HeaderValueOption(**change) for change in data.draw(_CHANGES)
    )
    path = data.draw(st.sampled_from(["/forward-auth", "/ext-authz", "/"]))
    told = dict(TELLS) | {name: data.draw(_VALUES) for name, _ in TELLS if data.draw(st.booleans())}
    target = path + data.draw(_WORDS) + data.draw(st.just("") | _TARGETS)
    response = await Asked(answer).ask(target, *told.items())
    h11.Response(
        status_code=response.status,
        headers=[(name.encode(), value.encode()) for name, value in response.headers],
    )

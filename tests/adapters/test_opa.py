"""
opa: policies in this process, by the real engine, and an agent that is asked.

No agent can be installed here; what one answers is said by an HTTP service, in the words of OPA's
REST API.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

import pytest
import structlog
from aiohttp import web

from adapters.opa import Opa, OpaConfig
from adapters.opa.rego import Policies
from mixer.adapter import Action, Authorization, Code, Duration, Refused, Subject, Unavailable
from mixer.adapter.testing import Rejected, running
from tests.http_service import service

POLICY = """
package shop
import rego.v1
default allow := false
allow if {
    input.subject.user == "ann"
    input.action.method == "GET"
}
allow if input.subject.groups[_] == "staff"
allow if input.subject.properties.level > 5
undecided if input.subject.user == "ann"
number := 5
"""
ANN = Authorization(name="i", subject=Subject(user="ann"), action=Action(method="GET"))
BOB = Authorization(name="i", subject=Subject(user="bob"), action=Action(method="GET"))
REJECTED = "opa: request was rejected"


def config(method: str = "data.shop.allow", *policy: str, **more: Any) -> OpaConfig:
    return OpaConfig(policy=policy or (POLICY,), check_method=method, **more)


@pytest.mark.parametrize(
    ("subject", "allowed"),
    [
        (Subject(user="ann"), True),
        (Subject(user="bob"), False),
        (Subject(groups="staff"), True),
        (Subject(properties={"level": 6}), True),
        (Subject(properties={"level": 5, "ip": b"\x0a\0\0\1", "took": Duration.of(1)}), False),
        (Subject(), False),
    ],
)
async def test_a_policy_decides(subject: Subject, allowed: bool) -> None:
    async with running(Opa, config()) as adapter:
        asked = Authorization(subject=subject, action=Action(method="GET"))
        verdict = await adapter.check(asked)
    assert verdict.code == (Code.OK if allowed else Code.PERMISSION_DENIED)
    assert verdict.message == ("" if allowed else REJECTED)
    assert (verdict.valid_for, verdict.valid_uses) == (0, 0)


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("data.shop.undecided", "the rule is undefined"),
        ("data.shop.number", "the rule is no boolean but 5"),
        ("data.shop.nothing", "the rule is undefined"),
        ("data.both.allow", "the evaluation failed"),
    ],
)
@pytest.mark.parametrize("fail_close", [True, False], ids=["closed", "open"])
async def test_what_is_no_decision_is_what_the_configuration_says(
    method: str, error: str, fail_close: bool
) -> None:
    conflict = "package both\nimport rego.v1\nallow := true if { true }\nallow := false if { true }"
    params = config(method, POLICY, conflict, fail_close=fail_close)
    with structlog.testing.capture_logs() as log:
        async with running(Opa, params) as adapter:
            for _ in range(3):
                verdict = await adapter.check(BOB)
    if fail_close:
        assert (verdict.code, verdict.message) == (7, f"{REJECTED}. err: {error}")
    else:
        assert verdict.code == Code.OK
    (line,) = log
    assert (line["error"], line["times"]) == (error, 1)


async def test_policies_that_do_not_compile_are_told_with_their_line() -> None:
    with pytest.raises(Rejected, match="policy: line 2: this is unclosed"):
        async with running(Opa, config("data.a.b", "package a\nb {\n")):
            pass


async def test_where_it_fails_closed_policies_that_do_not_compile_deny_all() -> None:
    with structlog.testing.capture_logs() as log:
        params = config("data.a.b", "package a\nb {\n", fail_close=True)
        async with running(Opa, params) as adapter:
            assert (await adapter.check(ANN)).message == REJECTED
    assert log[0]["event"] == "policies can't be compiled, so all calls are denied"


@pytest.mark.parametrize(
    ("params", "why"),
    [
        (config("shop.allow"), "check_method: 'shop.allow' is not of the form"),
        (config(""), "check_method: '' is not of the form"),
        (OpaConfig(check_method="data.a.b"), "one of policy and url"),
        (config(url="http://x"), "one of policy and url"),
        (OpaConfig(url="x", check_method="data.a.b"), "url: 'x' does not begin with"),
        (OpaConfig(url="http://x", check_method="data.a.b", fail_close=True), "say onError: deny"),
    ],
)
async def test_it_refuses(params: OpaConfig, why: str) -> None:
    found = [f"{one.field}: {one.reason} {one.suggestion}" for one in Opa.problems(params, [])]
    assert why in " ".join(found)


async def test_a_slow_policy_keeps_nobody_else_waiting() -> None:
    slow = """
package slow
import rego.v1
many := numbers.range(1, 200)
allow if count([1 | some a in many; some b in many; a * b > 5]) > 5
"""
    async with running(Opa, config("data.slow.allow", slow)) as adapter:
        deciding = asyncio.ensure_future(adapter.check(ANN))
        turns = 0
        while not deciding.done():
            await asyncio.sleep(0)
            turns += 1
        assert (await deciding).code == Code.OK
    assert turns > 100, "the event loop went on"


async def test_calls_at_a_time_do_not_mix_up() -> None:
    async with running(Opa, config(at_once=4)) as adapter:
        asked = [ANN if number % 3 else BOB for number in range(600)]
        found = await asyncio.gather(*(adapter.check(one) for one in asked))
    assert [one.code == Code.OK for one in found] == [one is ANN for one in asked]


STRESS = f"""
import gc, threading
from adapters.opa.rego import Policies
policies = Policies([{POLICY!r}], "data.shop.allow", 4)
wrong = []
def ask(start):
    for number in range(start, start + 4000):
        ann = number % 2 == 0
        user = "ann" if ann else "bob"
        document = {{"subject": {{"user": user, "properties": {{"k": "é" * 50}}}},
                    "action": {{"method": "GET", "path": f"/{{number}}"}}}}
        if policies.decide(document) is not ann:
            wrong.append(number)
        if number % 500 == 0:
            gc.collect()
def grown(rounds):
    for _ in range(rounds):
        threads = [threading.Thread(target=ask, args=(n * 10_000,)) for n in range(4)]
        [one.start() for one in threads]
        [one.join() for one in threads]
    return int(next(x for x in open("/proc/self/status") if x.startswith("VmRSS")).split()[1])
before = grown(1)
print(len(wrong), grown(1) - before)
"""


def test_the_engine_neither_crashes_nor_errs_nor_grows() -> None:
    """In a process of its own: a crash of the library would end this one."""
    done = subprocess.run(
        [sys.executable, "-c", STRESS], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    wrong, grown = map(int, done.stdout.split())
    assert wrong == 0
    assert grown < 10_000, "KB after 16,000 more queries"


def test_a_policy_is_asked_by_the_input_of_istio() -> None:
    seen = """
package seen
import rego.v1
allow if input == {
    "action": {"namespace": "n", "service": "s", "method": "GET", "path": "/",
               "properties": {"v": 1}},
    "subject": {"user": "ann", "groups": ["g"], "properties": {"ip": "10.0.0.1"}},
}
"""
    from adapters.opa import _input

    asked = Authorization(
        subject=Subject(user="ann", groups="g", properties={"ip": b"\x0a\0\0\1"}),
        action=Action(namespace="n", service="s", method="GET", path="/", properties={"v": 1}),
    )
    policies = Policies([seen], "data.seen.allow")
    assert policies.decide(_input(asked)) is True
    assert _input(Authorization()) == {}


async def test_an_agent_is_asked_over_rest() -> None:
    async with service() as agent:
        params = OpaConfig(url=f"{agent.url}/", check_method="data.shop.allow")
        agent.answers = [web.json_response({"result": True}), web.json_response({"result": False})]
        async with running(Opa, params) as adapter:
            first, second = await adapter.check(ANN), await adapter.check(ANN)
    assert (first.code, second.code, second.message) == (0, 7, REJECTED)
    seen = agent.seen[0]
    assert (seen.method, seen.path) == ("POST", "/v1/data/shop/allow")
    assert json.loads(seen.body) == {
        "input": {"subject": {"user": "ann"}, "action": {"method": "GET"}}
    }


@pytest.mark.parametrize(
    ("answer", "fault", "why"),
    [
        (lambda: web.json_response({}), Refused, "data.shop.allow is undefined"),
        (lambda: web.json_response({"result": 5}), Refused, "is no boolean but 5"),
        (lambda: web.Response(text="x"), Refused, "answered what is no JSON"),
        (lambda: web.json_response([1]), Refused, "is undefined"),
        (lambda: web.Response(status=400, text="bad"), Refused, "answered 400: bad"),
        (lambda: web.Response(status=503), Unavailable, "answered 503"),
    ],
)
async def test_what_an_agent_does_not_decide_fails_the_rule(
    answer: Any, fault: type[Exception], why: str
) -> None:
    async with service() as agent:
        agent.usual = lambda seen: answer()
        params = OpaConfig(url=agent.url, check_method="data.shop.allow")
        async with running(Opa, params) as adapter:
            with pytest.raises(fault, match=why):
                await adapter.check(ANN)


async def test_an_agent_that_is_away_is_unavailable() -> None:
    params = OpaConfig(url="http://127.0.0.1:1", check_method="data.shop.allow")
    async with running(Opa, params) as adapter:
        with pytest.raises(Unavailable):
            await adapter.check(ANN)

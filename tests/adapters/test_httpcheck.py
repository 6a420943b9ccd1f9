"""A service decides; its answers are kept as long as was said, and its outages are told as such."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from adapters.httpcheck import Httpcheck, HttpcheckConfig
from attributes import Duration
from mixer.adapter import (
    Action,
    Authorization,
    CheckNothing,
    Code,
    ListEntry,
    Refused,
    Subject,
    Unavailable,
)
from mixer.adapter.testing import running
from tests.http_service import service

ANN = ListEntry(name="who.listentry.ns", value="ann")
BOB = ListEntry(name="who.listentry.ns", value="bob")


async def test_the_instance_is_posted_as_json() -> None:
    asked = Authorization(
        name="may.authorization.ns",
        subject=Subject(user="ann", properties={"ip": b"\x0a\0\0\1"}),
        action=Action(method="GET", properties={"took": Duration.of(1.5)}),
    )
    async with service() as peer, running(Httpcheck, HttpcheckConfig(url=peer.url)) as handler:
        verdict = await handler.check(asked)
        await handler.check(ANN)
    assert (verdict.code, verdict.valid_for, verdict.valid_uses) == (0, 0, 1)
    first, second = (json.loads(seen.body) for seen in peer.seen)
    assert first["template"] == "authorization"
    assert (first["subject"]["user"], first["subject"]["properties"]) == ("ann", {"ip": "10.0.0.1"})
    assert (first["action"]["method"], first["action"]["properties"]) == ("GET", {"took": "1.5s"})
    assert second == {"template": "listentry", "name": "who.listentry.ns", "value": "ann"}


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, Code.UNAUTHENTICATED),
        (403, Code.PERMISSION_DENIED),
        (404, Code.NOT_FOUND),
        (429, Code.RESOURCE_EXHAUSTED),
    ],
)
async def test_a_denial_has_the_words_of_the_service(status: int, code: Code) -> None:
    async with service() as peer, running(Httpcheck, HttpcheckConfig(url=peer.url)) as handler:
        peer.answers = [web.Response(status=status, text=" not today \n"), web.Response(status=403)]
        denied = await handler.check(ANN)
        wordless = await handler.check(ANN)
    assert (denied.code, denied.message) == (code, "not today")
    assert (denied.valid_for, denied.valid_uses) == (0, 0)
    assert wordless.message == "refused with 403"


@pytest.mark.parametrize(("status", "error"), [(500, Unavailable), (302, Refused), (418, Refused)])
async def test_other_answers_are_no_decisions(status: int, error: type[Exception]) -> None:
    async with service() as peer, running(Httpcheck, HttpcheckConfig(url=peer.url)) as handler:
        peer.answers = [web.Response(status=status)]
        with pytest.raises(error):
            await handler.check(ANN)


async def test_answers_are_kept_for_their_time_and_failures_are_not() -> None:
    now = 100.0
    async with service() as peer:
        config = HttpcheckConfig(url=peer.url, cache_duration=Duration.of(10), cache_size=1)
        async with running(Httpcheck, config, clock=lambda: now) as handler:
            peer.answers = [web.Response(status=503), web.Response(status=403, text="no")]
            with pytest.raises(Unavailable):
                await handler.check(ANN)
            for _ in range(3):
                denied = await handler.check(ANN)
            assert (denied.message, denied.valid_for, denied.valid_uses) == ("no", 10, 10_000)
            assert len(peer.seen) == 2
            now += 10
            assert (await handler.check(ANN)).code == 0
            assert len(peer.seen) == 3
            await handler.check(BOB)  # only one is kept
            await handler.check(ANN)
            assert len(peer.seen) == 5


async def test_a_service_that_is_away_is_told() -> None:
    async with service() as peer:
        config = HttpcheckConfig(url=peer.url)
    async with running(Httpcheck, config) as handler:
        with pytest.raises(Unavailable):
            await handler.check(CheckNothing())


@pytest.mark.parametrize(
    ("words", "field"), [({"url": ""}, "url"), ({"cache_duration": Duration(-1)}, "cache_duration")]
)
def test_what_is_wrong_is_told(words: dict[str, Any], field: str) -> None:
    config = HttpcheckConfig(**{"url": "http://a", **words})
    assert [one.field for one in Httpcheck.problems(config, [])] == [field]

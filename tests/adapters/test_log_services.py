"""Log entries over HTTP: Loki's pushes, and the bulk requests of Elasticsearch and OpenSearch."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from adapters.elasticsearch import Elasticsearch, ElasticsearchConfig
from adapters.loki import Loki, LokiConfig
from attributes import Duration, Timestamp
from mixer.adapter import LogEntry, PartlyRefused, Refused, Unavailable
from mixer.adapter.testing import running
from tests.http_service import service

NOON = 1_700_000_000_000_000_000


def entry(at: int = 0, **variables: Any) -> LogEntry:
    return LogEntry(
        name="access.logentry.ns",
        timestamp=Timestamp(NOON + at),
        severity="warning",
        variables=variables,
    )


async def test_loki_gets_streams_by_label_with_lines_in_order_of_time() -> None:
    async with service() as peer:
        config = LokiConfig(
            url=peer.url + "/loki/api/v1/push",
            labels={"cluster": "east"},
            label_names=("user", "severity"),
            headers={"X-Scope-OrgID": "shop"},
        )
        async with running(Loki, config) as handler:
            await handler.report(
                [
                    entry(2, user="ann", took=Duration.of(0.5), headers={"cookie": "c"}),
                    entry(1, user="ann", code=200),
                    entry(3, user="bob", cookie="c"),
                    entry(4, code=1),
                ]
            )
    (seen,) = peer.seen
    assert seen.headers["x-scope-orgid"] == "shop"
    labels = {"cluster": "east", "instance": "access", "severity": "warning"}
    assert json.loads(seen.body) == {
        "streams": [
            {
                "stream": {**labels, "user": "ann"},
                "values": [
                    [str(NOON + 1), '{"code":200}'],
                    [str(NOON + 2), '{"headers":{"cookie":"***"},"took":"500ms"}'],
                ],
            },
            {
                "stream": {**labels, "user": "bob"},
                "values": [[str(NOON + 3), '{"cookie":"***"}']],
            },
            {"stream": {**labels, "user": ""}, "values": [[str(NOON + 4), '{"code":1}']]},
        ]
    }


async def test_without_a_label_the_severity_stands_in_the_line() -> None:
    async with service() as peer, running(Loki, LokiConfig(url=peer.url)) as handler:
        await handler.report([entry(user="ann")])
    ((_, line),) = json.loads(peer.seen[0].body)["streams"][0]["values"]
    assert json.loads(line) == {"user": "ann", "severity": "warning"}


@pytest.mark.parametrize(
    ("status", "error"), [(429, Unavailable), (500, Unavailable), (400, Refused)]
)
async def test_loki_may_refuse_and_be_away(status: int, error: type[Exception]) -> None:
    async with service() as peer, running(Loki, LokiConfig(url=peer.url)) as handler:
        peer.answers = [web.Response(status=status, text="entry too far behind")]
        with pytest.raises(error, match="entry too far behind"):
            await handler.report([entry(user="ann")])


async def test_elasticsearch_gets_a_document_for_each_entry() -> None:
    async with service() as peer:
        peer.usual = lambda _: web.json_response({"errors": False, "items": []})
        config = ElasticsearchConfig(url=peer.url + "/", index="logs", daily=True)
        async with running(Elasticsearch, config) as handler:
            await handler.report([entry(user="ann", code=200, ip=b"\x0a\0\0\1"), entry(cookie="c")])
    (seen,) = peer.seen
    assert (seen.path, seen.headers["content-type"]) == ("/_bulk", "application/x-ndjson")
    assert seen.body.endswith(b"\n")
    create = {"create": {"_index": "logs-2023.11.14"}}
    common = {
        "@timestamp": "2023-11-14T22:13:20.000000Z",
        "severity": "warning",
        "instance": "access.logentry.ns",
    }
    assert [json.loads(line) for line in seen.body.splitlines()] == [
        create,
        {**common, "user": "ann", "code": 200, "ip": "10.0.0.1"},
        create,
        {**common, "cookie": "***"},
    ]


async def test_of_a_bulk_taken_in_part_what_may_pass_is_sent_again() -> None:
    items = [
        {"create": {"status": 201}},
        {"create": {"status": 429, "error": {"type": "es_rejected_execution_exception"}}},
        {"create": {"status": 400, "error": {"type": "mapper_parsing_exception"}}},
        {"create": {"status": 503, "error": {"type": "unavailable_shards_exception"}}},
    ]
    batch = [entry(n=number) for number in range(4)]
    config = ElasticsearchConfig(url="http://nowhere")
    async with service() as peer:
        config = ElasticsearchConfig(url=peer.url)
        peer.answers = [web.json_response({"errors": True, "items": items})]
        async with running(Elasticsearch, config) as handler:
            with pytest.raises(PartlyRefused, match="es_rejected_execution_exception") as refused:
                await handler.report(batch)
    assert refused.value.again == [batch[1], batch[3]]
    assert refused.value.lost == 1


async def test_an_answer_that_is_none_of_a_bulk_is_final() -> None:
    async with service() as peer:
        config = ElasticsearchConfig(url=peer.url)
        peer.answers = [web.Response(text="<html>welcome</html>")]
        async with running(Elasticsearch, config) as handler:
            with pytest.raises(Refused, match="no answer to a bulk request"):
                await handler.report([entry(n=1)])


@pytest.mark.parametrize("index", ["", "Logs", "_logs", "a b", "a/b", "-x"])
def test_what_can_be_no_index_is_told(index: str) -> None:
    config = ElasticsearchConfig(url="http://a", index=index)
    (found,) = Elasticsearch.problems(config, [])
    assert found.reason == f"{index!r} can be no index"


def test_what_can_be_no_label_is_told() -> None:
    config = LokiConfig(url="http://a", labels={"a-b": "c"}, label_names=("1x",))
    assert [(one.field, one.reason) for one in Loki.problems(config, [])] == [
        ("labels", "'a-b' can be no label"),
        ("label_names", "'1x' can be no label"),
    ]

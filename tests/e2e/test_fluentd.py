"""fluentd's records arrive at a server of the forward protocol that others wrote."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import trustme

from adapters.fluentd import Fluentd, FluentdConfig
from attributes import Duration, Timestamp
from bench.server import free_port
from mixer.adapter import LogEntry, Unavailable
from mixer.adapter.testing import running
from tests import peers
from tests.dispatch.conftest import Start, start

pytestmark = pytest.mark.e2e
__all__ = ["start"]

NOON = Timestamp(1_700_000_000_123_456_789)


def entry(**variables: Any) -> LogEntry:
    return LogEntry(name="access.logentry.ns", timestamp=NOON, severity="info", variables=variables)


async def arrived(server: peers.Fluentd, number: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(20):
        while len(found := server.entries()) < number:
            await asyncio.sleep(0.02)
    return found


@pytest.mark.parametrize("require_ack", [True, False])
async def test_entries_arrive_with_tag_time_and_record(tmp_path: Path, require_ack: bool) -> None:
    with peers.fluentd(tmp_path) as server:
        config = FluentdConfig(address=f"127.0.0.1:{server.port}", require_ack=require_ack)
        async with running(Fluentd, config) as handler:
            await handler.report(
                [
                    entry(url="/a", code=200, took=Duration.of(1.5), ip=b"\x0a\0\0\1", ok=True),
                    entry(tag="other", headers={"Cookie": "x", "host": "shop"}),
                    entry(cookie="secret"),
                ]
            )
            first, third, second = await arrived(server, 3)
    assert first == {
        "tag": "access.logentry.ns",
        "time": "1700000000123456789",
        "record": {
            "url": "/a", "code": 200, "took": "1.5s", "ip": "10.0.0.1", "ok": True,
            "severity": "info",
        },
    }  # fmt: skip
    assert third["record"] == {"cookie": "***", "severity": "info"}
    assert (second["tag"], second["record"]) == (
        "other",
        {
            "headers": {"Cookie": "***", "host": "shop"},
            "name": "access.logentry.ns",
            "severity": "info",
        },
    )


async def test_durations_may_be_milliseconds_and_messages_are_bounded(tmp_path: Path) -> None:
    with peers.fluentd(tmp_path) as server:
        config = FluentdConfig(
            address=f"127.0.0.1:{server.port}", integer_duration=True, max_batch_size_bytes=200
        )
        async with running(Fluentd, config) as handler:
            await handler.report([entry(n=n, took=Duration.of(0.25)) for n in range(50)])
            found = await arrived(server, 50)
    assert [one["record"]["n"] for one in found] == list(range(50))
    assert {one["record"]["took"] for one in found} == {250}


async def test_a_daemon_that_went_away_gets_the_rest_when_it_is_back(tmp_path: Path) -> None:
    port = free_port()
    config = FluentdConfig(address=f"127.0.0.1:{port}")
    async with running(Fluentd, config) as handler:
        with pytest.raises(Unavailable, match=f"fluentd at 127.0.0.1:{port}: "):
            await handler.report([entry(n=0)])
        with peers.fluentd(tmp_path / "one", port) as server:
            await handler.report([entry(n=1)])
            await arrived(server, 1)
        with pytest.raises(Unavailable):
            await handler.report([entry(n=2)])
        with peers.fluentd(tmp_path / "two", port) as server:
            await handler.report([entry(n=3)])
            (found,) = await arrived(server, 1)
            assert found["record"]["n"] == 3


async def test_it_speaks_tls_and_knows_whom_to_trust(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    files = {name: str(tmp_path / f"{name}.pem") for name in ("key", "cert", "ca")}
    issued.private_key_pem.write_to_path(files["key"])
    issued.cert_chain_pems[0].write_to_path(files["cert"])
    authority.cert_pem.write_to_path(files["ca"])
    tls = {"key": files["key"], "cert": files["cert"]}
    with peers.fluentd(tmp_path, tls=tls) as server:
        address = f"127.0.0.1:{server.port}"
        config = FluentdConfig(address=address, tls=True, ca_file=files["ca"])
        async with running(Fluentd, config) as handler:
            await handler.report([entry(n=1)])
            await arrived(server, 1)
        async with running(Fluentd, FluentdConfig(address=address, tls=True)) as handler:
            with pytest.raises(Unavailable, match="certificate verify failed"):
                await handler.report([entry(n=2)])


RULE = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: logs}}
spec:
  actions:
  - handler:
      adapter: fluentd
      retry: {{pause: 10ms, maxPause: 50ms}}
      params: {{address: "127.0.0.1:{port}", pushIntervalDuration: 10ms}}
    instances: [{{template: logentry, params: {{variables: {{user: source.user}}}}}}]
"""


async def test_in_a_mixer_what_came_while_the_daemon_was_away_is_delivered_once(
    start: Start, tmp_path: Path
) -> None:
    port = free_port()
    mixer = await start(RULE.format(port=port))
    for number in range(20):
        await mixer.report({"source.user": f"user{number}"})
        await asyncio.sleep(0.005)
    with peers.fluentd(tmp_path / "peer", port) as server:
        found = await arrived(server, 20)
    assert [one["record"]["user"] for one in found] == [f"user{n}" for n in range(20)]


class Liar:
    """A daemon that answers, and not as it should."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(self._answer)
        await writer.drain()
        writer.close()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"", "ended before an acknowledgement"),
        (b"\x81\xa3ack\xa3abc", "acknowledgement is of another message"),
        (b"HTTP/1.1 400 Bad Request\r\n", "no acknowledgement"),
        (b"\xdb\x00\xff\xff\xff" + b"x" * 5000, "longer than an acknowledgement"),
    ],
)
async def test_a_daemon_that_lies_is_not_believed(answer: bytes, told: str) -> None:
    server = await asyncio.start_server(Liar(answer), "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        async with running(Fluentd, FluentdConfig(address=f"{host}:{port}")) as handler:
            with pytest.raises(Unavailable, match=told):
                await handler.report([entry(n=1)])


def test_what_is_wrong_with_the_params_is_told() -> None:
    config = FluentdConfig(
        address="nowhere", push_timeout_duration=Duration.of(-1), ca_file="x.pem"
    )
    assert [(one.field, one.reason) for one in Fluentd.problems(config, [])] == [
        ("address", "'nowhere' is not HOST:PORT"),
        ("push_timeout_duration", "'-1s' is less than 0"),
        ("ca_file", "has no effect without TLS"),
    ]

"""Overload is answered by UNAVAILABLE before it costs anything, and counted."""

from __future__ import annotations

from collections.abc import Callable

import grpc
import pytest

from .conftest import SHARED, Server, body

LIMIT = ("--maxRequestsPerSecond=0.001", "--burstSize=2")
CHECK = SHARED / "istio-config" / "check"


def test_calls_over_the_limit_are_told_to_try_again(serve: Callable[..., Server]) -> None:
    server = serve(CHECK, "--loadsheddingMode=enforce", *LIMIT)
    server.check(body("check"))
    server.check(body("check"))
    with pytest.raises(grpc.RpcError) as refused:
        server.check(body("check"))
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert refused.value.details() == "Server is currently overloaded. Please try again."
    assert "mixer_loadshedding_requests_throttled 1.0" in server.get("/metrics")


def test_logonly_logs_and_answers(serve: Callable[..., Server]) -> None:
    server = serve(CHECK, "--loadsheddingMode=logonly", *LIMIT)
    for _ in range(3):
        server.check(body("check"))
    assert server.await_log("a call would be shed")["evaluator"] == "RateLimit"

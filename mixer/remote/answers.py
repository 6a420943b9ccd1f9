"""Verdicts and grants to the messages that adapters of other processes answer, and back."""

from __future__ import annotations

from typing import Any

from mixer._pb import policy_pb2
from mixer.adapter.results import DirectResponse, Grant, QuotaArgs, Verdict
from mixer.errors import Code
from mixer.remote.kinds import POLICY, fill_seconds, seconds

_DIRECT_RESPONSE = f"{POLICY}.DirectHttpResponse"


def verdict(result: Any) -> Verdict:
    """Read a ``CheckResult``; a direct response in the details of its status is kept."""
    status = result.status
    direct = None
    for detail in status.details:
        if detail.type_url.rpartition("/")[2] == _DIRECT_RESPONSE:
            said = policy_pb2.DirectHttpResponse.FromString(detail.value)
            direct = DirectResponse(said.code, said.body, dict(said.headers))
            break
    valid_for = seconds(result.valid_duration)
    return Verdict(status.code, status.message, valid_for, result.valid_use_count, direct)


def fill_verdict(result: Any, said: Verdict) -> None:
    """Put a verdict into a ``CheckResult``."""
    result.status.code, result.status.message = int(said.code), said.message
    if said.direct is not None:
        response = policy_pb2.DirectHttpResponse(
            code=said.direct.code, body=said.direct.body, headers=said.direct.headers
        )
        detail = result.status.details.add()
        detail.type_url = f"type.googleapis.com/{_DIRECT_RESPONSE}"
        detail.value = response.SerializeToString()
    fill_seconds(result.valid_duration, said.valid_for)
    result.valid_use_count = min(said.valid_uses, 0x7FFFFFFF)


def fill_asked(request: Any, name: str, args: QuotaArgs) -> None:
    """Put what is asked of the quota *name* into a ``QuotaRequest``."""
    asked = request.quotas[name]
    asked.amount, asked.best_effort = args.amount, args.best_effort


def asked(request: Any, name: str, deduplication_id: str) -> QuotaArgs:
    """Read what is asked of the quota *name*, one unit where nothing is said of it."""
    if name not in request.quotas:
        return QuotaArgs(deduplication_id=deduplication_id)
    said = request.quotas[name]
    return QuotaArgs(said.amount, said.best_effort, deduplication_id)


def grant(result: Any, name: str) -> Grant:
    """Read the part of a ``QuotaResult`` on *name*. Raises ValueError where there is none."""
    if name not in result.quotas:
        raise ValueError(f"the answer has no quota {name!r}")
    said = result.quotas[name]
    code = said.status.code or Code.OK
    return Grant(said.granted_amount, seconds(said.valid_duration), code, said.status.message)


def fill_grant(result: Any, name: str, said: Grant) -> None:
    """Put a grant of the quota *name* into a ``QuotaResult``."""
    answer = result.quotas[name]
    answer.granted_amount = said.amount
    fill_seconds(answer.valid_duration, said.valid_for)
    answer.status.code, answer.status.message = int(said.code), said.message

"""denier gives one answer to everything (spec: adapters, denier)."""

import pytest

from adapters.denier import (
    Denier,
    DenierConfig,
    DirectHttpResponse,
    HttpStatusCode,
    Status,
)
from mixer.adapter import (
    CheckNothing,
    Code,
    DirectResponse,
    Duration,
    Grant,
    ListEntry,
    Quota,
    QuotaArgs,
    Verdict,
)
from mixer.adapter.testing import Rejected, running


@pytest.mark.parametrize(
    ("config", "verdict"),
    [
        pytest.param(
            DenierConfig(), Verdict(Code.FAILED_PRECONDITION, "", 5.0, 1000), id="defaults"
        ),
        pytest.param(
            DenierConfig(
                status=Status(code=Code.PERMISSION_DENIED, message="Not allowed"),
                valid_duration=Duration.parse("1m30s"),
                valid_use_count=7,
            ),
            Verdict(Code.PERMISSION_DENIED, "Not allowed", 90.0, 7),
            id="as-configured",
        ),
        pytest.param(
            DenierConfig(status=Status(message="closed")),
            Verdict(Code.FAILED_PRECONDITION, "closed", 5.0, 1000),
            id="a-status-without-code-still-denies",
        ),
        pytest.param(
            DenierConfig(status=Status(code=Code.OK)),
            Verdict(Code.OK, "", 5.0, 1000),
            id="ok-lets-pass-with-the-configured-validity",
        ),
        pytest.param(
            DenierConfig(
                status=Status(
                    code=Code.PERMISSION_DENIED,
                    details=(
                        DirectHttpResponse(
                            code=HttpStatusCode.Found, body="see there", headers={"location": "/in"}
                        ),
                        DirectHttpResponse(code=HttpStatusCode.Gone),
                    ),
                )
            ),
            Verdict(
                Code.PERMISSION_DENIED,
                "",
                5.0,
                1000,
                DirectResponse(302, "see there", {"location": "/in"}),
            ),
            id="the-first-detail-is-the-direct-response",
        ),
    ],
)
@pytest.mark.parametrize("instance", [CheckNothing(), ListEntry(value="x")], ids=repr)
async def test_every_check_gets_the_configured_status(
    config: DenierConfig, verdict: Verdict, instance: CheckNothing | ListEntry
) -> None:
    async with running(Denier, config) as denier:
        assert denier.check(instance) == verdict


@pytest.mark.parametrize("args", [QuotaArgs(1), QuotaArgs(5, best_effort=True), QuotaArgs(-1)])
async def test_quotas_get_nothing_and_status_ok(args: QuotaArgs) -> None:
    async with running(Denier) as denier:
        assert denier.allocate(Quota(), args) == Grant(0, 0.0, Code.OK)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param(
            DenierConfig(valid_duration=Duration(-1)),
            r"valid_duration: '-1ns' is less than 0",
            id="negative-duration",
        ),
        pytest.param(
            DenierConfig(
                status=Status(
                    details=(
                        DirectHttpResponse(),
                        DirectHttpResponse(type_url="type.googleapis.com/google.rpc.BadRequest"),
                    )
                )
            ),
            r"status.details\[1\].@type: 'type.googleapis.com/google.rpc.BadRequest' is not",
            id="unknown-detail",
        ),
    ],
)
async def test_it_refuses(config: DenierConfig, message: str) -> None:
    with pytest.raises(Rejected, match=message):
        async with running(Denier, config):
            pass


@pytest.mark.parametrize(
    ("name", "number"), [("Found", 302), ("TooManyRequests", 429), ("OK", 200), ("Empty", 0)]
)
def test_http_statuses_have_the_names_of_the_api(name: str, number: int) -> None:
    assert HttpStatusCode[name] == number

"""What is wrong with the params of redisquota is told by field; what it does, e2e tests show."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.redisquota import Redisquota, RedisquotaConfig
from adapters.redisquota.limits import Algorithm, Override, QuotaLimit
from attributes import Duration
from mixer.adapter import Quota, Shape
from mixer.adapter import config as kit_config

FINE = QuotaLimit(name="rq", max_amount=1, valid_duration=Duration.of(1))


def problems(shapes: tuple[Shape, ...] = (), **words: Any) -> list[tuple[str, str]]:
    said = RedisquotaConfig(**{"quotas": (FINE,), **words})
    return [(found.field, found.reason) for found in Redisquota.problems(said, shapes)]


def of_a_quota(**words: Any) -> list[tuple[str, str]]:
    said = {"name": "rq", "max_amount": 1, "valid_duration": Duration.of(1), **words}
    return problems(quotas=(QuotaLimit(**said),))


def test_a_fine_config_has_none() -> None:
    assert problems((Shape("rq.quota.ns", Quota),)) == []
    assert problems(redis_server_url="[::1]:6379") == []


@pytest.mark.parametrize("url", ["", "localhost", "localhost:", "localhost:x", ":6379", "a:0"])
def test_a_wrong_address_is_told(url: str) -> None:
    assert problems(redis_server_url=url) == [("redis_server_url", f"{url!r} is not HOST:PORT")]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"quotas": ()}, ("quotas", "there are no limits")),
        ({"redis_timeout": Duration(0)}, ("redis_timeout", "'0s' is not more than 0")),
        ({"cluster": True, "database": 3}, ("database", "a cluster has no database 3")),
        (
            {"cluster": True, "sentinel_master": "m"},
            ("sentinel_master", "a cluster is not found by Sentinels"),
        ),
        (
            {"redis_server_url": "a:1,b:2"},
            ("redis_server_url", "several addresses for one server"),
        ),
    ],
)
def test_what_does_not_go_together_is_told(words: dict[str, Any], told: tuple[str, str]) -> None:
    assert problems(**words) == [told]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"name": ""}, ("quotas[0].name", "the quota instance is not named")),
        ({"valid_duration": Duration(0)}, ("quotas[0].valid_duration", "'0s' is not more than 0")),
        (
            {"rate_limit_algorithm": Algorithm.ROLLING_WINDOW},
            ("quotas[0].bucket_duration", "'0s' is not between 0 and the window, '1s'"),
        ),
        ({"burst": 3}, ("quotas[0].burst", "FIXED_WINDOW knows no burst")),
        (
            {"overrides": (Override(dimensions={"a": "b"}),)},
            ("quotas[0].overrides[0].max_amount", "is not more than 0"),
        ),
        (
            {"overrides": (Override(max_amount=1),)},
            ("quotas[0].overrides[0].dimensions", "no dimensions to override"),
        ),
    ],
)
def test_a_wrong_limit_is_told(words: dict[str, Any], told: tuple[str, str]) -> None:
    assert of_a_quota(**words) == [told]


def test_a_quota_without_a_limit_is_told_with_the_one_meant() -> None:
    (found,) = Redisquota.problems(RedisquotaConfig(quotas=(FINE,)), [Shape("rqs.quota.ns", Quota)])
    assert found.reason == "did not find limit defined for quota rqs.quota.ns"


def test_a_missing_library_is_told_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit_config, "find_spec", lambda name: None)
    (found,) = Redisquota.problems(RedisquotaConfig(quotas=(FINE,)), [])
    assert (found.reason, found.suggestion) == (
        "redisquota needs the package redis",
        "pip install 'meshmixer[redis]'",
    )

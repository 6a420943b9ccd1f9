"""apikey: who has a key, what it is for, and that it is never told."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import structlog

from adapters.apikey import Apikey, ApikeyConfig, ApiKeyOwner, ApiKeyOwnerOutput, Key
from mixer.adapter import ApiKey, Code, Duration, Timestamp
from mixer.adapter.files import BadFile
from mixer.adapter.testing import running

NOW = int(Timestamp.parse("2026-01-01T00:00:00Z"))
SECRET = "s3cret-key"


def hashed(key: str) -> str:
    return f"sha256:{sha256(key.encode()).hexdigest()}"


def key(name: str = SECRET, **more: Any) -> Key:
    return Key(**{"hash": hashed(name), "consumer": "acme"} | more)


def now() -> int:
    return NOW


def asking(name: str = SECRET, api: str = "", operation: str = "") -> ApiKey:
    return ApiKey(api_key=name, api=api, api_operation=operation)


@pytest.mark.parametrize(
    ("listed", "code", "message"),
    [
        (key(), Code.OK, ""),
        (key("other"), Code.UNAUTHENTICATED, "the API key is not valid"),
        (key(disabled=True), Code.UNAUTHENTICATED, "the API key is not valid"),
        (key(expires="2026-01-01T00:00:00Z"), Code.UNAUTHENTICATED, "the API key is not valid"),
        (key(expires="2026-01-01T00:00:01Z"), Code.OK, ""),
    ],
)
async def test_a_key_is_in_force_or_not(listed: Key, code: Code, message: str) -> None:
    async with running(Apikey, ApikeyConfig(keys=(listed,)), now=now) as adapter:
        verdict = adapter.check(asking())
        found = adapter.generate(ApiKeyOwner(api_key=SECRET))
        assert adapter.check(asking("")).message == "an API key is required"
    assert (verdict.code, verdict.message) == (code, message)
    assert found.valid is (code == Code.OK)


async def test_a_verdict_holds_no_longer_than_the_key() -> None:
    listed = (key(expires="2026-01-01T00:00:07Z"), key("other"))
    async with running(Apikey, ApikeyConfig(keys=listed), now=now) as adapter:
        assert adapter.check(asking()).valid_for == 7
        assert adapter.check(asking("other")).valid_for == 60


@pytest.mark.parametrize(
    ("apis", "api", "operation", "allowed"),
    [
        ((), "orders", "list", True),
        (("orders",), "orders", "list", True),
        (("orders",), "orders2", "", False),
        (("orders:list",), "orders", "list", True),
        (("orders:list",), "orders", "drop", False),
        (("orders:l*",), "orders", "list", True),
        (("billing", "ord*"), "orders", "", True),
        (("billing",), "", "", False),
    ],
)
async def test_a_key_is_for_its_apis(
    apis: tuple[str, ...], api: str, operation: str, allowed: bool
) -> None:
    async with running(Apikey, ApikeyConfig(keys=(key(apis=apis),)), now=now) as adapter:
        verdict = adapter.check(asking(SECRET, api, operation))
    assert verdict.code == (Code.OK if allowed else Code.PERMISSION_DENIED)


async def test_what_is_known_of_a_key_is_found() -> None:
    listed = key(plan="gold", attributes={"team": "web"})
    async with running(Apikey, ApikeyConfig(keys=(listed,)), now=now) as adapter:
        assert adapter.generate(ApiKeyOwner(api_key=SECRET)) == ApiKeyOwnerOutput(
            valid=True, consumer="acme", plan="gold", attributes={"team": "web"}
        )
        nobody = ApiKeyOwnerOutput(valid=False)
        assert adapter.generate(ApiKeyOwner(api_key="guess")) == nobody
        assert adapter.generate(ApiKeyOwner()) == nobody
        assert adapter.generate(ApiKeyOwner(api_key="\udcff")) == nobody


async def test_a_file_is_followed_and_a_wrong_one_is_not_taken(tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    file.write_text(
        f"keys: [{{hash: '{hashed('a')}', consumer: a, expires: 2030-01-01T00:00:00Z}}]"
    )
    params = ApikeyConfig(keys=(key(),), file=str(file))
    with structlog.testing.capture_logs() as log:
        async with running(Apikey, params, now=now) as adapter:
            for text, known in (
                ("", "a"),
                (f"keys: [{{hash: '{hashed('b')}', consumer: b}}]", "b"),
                (f"keys: [{{hash: {SECRET}, consumer: c}}]", "b"),
            ):
                if text:
                    file.write_text(text)
                    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1_000_000))
                    await adapter.refresh()
                assert adapter.generate(ApiKeyOwner(api_key=known)).consumer == known
                assert adapter.check(asking()).code == Code.OK
    (line,) = log
    assert "keys[0].hash: is not 'sha256:'" in line["error"]
    assert SECRET not in str(line)


async def test_a_wrong_file_keeps_the_handler_from_opening(tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    file.write_text(f"keys: [{{hash: '{hashed('a')}', consumr: a}}]")
    with pytest.raises(BadFile, match=r"(required|unknown) field `consum"):
        async with running(Apikey, ApikeyConfig(file=str(file))):
            pass


def test_what_is_wrong_is_told_and_no_key_is() -> None:
    params = ApikeyConfig(
        keys=(
            Key(hash=SECRET, consumer=""),
            key(),
            key(expires="soon"),
        ),
        refresh_interval=Duration(0),
    )
    found = list(Apikey.problems(params, []))
    assert [one.field for one in found] == [
        "keys[0].hash", "keys[0].consumer", "keys[2].hash", "keys[2].expires", "refresh_interval",
    ]  # fmt: skip
    assert found[2].reason == "is that of keys[1] too"
    assert SECRET not in str(found)

"""Our own log: levels by scope, forms, and secrets that never reach it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mixer.errors import StartError
from mixer.telemetry.logs import LogOptions, Logs, levels, mask


def test_levels_are_read_by_scope() -> None:
    assert levels("default:warn,api:debug") == {"default": "warn", "api": "debug"}
    assert levels("error") == {"default": "error"}


@pytest.mark.parametrize("text", ["default:loud", "nowhere:info"])
def test_unknown_words_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="unknown log"):
        levels(text)


def test_a_scope_writes_what_its_level_lets_through(tmp_path: Path) -> None:
    file = tmp_path / "log"
    logs = Logs(LogOptions((str(file),), as_json=True, levels=levels("default:warn,api:debug")))
    logs.scope("api").debug("seen", number=1)
    logs.scope("config").info("not seen")
    logs.scope("config").error("seen too")
    logs.close()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["event"], line["scope"]) for line in lines] == [
        ("seen", "api"),
        ("seen too", "config"),
    ]


def test_text_is_one_line_an_event(tmp_path: Path) -> None:
    file = tmp_path / "log"
    logs = Logs(LogOptions((str(file),)))
    logs.scope("default").info("hello", answer=42)
    logs.close()
    (line,) = file.read_text().splitlines()
    assert "hello" in line
    assert "answer=42" in line


def test_secrets_are_masked_at_any_depth() -> None:
    event = {"event": "x", "Authorization": "me", "headers": {"cookie": "a", "host": "b"}}
    assert mask(None, "info", event) == {
        "event": "x",
        "Authorization": "***",
        "headers": {"cookie": "***", "host": "b"},
    }


def test_a_target_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="can't write the log"):
        Logs(LogOptions((str(tmp_path / "no" / "log"),)))


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_a_stack_shows_where_and_never_what_was_sent(tmp_path: Path, as_json: bool) -> None:
    file = tmp_path / "log"
    logs = Logs(LogOptions((str(file),), as_json=as_json))
    sent = "Bearer " + "t0ken"
    try:
        _ = {}[len(sent)]
    except KeyError:
        logs.scope("api").exception("a call failed")
    logs.close()
    text = file.read_text()
    assert "test_a_stack_shows_where" in text
    assert "Traceback" in text
    assert "t0ken" not in text

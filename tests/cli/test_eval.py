"""`mixs eval`: values, explanations, the REPL, and JSON lines."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mixer.cli import mixs
from mixer.cli.eval_jsonl import answers

ROOT = Path(__file__).parents[2]
CONFIG = f"--config={ROOT / 'config'}"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The exit code, the output and the errors of one command."""
    try:
        code = mixs.main(["eval", *arguments])
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        (["1 + 2"], "3\n"),
        (["a.s + string(a.i)", "a.s=x", "a.i=5"], '"x5"\n'),
        (['a.m["k"]', "a.m={k: v}"], '"v"\n'),
        (["a.b ? 1.5 : 2.5", "a.b=true"], "1.5\n"),
        (["source.ip == ip('10.0.0.1')", "source.ip=10.0.0.1", CONFIG], "true\n"),
        (["response.duration > duration('1s')", "response.duration=90s", CONFIG], "true\n"),
        (["request.time", "request.time=2020-01-01T00:00:00Z", CONFIG],
         "2020-01-01T00:00:00.000000Z\n"),
        (["response.code", "response.code=404", CONFIG], "404\n"),
        (["request.path", "request.path=5", CONFIG], '"5"\n'),
        (['"x.*".matches("xy")', "--lang=CEXL"], "true\n"),
        (['conditional(true, "a", "b")', "--lang", "COMPAT"], '"a"\n'),
    ],
)  # fmt: skip
def test_an_expression_is_evaluated(
    arguments: list[str], out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, *arguments) == (0, out, "")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["a.s == 1", "a.s=x"], "got INT64, expected STRING\n  a.s == 1\n         ^"),
        (["request.pth", CONFIG], "  request.pth\n  ^\n  did you mean 'request.path'?"),
        (["1 / 0"], "error: division by zero"),
        (["a | b", "--strict", "a=x", "b=y"], "a | b is not part of the standard"),
        (["source.ip", "source.ip=x", CONFIG], "source.ip: a IP_ADDRESS is an address such as"),
        (["1", "response.code=x", CONFIG], "response.code: a INT64 is an integer"),
        (["1", "nonsense"], "'nonsense' is not of the form name=value"),
        (["1", "--bag=/no/such/file"], "can't read /no/such/file"),
        (["1", "--lang=LUA"], "one of CEL, CEXL, COMPAT"),
        (["1", "--config=/no/such"], "/no/such"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(
    arguments: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *arguments)
    assert code
    assert out == ""
    assert error in err


def test_a_bag_comes_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bag.yaml").write_text(
        "source.ip: 10.0.0.1\nrequest.time: 2020-01-01T00:00:00Z\nrequest.headers: {x-a: '1'}\n"
    )
    text = 'request.headers["x-a"] + string(source.ip) + string(request.time)'
    bag = f"--bag={tmp_path / 'bag.yaml'}"
    assert run(capsys, text, bag, CONFIG) == (0, '"110.0.0.12020-01-01T00:00:00Z"\n', "")
    (tmp_path / "bag.yaml").write_text("- no mapping")
    assert "a bag is a mapping" in run(capsys, text, bag)[2]


def test_an_explanation_shows_the_value_of_each_part(capsys: pytest.CaptureFixture[str]) -> None:
    text = 'a.m["k"] == "v" || a.s.startsWith("q") && [1, 2].exists(x, x > a.i)'
    code, out, _ = run(capsys, "--explain", text, "a.m={k: w}", "a.s=p", "a.i=1")
    rows = [line.rsplit("  ", 1) for line in out.splitlines()]
    found = {row[0].strip(): row[1].strip() for row in rows if len(row) == 2}
    assert code == 0
    assert found[text] == "false"
    assert found['a.m["k"]'] == '"w"'
    assert found["a.m"] == '{"k": "w"}'
    assert found['a.s.startsWith("q")'] == "false"
    assert found["[1, 2].exists(x, x > a.i)"] == found["x > a.i"] == "not evaluated"
    assert "referenced  a.m['k'] EXACT" in out
    assert "a.i" not in [line.split()[1] for line in out.splitlines() if "referenced" in line]


def test_an_explanation_of_a_failure_shows_where_it_comes_from(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = run(capsys, "--explain", 'a.m["x"] == "v"', "a.m={k: w}")
    assert code == 1
    assert out.count("error: no such key: 'x'") == 2


def test_json_is_what_programs_read(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--output=json", 'a.m["k"]', "a.m={k: w}")
    assert code == 0
    assert json.loads(out) == {
        "value": {"stringValue": "w"},
        "type": "STRING",
        "referenced": [["a.m", "k", "EXACT"]],
    }


LINES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"expr": "1 + 1"},
        {"value": {"int64Value": "2"}, "type": "INT64", "referenced": []},
    ),
    (
        {"expr": 'a.b | "x"', "lang": "CEXL", "vocabulary": {"a.b": "STRING"}},
        {"value": {"stringValue": "x"}, "type": "STRING", "referenced": [["a.b", None, "ABSENCE"]]},
    ),
    (
        {
            "expr": "[a.t == timestamp('2020-01-01T00:00:00Z'), a.u > duration('1s'), "
            "a.ip == ip('10.0.0.1'), a.m['k'] == 'v']",
            "vocabulary": {
                "a.t": "TIMESTAMP", "a.u": "DURATION", "a.ip": "IP_ADDRESS", "a.m": "STRING_MAP",
            },
            "bag": {
                "a.t": "2020-01-01T00:00:00Z", "a.u": "90s", "a.ip": "10.0.0.1", "a.m": {"k": "v"},
            },
        },
        {
            "value": {"listValue": {"values": [{"boolValue": True}] * 4}},
            "type": "list(BOOL)",
            "referenced": [
                ["a.ip", None, "EXACT"], ["a.m", "k", "EXACT"], ["a.t", None, "EXACT"],
                ["a.u", None, "EXACT"],
            ],
        },
    ),
    (
        {"expr": "a.ip", "vocabulary": {"a.ip": "IP_ADDRESS"}, "bag": {"a.ip": "CgAAAQ=="}},
        {
            "value": {"stringValue": "10.0.0.1"}, "type": "IP_ADDRESS",
            "referenced": [["a.ip", None, "EXACT"]],
        },
    ),
    (
        {"expr": "x + 1u", "bindings": {"x": {"uint64Value": "2"}}},
        {"value": {"uint64Value": "3"}, "type": "uint", "referenced": []},
    ),
    (
        {"expr": "type(x)", "bindings": {"x": {"mapValue": {"entries": []}}}},
        {"value": {"typeValue": "map"}, "type": "type", "referenced": []},
    ),
    ({"expr": "1 +"}, {"stage": "parse", "referenced": [], "offset": 3}),
    ({"expr": "no.such"}, {"stage": "check", "referenced": [], "offset": 0}),
    (
        {"expr": 'a.m["k"]', "vocabulary": {"a.m": "STRING_MAP"}, "bag": {"a.m": {}}},
        {"stage": "eval", "referenced": [["a.m", "k", "ABSENCE"]]},
    ),
    ({"expr": "a | b", "strict": True, "vocabulary": {"a": "BOOL", "b": "BOOL"}},
     {"stage": "check", "referenced": [], "offset": 2}),
    ({"expr": "1", "lang": "LUA"}, {"stage": "parse", "referenced": []}),
    ({"expr": 1}, {"stage": "parse", "referenced": []}),
    ({"expr": "1", "exprs": "1"}, {"stage": "parse", "referenced": []}),
    ({"expr": "1", "vocabulary": {"a": "TEXT"}}, {"stage": "check", "referenced": []}),
    ({"expr": "1", "vocabulary": []}, {"stage": "check", "referenced": []}),
    ({"expr": "1", "vocabulary": {"a": "INT64"}, "bag": {"a": 2**64}},
     {"stage": "check", "referenced": []}),
    ({"expr": "1", "bindings": {"x": {"int64Value": "y"}}}, {"stage": "check", "referenced": []}),
    ({"expr": "1", "bindings": 5}, {"stage": "check", "referenced": []}),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), LINES, ids=[line["expr"] for line, _ in LINES])
def test_a_line_of_json_is_answered(given: dict[str, Any], expected: dict[str, Any]) -> None:
    (line,) = answers([json.dumps(given)])
    found = json.loads(line)
    if "stage" in expected:
        assert found.pop("error")
    assert found == expected


def test_every_line_is_answered_in_order(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"expr": "1"}\n\nno json\n{"expr": "2"}\n'))
    code, out, _ = run(capsys, "--jsonl", "-")
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [one.get("value", one.get("stage")) for one in found] == [
        {"int64Value": "1"}, "parse", {"int64Value": "2"},
    ]  # fmt: skip


def test_a_pipe_is_read_line_by_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [
        "a.i = 5", "a.i * 2", "a.i == 5", ":bag", ":unset a.i", ":bag", ":lang CEXL", "a.x",
        ":lang X", ":explain", "1 + 1", ":explain off", ":source true", ":source (", ":nothing",
        "a.y = [1]", ":help", ":quit", "never",
    ]  # fmt: skip
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(said)))
    code, out, _ = run(capsys)
    assert code == 0
    assert out.startswith(
        "10\ntrue\na.i = 5\nthe bag is empty\nunknown attribute a.x\n  a.x\n  ^\n"
    )
    assert "the languages are CEL, CEXL, COMPAT" in out
    assert "type        INT64" in out
    assert "def expression(bag" in out
    assert "unknown command :nothing" in out
    assert "[1] is no value of an attribute" in out
    assert "NAME=VALUE" in out
    assert "never" not in out


def read_until(terminal: int, text: str) -> str:
    """What a program shows until *text* comes, within ten seconds."""
    shown = ""
    ends = time.monotonic() + 10
    while text not in shown:
        assert select.select([terminal], [], [], max(0, ends - time.monotonic()))[0], shown
        shown += os.read(terminal, 4096).decode()
    return shown


def test_the_repl_completes_names_and_remembers(tmp_path: Path) -> None:
    pytest.importorskip("readline", reason="this Python has no line editing")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mixer.cli.mixs", "eval", CONFIG],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"XDG_STATE_HOME": str(tmp_path), "TERM": "dumb"},
    )
    os.close(theirs)
    try:
        read_until(ours, "> ")
        os.write(ours, b"response.co\t == 0\n")
        read_until(ours, "true\r\n> ")
        os.write(ours, b"\x04")
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert "== 0" in (tmp_path / "mixs" / "history").read_text()


def test_ctrl_c_leaves_the_line_and_ctrl_d_the_repl(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines: list[str | type[BaseException]] = ["1 +", KeyboardInterrupt, "1 + 1", "", EOFError]

    def typed(prompt: str) -> str:
        line = lines.pop(0)
        if isinstance(line, str):
            return line
        raise line

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("builtins.input", typed)
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    code, out, _ = run(capsys)
    assert code == 0
    assert out.splitlines()[-3:] == ["", "2", ""]

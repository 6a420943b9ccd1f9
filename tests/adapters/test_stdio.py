"""stdio: lines, levels, files and their rotation."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.stdio import Stdio
from adapters.stdio.config import Level, StdioConfig, Stream
from adapters.stdio.lines import fields_of
from adapters.stdio.sinks import RotatedFile
from mixer.adapter import Duration, Line, LogEntry, Metric, Shape, Timestamp, ValueType
from mixer.adapter.records import plain
from mixer.adapter.testing import Rejected, running

LOG = "accesslog.instance.ns"
NOON = Timestamp.parse("2019-11-24T12:00:00.123456789Z")


def log_shape(*variables: str) -> Shape:
    return Shape(LOG, LogEntry, {f"variables.{name}": ValueType.STRING for name in variables})


def entry(severity: str = "info", **variables: Any) -> LogEntry:
    return LogEntry(name=LOG, variables=variables, timestamp=NOON, severity=severity)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


async def test_an_entry_is_one_object_with_its_keys_in_order(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with running(Stdio, shapes=[log_shape("b", "a")]) as adapter:
        adapter.report([entry("Warn-ish", b="2", a="ü\n"), entry("ERROR", b="", a="")])
    assert lines(capsys) == [
        '{"level":"info","time":"2019-11-24T12:00:00.123456Z",'
        '"instance":"accesslog.instance.ns","a":"ü\\n","b":"2"}',
        '{"level":"error","time":"2019-11-24T12:00:00.123456Z",'
        '"instance":"accesslog.instance.ns","a":"","b":""}',
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (5, 5),
        (0.5, 0.5),
        (True, True),
        (float("nan"), "nan"),
        (Duration.of(1.5), "1.5s"),
        (NOON, "2019-11-24T12:00:00.123456Z"),
        (bytes([10, 0, 0, 1]), "10.0.0.1"),
        ({"k": "v"}, {"k": "v"}),
        ({"Cookie": "secret", "authorization": "me"}, {"Cookie": "***", "authorization": "***"}),
    ],
)
async def test_values_have_their_form_in_json(
    value: Any, shown: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(Stdio, shapes=[log_shape("v")]) as adapter:
        adapter.report([entry(v=value)])
    assert json.loads(lines(capsys)[0])["v"] == shown


async def test_what_is_masked_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    async with running(Stdio, StdioConfig(mask=("X-Mine",)), shapes=[log_shape("h")]) as adapter:
        adapter.report([entry(h={"x-mine": "1", "cookie": "2"})])
    assert json.loads(lines(capsys)[0])["h"] == {"x-mine": "***", "cookie": "2"}


async def test_a_metric_is_written_now_with_its_value_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shape = Shape(
        "m.instance.ns", Metric, {"value": ValueType.INT64, "dimensions.a": ValueType.STRING}
    )
    given = StdioConfig(metric_level=Level.WARNING)
    async with running(Stdio, given, shapes=[shape], now=lambda: NOON) as adapter:
        adapter.report([Metric(name="m.instance.ns", value=7, dimensions={"a": "x"})])
    assert lines(capsys) == [
        '{"level":"warn","time":"2019-11-24T12:00:00.123456Z",'
        '"instance":"m.instance.ns","value":7,"a":"x"}'
    ]


async def test_columns_have_tabs_between(capsys: pytest.CaptureFixture[str]) -> None:
    given = StdioConfig(output_as_json=False)
    async with running(Stdio, given, shapes=[log_shape("a")]) as adapter:
        adapter.report([entry(a="x")])
    assert lines(capsys) == ['2019-11-24T12:00:00.123456Z\tinfo\taccesslog.instance.ns\t{"a":"x"}']


async def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    given = StdioConfig(output_level=Level.WARNING)
    async with running(Stdio, given, shapes=[log_shape()]) as adapter:
        adapter.report([entry("info"), entry("warning"), entry("fatal")])
    assert [json.loads(line)["level"] for line in lines(capsys)] == ["warn", "error"]


async def test_a_severity_map_replaces_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    given = StdioConfig(severity_levels={"bad": Level.ERROR})
    async with running(Stdio, given, shapes=[log_shape()]) as adapter:
        adapter.report([entry("bad"), entry("error")])
    assert [json.loads(line)["level"] for line in lines(capsys)] == ["error", "info"]


async def test_a_file_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    given = StdioConfig(log_stream=Stream.FILE, output_path=str(path))
    async with running(Stdio, given, shapes=[log_shape()]) as adapter:
        adapter.report([entry()])
        assert len(path.read_text().splitlines()) == 2


async def test_a_file_that_cannot_be_written_keeps_the_handler_shut(tmp_path: Path) -> None:
    given = StdioConfig(log_stream=Stream.FILE, output_path=str(tmp_path / "no" / "log"))
    with pytest.raises(FileNotFoundError):
        async with running(Stdio, given):
            pass


async def test_a_full_disk_fails_the_report() -> None:
    given = StdioConfig(log_stream=Stream.FILE, output_path="/dev/full")
    with pytest.raises(OSError, match="No space left"):
        async with running(Stdio, given, shapes=[log_shape()]) as adapter:
            adapter.report([entry()])


@pytest.mark.parametrize(
    ("given", "part"),
    [
        (StdioConfig(output_path="x"), "output_path: has no meaning for STDOUT"),
        (StdioConfig(log_stream=Stream.FILE), "output_path: is needed for FILE"),
    ],
)
async def test_paths_and_streams_must_fit(given: StdioConfig, part: str) -> None:
    with pytest.raises(Rejected, match=part):
        async with running(Stdio, given):
            pass


class Calendar:
    """The time of rotations."""

    def __init__(self) -> None:
        self.now = datetime(2020, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def rotated(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.iterdir() if path.name != "a.log")


def test_a_full_file_is_renamed_with_the_time_and_begun_anew(tmp_path: Path) -> None:
    calendar = Calendar()
    file = RotatedFile(tmp_path / "a.log", 10, 0, 0, calendar)
    for number in range(3):
        file.write(f"line {number}\n")
        calendar.now += timedelta(milliseconds=1500)
    file.close()
    assert (tmp_path / "a.log").read_text() == "line 2\n"
    assert rotated(tmp_path) == [
        "a-2020-01-01T00-00-01.500.log",
        "a-2020-01-01T00-00-03.000.log",
    ]
    assert (tmp_path / "a-2020-01-01T00-00-01.500.log").read_text() == "line 0\n"


def test_rotated_files_are_bounded_in_number_and_age(tmp_path: Path) -> None:
    (tmp_path / "a-notes.log").write_text("not ours")
    calendar = Calendar()
    file = RotatedFile(tmp_path / "a.log", 1, max_days=3, max_files=2, now=calendar)
    for number in range(5):
        file.write(f"{number}\n")
        calendar.now += timedelta(days=1)
    assert rotated(tmp_path) == [
        "a-2020-01-04T00-00-00.000.log",
        "a-2020-01-05T00-00-00.000.log",
        "a-notes.log",
    ]
    calendar.now += timedelta(days=10)
    file.write("later\n")
    file.close()
    assert rotated(tmp_path) == ["a-2020-01-16T00-00-00.000.log", "a-notes.log"]


VALUES = st.one_of(
    st.text(max_size=8),
    st.integers(-(2**63), 2**63),
    st.booleans(),
    st.floats(),
    st.integers(-(2**50), 2**50).map(Duration),
    st.integers(-(2**62), 2**62).map(Timestamp),
    st.binary(max_size=16),
    st.dictionaries(st.sampled_from(["Cookie", "a", '"']), st.text(max_size=4), max_size=2),
    st.none(),
)


@given(
    st.dictionaries(st.text(max_size=6), st.tuples(st.sampled_from(ValueType), VALUES), max_size=6)
)
def test_fields_are_json_of_what_they_hold_whatever_their_type(
    held: dict[str, tuple[ValueType, Any]],
) -> None:
    masked = frozenset({"cookie"})
    types = {f"variables.{key}": type_ for key, (type_, _) in held.items()}
    fields = fields_of(Shape("l.instance.ns", LogEntry, types), "variables", masked)
    entry = LogEntry(name="l", variables={key: value for key, (_, value) in held.items()})
    expected = {key: plain(held[key][1], masked) for key in sorted(held)}
    assert Line(fields).of(entry) == ",".join(
        f"{json.dumps(key, ensure_ascii=False)}:"
        + json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        for key, value in expected.items()
    )

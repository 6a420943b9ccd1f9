"""The benchmark counts what it says, and its cases exist."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import adapters, cpu, expressions, life, result, service, soak
from bench.bodies import body
from bench.cases import CASES, Case
from bench.load import NotLoaded, load
from bench.result import Result
from bench.server import NotServing, serving

SHARED = Path(__file__).parents[2].parent / "shared"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_has_its_configuration_and_its_body(case: Case) -> None:
    assert (SHARED / "istio-config" / case.config).is_dir()
    assert body(SHARED / "bodies", case.body).is_file()


def test_names_of_cases_are_unique() -> None:
    others = [name for module in (life, service, expressions) for name, _ in module.cases(SHARED)]
    names = [*others, *(case.name for case in CASES)]
    assert len(set(names)) == len(names)


def test_a_missing_body_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotLoaded, match=r"check\.grpc"):
        load(CASES[0], tmp_path)


def test_a_server_that_ends_is_reported_with_what_it_printed(tmp_path: Path) -> None:
    with (
        pytest.raises(NotServing, match="--no-such-flag"),
        serving(tmp_path, ("--no-such-flag",)),
    ):
        pytest.fail("it served")


def test_cpu_of_children_counts() -> None:
    # Three times what is looked for: Linux counts by ticks, and now and then misses one.
    burn = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    script = (
        f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {burn!r} + "
        "'\\ninput()'], stdin=0); print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as parent:
        assert parent.stdout
        parent.stdout.readline()
        end = time.monotonic() + 20
        own = cpu._seconds(parent.pid)
        while cpu.used(parent.pid) - own < 0.1 and time.monotonic() < end:
            own = cpu._seconds(parent.pid)
        assert cpu.used(parent.pid) - own >= 0.1
        parent.kill()
        assert parent.stdin
        parent.stdin.close()


def test_a_process_that_is_gone_has_used_nothing() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert cpu.used(ended.pid) == 0.0


def test_this_process_has_used_something() -> None:
    assert cpu.used(os.getpid()) > 0


def test_a_result_is_the_median_and_the_range() -> None:
    assert Result.of([3.041, 1.0, 2.0, 90.04, 4.0]) == Result(3.04, 1.0, 90.0)


def test_a_baseline_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert result.read(tmp_path / "baseline.json") == {}


def test_a_partial_measurement_keeps_the_other_cases_of_the_baseline(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    result.write(path, {"a": Result(1, 1, 1), "b": Result(2, 2, 2)})
    result.write(path, {"b": Result(3, 3, 3)})
    assert result.read(path) == {"a": Result(1, 1, 1), "b": Result(3, 3, 3)}


def test_a_line_shows_the_ratio_to_the_baseline() -> None:
    line = result.line("check", Result(50, 45, 60), {"check": Result(100, 90, 110)})
    assert line.split() == ["check", "50.0", "45.0", "-", "60.0", "0.50"]


def test_a_line_without_baseline_has_no_ratio() -> None:
    assert result.line("check", Result(50, 45, 60), {}).split()[-1] == "-"


def test_every_case_without_a_server_measures_something() -> None:
    shared = Path(__file__).parents[2].parent / "shared"
    cases = dict([*service.cases(shared), *expressions.cases(shared)])
    assert len(cases) == 28
    assert cases["match 1, decoded"]() > 0
    assert cases["compile 3"]() > 0


def test_the_bench_of_adapters_prints_a_median_and_a_range(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(adapters, "CALLS", 100)
    monkeypatch.setattr(adapters, "RECORDS", 100)
    assert adapters.main(["kit", "records", "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [next(iter(one)) for one in found] == [
        "host of an inline check, µs", "OTLP log record, µs", "fluentd record, µs",
    ]  # fmt: skip
    for one in found:
        ((median, low, high),) = one.values()
        assert low <= median <= high


@pytest.mark.e2e
def test_a_soak_tells_what_each_process_holds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soak, "_ROUND", 200)
    assert soak.main("0") == 0
    heading, line = capsys.readouterr().out.splitlines()
    seconds, calls, *held = line.replace(",", "").split()
    assert (heading.split()[0], int(seconds) < 60, calls) == ("seconds", True, "200")
    assert len(held) == 2 * 3, "a front and two workers"

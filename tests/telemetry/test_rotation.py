"""Several processes that write to one file lose and break no line of it."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.stdio.sinks import File, RotatedFile
from mixer.telemetry.rotation import SharedRotatingFile

PROCESSES, LINES = 4, 300


def through_the_log(path: Path, number: int) -> None:
    handler = SharedRotatingFile(str(path), 20_000, 1000)
    for line in range(LINES):
        handler.emit(logging.makeLogRecord({"msg": f"{number} {line} " + "x" * 50}))
    handler.close()


def through_a_rotated_file(path: Path, number: int) -> None:
    file = RotatedFile(path, 20_000, 0, 0)
    for line in range(0, LINES, 10):
        file.write("".join(f"{number} {line + more} " + "x" * 50 + "\n" for more in range(10)))
    file.close()


def through_a_file(path: Path, number: int) -> None:
    file = File(path)
    for line in range(0, LINES, 100):
        file.write("".join(f"{number} {line + more} " + "x" * 900 + "\n" for more in range(100)))
    file.close()


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(through_the_log, id="log"),
        pytest.param(through_a_rotated_file, id="rotated-file"),
        pytest.param(through_a_file, id="file"),
    ],
)
def test_all_lines_of_all_processes_are_there(
    write: Callable[[Path, int], None], tmp_path: Path
) -> None:
    context = multiprocessing.get_context("fork")
    path = tmp_path / "out.log"
    processes = [context.Process(target=write, args=(path, number)) for number in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    found = [
        tuple(map(int, line.split()[:2]))
        for file in tmp_path.glob("out*")
        if file.suffix != ".lock"
        for line in file.read_text().splitlines()
    ]
    assert sorted(found) == [(one, line) for one in range(PROCESSES) for line in range(LINES)]
    rotated = len(list(tmp_path.glob("out*"))) > 2
    assert rotated == (write is not through_a_file)

"""
`python -m bench.soak SECONDS`: full load for so long, and what the server holds meanwhile.

All bodies come in turn, over few connections and many. Each line of the table says how many calls
were answered until then, and of each process of the server the memory and the open files.
"""

from __future__ import annotations

import itertools
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from bench import cpu
from bench.cases import Case
from bench.load import NotLoaded, load, try_once
from bench.server import NotServing, resident, serving

_SHARED = Path(__file__).parent.parent.parent / "shared"
_ROUND = 20_000
"""Checks of a round; Reports of a hundred bags count fifty times."""

_SHAPES = ((2, 8), (8, 1), (50, 4))
"""Connections, and requests in flight on each."""

_BODIES: tuple[tuple[Literal["Check", "Report"], str], ...] = (
    ("Check", "check"),
    ("Check", "check-denied"),
    ("Check", "check-quota"),
    ("Report", "report-1"),
    ("Report", "report-100-independent"),
    ("Report", "report-100-delta"),
)
_LINE_SECONDS = 60.0


def main(seconds: str) -> int:
    """Print a line a minute until the time is over; 1 where a call was not answered."""
    try:
        _soak(float(seconds))
    except (NotLoaded, NotServing) as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1
    return 0


def _soak(seconds: float) -> None:
    with TemporaryDirectory() as folder:
        _rules(Path(folder))
        with serving(Path(folder), ("--workers=2",)) as server:
            print(f"{'seconds':>8}{'calls':>12}  MB and open files, by process", flush=True)
            began = shown = time.monotonic()
            calls = 0
            cases = itertools.cycle(_cases())
            while True:
                case = next(cases)
                try_once(case, _SHARED / "bodies", server.port)
                load(case, _SHARED / "bodies")(server.port, case.requests)
                calls += case.requests
                now = time.monotonic()
                done = now - began >= seconds
                if done or now - shown >= _LINE_SECONDS:
                    held = "  ".join(itertools.starmap("{:.0f}, {}".format, _held(server.pid)))
                    print(f"{now - began:8.0f}{calls:12,}  {held}", flush=True)
                    shown = now
                if done:
                    return


def _rules(folder: Path) -> None:
    """Rules that check, count and log, with one vocabulary."""
    for name in ("check", "telemetry-log"):
        for file in (_SHARED / "istio-config" / name).glob("*.yaml"):
            shutil.copy(file, folder)


def _cases() -> list[Case]:
    return [
        Case(
            f"{body}, {connections} x {streams}",
            rpc,
            config="",
            body=body,
            requests=_ROUND // (50 if "100" in body else 1),
            connections=connections,
            streams=streams,
        )
        for connections, streams in _SHAPES
        for rpc, body in _BODIES
    ]


def _held(pid: int) -> Iterator[tuple[float, int]]:
    """Resident megabytes and open files of a process and its descendants."""
    for process in cpu.family(pid):
        try:
            megabytes = resident(process)
            files = len(list(Path(f"/proc/{process}/fd").iterdir()))
        except OSError:  # it ended meanwhile
            continue
        yield megabytes, files


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

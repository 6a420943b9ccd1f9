"""Measure CPU per request of the real server; see ``python -m bench --help``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench import cpu, expressions, result, service
from bench.cases import CASES, Case
from bench.load import NotLoaded, load, try_once
from bench.result import Result
from bench.server import NotServing, serving

_HERE = Path(__file__).parent
_WARM_UP = 10
"""The share of a run, one in so many requests, that is sent before the first is counted."""


def measure(case: Case, shared: Path, runs: int, scale: float, options: tuple[str, ...]) -> Result:
    """Measure *case* on a fresh server, *runs* times."""
    bodies = shared / "bodies"
    send = load(case, bodies)
    requests = max(int(case.requests * scale), case.connections * case.streams)
    figures: list[float] = []
    with serving(shared / "istio-config" / case.config, options) as server:
        try_once(case, bodies, server.port)
        send(server.port, max(requests // _WARM_UP, case.connections * case.streams))
        before = cpu.at_rest(server.pid)
        for _ in range(runs):
            send(server.port, requests)
            after = cpu.at_rest(server.pid)
            figures.append((after - before) * 1e6 / (requests * case.bags))
            before = after
    return Result.of(figures)


def main() -> int:
    """Measure what the command line asks for, print a table, and keep or renew the baseline."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("cases", nargs="*", help="words in the names of cases; default: all cases")
    parser.add_argument("--runs", type=int, default=5, help="runs of each case (%(default)s)")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the requests of a run")
    parser.add_argument(
        "--shared",
        type=Path,
        default=_HERE.parent.parent / "shared",
        help="folder with istio-config/ and bodies/ (%(default)s)",
    )
    parser.add_argument(
        "--baseline", type=Path, default=_HERE / "baseline.json", help="file (%(default)s)"
    )
    parser.add_argument("--write-baseline", action="store_true", help="renew the baseline")
    parser.add_argument(
        "--server", action="append", default=[], metavar="OPTION", help="option for mixs server"
    )
    arguments = parser.parse_args()

    def wanted(name: str) -> bool:
        return all(word in name for word in arguments.cases)

    chosen = [case for case in CASES if wanted(case.name)]
    without_server = [*service.cases(arguments.shared), *expressions.cases(arguments.shared)]
    local = [(name, run) for name, run in without_server if wanted(name)]
    if not chosen and not local:
        parser.error(f"no case is called {' '.join(arguments.cases)!r}")
    baseline = result.read(arguments.baseline)
    results: dict[str, Result] = {}
    print(result.HEADING)
    try:
        for case in chosen:
            found = measure(
                case, arguments.shared, arguments.runs, arguments.scale, tuple(arguments.server)
            )
            results[case.name] = found
            print(result.line(case.name, found, baseline), flush=True)
        for name, once in local:
            results[name] = Result.of([once() for _ in range(arguments.runs)])
            print(result.line(name, results[name], baseline), flush=True)
    except (NotLoaded, NotServing) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if arguments.write_baseline:
        result.write(arguments.baseline, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())

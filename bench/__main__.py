"""Measure CPU per request of the real server; see ``python -m bench --help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import cpu, envoy, expressions, life, result, service
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
    config = shared / "istio-config" / case.config
    with serving(config, (*case.options, *options)) as server, _way_to(server.port, case) as port:
        try_once(case, bodies, port)
        send(port, max(requests // _WARM_UP, case.connections * case.streams))
        before = cpu.at_rest(server.pid)
        for _ in range(runs):
            send(port, requests)
            after = cpu.at_rest(server.pid)
            figures.append((after - before) * 1e6 / (requests * case.bags))
            before = after
    return Result.of(figures)


@contextmanager
def _way_to(port: int, case: Case) -> Iterator[int]:
    """The port that leads to the server's *port*."""
    if not case.behind_envoy:
        yield port
        return
    with TemporaryDirectory() as folder, envoy.running(envoy.proxy([port]), Path(folder)) as peer:
        yield peer.port


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
    others = (module.cases(arguments.shared) for module in (life, service, expressions))
    local = [(name, run) for name, run in chain.from_iterable(others) if wanted(name)]
    if not chosen and not local:
        parser.error(f"no case is called {' '.join(arguments.cases)!r}")
    baseline = result.read(arguments.baseline)
    results: dict[str, Result] = {}
    print(result.HEADING)
    try:
        for case in chosen:
            if case.behind_envoy and envoy.program() is None:
                print(f"{case.name:28}left out: no Envoy here (tools/install_peers.sh installs it)")
                continue
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

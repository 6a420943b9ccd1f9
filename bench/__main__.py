"""Measure CPU per request of the real server; see ``python -m bench --help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from bench import cpu, envoy, expressions, life, result, service
from bench.cases import CASES, Case
from bench.load import Load, NotLoaded, load, try_once
from bench.result import Result
from bench.server import NotServing, serving

Run: TypeAlias = Callable[[], float]
"""Measures a case once."""

_HERE = Path(__file__).parent
_WARM_UP = 10
"""The share of a run, one in so many requests, that is sent before the first is counted."""


def _loads(
    cases: Sequence[Case], shared: Path, scale: float, options: tuple[str, ...]
) -> Iterator[tuple[str, Run]]:
    """Those of *cases* that can be measured here, by name."""
    for case in cases:
        if case.behind_envoy and envoy.program() is None:
            print(f"{case.name:28}left out: no Envoy here (tools/install_peers.sh installs it)")
        else:
            send = load(case, shared / "bodies")
            yield case.name, partial(measure, case, send, shared, scale, options)


def measure(case: Case, send: Load, shared: Path, scale: float, options: tuple[str, ...]) -> float:
    """CPU microseconds of one request or bag of *case*, on a server of its own."""
    least = case.connections * case.streams
    requests = max(int(case.requests * scale), least)
    config = shared / "istio-config" / case.config
    with serving(config, (*case.options, *options)) as server, _way_to(server.port, case) as port:
        try_once(case, shared / "bodies", port)
        send(port, max(requests // _WARM_UP, least))
        before = cpu.at_rest(server.pid)
        send(port, requests)
        return (cpu.at_rest(server.pid) - before) * 1e6 / (requests * case.bags)


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
    if not (arguments.shared / "bodies").is_dir():
        parser.error(f"no request bodies in '{arguments.shared}': say --shared where they are")

    def wanted(name: str) -> bool:
        return all(word in name for word in arguments.cases)

    loads = [case for case in CASES if wanted(case.name)]
    others = (module.cases(arguments.shared) for module in (life, service, expressions))
    local = [(name, once) for name, once in chain.from_iterable(others) if wanted(name)]
    if not loads and not local:
        parser.error(f"no case is called {' '.join(arguments.cases)!r}")
    baseline = result.read(arguments.baseline)
    figures: dict[str, list[float]] = {}
    options = tuple(arguments.server)
    try:
        chosen = [*_loads(loads, arguments.shared, arguments.scale, options), *local]
        print(result.HEADING)
        # All cases in turn: a machine that is busy for a while spoils a run of each, and not all
        # runs of one.
        for left in reversed(range(arguments.runs)):
            for name, once in chosen:
                figures.setdefault(name, []).append(once())
                if not left:
                    print(result.line(name, Result.of(figures[name]), baseline), flush=True)
    except (NotLoaded, NotServing) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if arguments.write_baseline:
        results = {name: Result.of(runs) for name, runs in figures.items()}
        result.write(arguments.baseline, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())

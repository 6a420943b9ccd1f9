"""
`python -m tests.fuzz SECONDS [HARNESS...]`: fuzzes with coverage as the guide, until a fault.

What it learns stays in .fuzz/HARNESS for the next time; an input that breaks something is a file
beside that, which `python -m tests.fuzz --again HARNESS FILE` tries once more.
"""

from __future__ import annotations

import random
import subprocess
import sys
from importlib import import_module
from pathlib import Path

HARNESSES = ("connection", "compression", "messages")
_FOLDER = Path(".fuzz")
_SEEDS = 200
_LONGEST = 4000


def main(seconds: str, *harnesses: str) -> int:
    """Fuzz in a process for each harness; how many found something."""
    failed = 0
    for harness in harnesses or HARNESSES:
        print(f"--- {harness}, {seconds} s", flush=True)
        corpus = _FOLDER / harness
        _seed(corpus)
        command = [sys.executable, "-m", "tests.fuzz", "--one", harness, str(corpus), seconds]
        failed += subprocess.run(command, check=False).returncode != 0
        print(f"{harness}: {len(list(corpus.iterdir()))} inputs in {corpus}", flush=True)
    return failed


def _seed(corpus: Path) -> None:
    """Begin with long inputs, as short ones tell no story."""
    corpus.mkdir(parents=True, exist_ok=True)
    seeds = random.Random(1)
    for at in range(_SEEDS):
        (corpus / f"seed-{at}").write_bytes(seeds.randbytes(seeds.randrange(_LONGEST)))


def fuzz(harness: str, corpus: str, seconds: str) -> None:
    """Fuzz in this process; libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=["mixer.transport", "tests.fuzz"]):
        run = import_module(f"tests.fuzz.{harness}").run
    arguments = [
        harness,
        corpus,
        f"-max_total_time={seconds}",
        f"-max_len={_LONGEST}",
        "-timeout=10",
        "-rss_limit_mb=512",
        "-print_final_stats=1",
        f"-artifact_prefix={_FOLDER}/{harness}-",
    ]
    atheris.Setup(arguments, run)
    atheris.Fuzz()


def again(harness: str, file: str) -> None:
    """Try one input again."""
    import_module(f"tests.fuzz.{harness}").run(Path(file).read_bytes())


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--one", harness, corpus, seconds]:
            fuzz(harness, corpus, seconds)
        case ["--again", harness, file]:
            again(harness, file)
        case arguments:
            sys.exit(main(*arguments))

"""How much of the CEL specification's conformance data passes: ``python -m tests.conformance``."""

from __future__ import annotations

import sys
from collections import Counter

from tests.conformance.cel_spec import passes, skipped, spec_tests


def main() -> int:
    """Print a line a file and one for each reason to skip; fail where a test does not pass."""
    passed: Counter[str] = Counter()
    applicable: Counter[str] = Counter()
    failed = []
    for id_, test in spec_tests().items():
        if id_ in skipped():
            continue
        name = id_.partition("/")[0]
        applicable[name] += 1
        if passes(test):
            passed[name] += 1
        else:
            failed.append(f"FAILED {id_}: {test.expression}")
    for name, count in applicable.items():
        print(f"{passed[name]:5} of {count:4} pass  {name}")
    print(
        f"{passed.total():5} of {applicable.total():4} pass  all, and {len(skipped())} are skipped"
    )
    for reason, count in Counter(skipped().values()).items():
        print(f"{count:5} skipped, each {reason}")
    print(*failed, sep="\n", end="")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())

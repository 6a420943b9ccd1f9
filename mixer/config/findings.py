"""What is wrong with one resource, collected while it is read."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from mixer.errors import Place, Problem, Severity

_LISTED = 12
"""A choice of so many words is printed whole; a longer one would bury the reason."""


class Findings:
    """Collects the problems of one resource, so that all are told at once."""

    __slots__ = ("problems", "resource")

    def __init__(self, resource: str = "", problems: Iterable[Problem] = ()) -> None:
        self.resource = resource
        self.problems = list(problems)

    def error(self, reason: str, place: Place, field: str = "", suggestion: str = "") -> None:
        """Note that the resource can't be served as written."""
        self.problems.append(Problem(reason, place, self.resource, field, suggestion))

    def warn(self, reason: str, place: Place, field: str = "", suggestion: str = "") -> None:
        """Note that the resource is served, but is probably not what was meant."""
        self.problems.append(
            Problem(reason, place, self.resource, field, suggestion, Severity.WARNING)
        )

    @property
    def errors(self) -> int:
        """How many of the problems keep the resource from being served as written."""
        return sum(problem.severity is Severity.ERROR for problem in self.problems)


def closest(word: str, words: Iterable[str]) -> str:
    """Suggest the one of *words* that *word* was probably meant to be, or list them if few."""
    known = list(dict.fromkeys(words))
    lower = {name.lower(): name for name in reversed(known)}
    if found := get_close_matches(word.lower(), lower, n=1):
        return f"did you mean {lower[found[0]]!r}?"
    if 0 < len(known) <= _LISTED:
        return "known here: " + ", ".join(known)
    return ""

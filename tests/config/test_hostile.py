"""Configuration is untrusted: whatever it says, reading it ends with a model and problems."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mixer.adapter.catalogue import Catalogue
from mixer.config.build import build
from mixer.config.load import parse_text

SCRAPS = st.sampled_from(
    ["", " ", "\n", "\t", ":", "- ", "[", "{", "}", "'", '"', "|", "&a ", "*a", "!t ", "null", "0",
     "---\n", "...\n", "<<: ", "? ", "%", "yes", "\x00", "\ud7ff", "meshmixer.io/v1", "spec", "  "]
)  # fmt: skip
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), SCRAPS), min_size=1, max_size=6)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(edits=EDITS)
def test_a_damaged_configuration_never_raises(
    istio_config: Path, catalogue: Catalogue, edits: list[Any]
) -> None:
    text = (istio_config / "check" / "check.yaml").read_text()
    for position, length, scrap in edits:
        at = int(position * len(text))
        text = text[:at] + scrap + text[at + length :]
    model, problems = build(parse_text(text), catalogue)
    assert all(str(problem) and problem.as_json() for problem in problems)
    assert all(action.instances for rule in model.rules for action in rule.actions)

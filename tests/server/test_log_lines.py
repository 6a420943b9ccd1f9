"""Log lines that are put together from what was sent: to the letter those of whole instances."""

from __future__ import annotations

from pathlib import Path

import pytest

from attributes.dictionary import GLOBAL_INDEX
from bench.service import service
from mixer._pb import mixer_pb2 as pb
from mixer.adapter import Line

SHARED = Path(__file__).parents[2].parent / "shared"


async def written(folder: Path, body: str, fused: bool, **params: str) -> list[str]:
    """What istio-config/telemetry-log writes of a report."""
    folder.mkdir()
    config, log = SHARED / "istio-config" / "telemetry-log", folder / "log"
    for file in config.iterdir():
        text = file.read_text().replace("/dev/null", str(log))
        for name, value in params.items():
            text = text.replace("    outputAsJson: true", f"    {name}: {value}")
        (folder / file.name).write_text(text)
    raw = (SHARED / "bodies" / f"{body}.grpc").read_bytes()[5:]
    async with service([folder], fused) as served:
        await served.report(raw)
    return log.read_text().splitlines()


@pytest.mark.parametrize("body", ["report-100-independent", "report-100-delta", "report-1"])
@pytest.mark.parametrize("params", [{}, {"outputAsJson": "false"}, {"outputLevel": "ERROR"}])
async def test_the_lines_of_a_mesh_are_those_of_the_plain_way(
    tmp_path: Path, body: str, params: dict[str, str]
) -> None:
    plain = await written(tmp_path / "plain", body, False, **params)
    assert await written(tmp_path / "fused", body, True, **params) == plain
    assert len(plain) == (0 if "outputLevel" in params else 1 if body == "report-1" else 100)


async def test_most_lines_are_made_without_instances(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    of = Line.of
    monkeypatch.setattr(Line, "of", lambda line, one: made.append(one) or of(line, one))
    assert len(await written(tmp_path / "fused", "report-100-independent", True)) == 100
    assert len(made) <= 3


TOKENS = """
apiVersion: meshmixer.io/v1
kind: attributemanifest
metadata: {name: words}
spec:
  attributes:
    request.headers: {valueType: STRING_MAP}
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: all}
spec:
  match: (request.headers["kind"] | "") == "known"
  actions:
  - handler: {adapter: stdio, params: {logStream: FILE, outputPath: LOG, outputAsJson: true}}
    instances: [{template: logentry, params: {severity: '"info"', variables: {token: VALUE}}}]
"""


@pytest.mark.parametrize(
    "value",
    [
        """'request.headers["token"] | "-"'""",
        """'(request.headers["token"] | "-") + "!"'""",
        """'request.headers["kind"] + (request.headers["token"] | "-")'""",
        "request.headers",
    ],
)
@pytest.mark.parametrize("encoding", pb.ReportRequest.RepeatedAttributesSemantics.values())
async def test_an_entry_that_does_not_decide_is_that_of_its_own_call(
    tmp_path: Path, value: str, encoding: int
) -> None:
    log = tmp_path / "log"
    rules = TOKENS.replace("LOG", str(log)).replace("VALUE", value)
    (tmp_path / "rules.yaml").write_text(rules)
    async with service([tmp_path]) as served:
        for callers in (["alice", "bob"], ["carol"]):
            sent = pb.ReportRequest(
                repeated_attributes_semantics=encoding,  # type: ignore[arg-type]
                default_words=["kind", "known", "token", *callers],
            )
            for at, _ in enumerate(callers, 4):
                headers = sent.attributes.add().string_maps[GLOBAL_INDEX["request.headers"]]
                headers.entries.update({-1: -2, -3: -at})
            await served.report(sent.SerializeToString())
    lines = log.read_text().splitlines()
    assert len(lines) == 3
    for caller, line in zip(("alice", "bob", "carol"), lines, strict=True):
        assert caller in line
        assert sum(name in line for name in ("alice", "bob", "carol")) == 1

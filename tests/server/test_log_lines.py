"""Log lines that are put together from what was sent: to the letter those of whole instances."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.service import service
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

"""What calls cost, in instructions of Python: the fast ways stay fast, on any machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import opcodes
from bench.service import more_rules, service

SHARED = Path(__file__).parents[2].parent / "shared"
CONFIG, BODIES = SHARED / "istio-config", SHARED / "bodies"


async def cost(rpc: str, configs: list[Path], body: str, fused: bool = True) -> int:
    """Instructions of one call, after the first, which fills what is remembered."""
    raw = (BODIES / f"{body}.grpc").read_bytes()[5:]
    async with service(configs, fused) as served:
        handler = getattr(served, rpc)
        await handler(raw)
        return opcodes.count(handler(raw))


@pytest.mark.parametrize(
    ("rpc", "config", "body", "most"),
    [
        ("check", "norule", "check", 1.01),
        ("check", "check", "check", 0.95),
        ("report", "telemetry", "report-1", 0.45),
        ("report", "telemetry", "report-100-independent", 0.1),
        ("report", "telemetry", "report-100-delta", 0.17),
        ("report", "telemetry-log", "report-100-independent", 0.3),
    ],
)
async def test_the_fused_way_costs_so_much_of_the_plain_one(
    rpc: str, config: str, body: str, most: float
) -> None:
    fused = await cost(rpc, [CONFIG / config], body)
    plain = await cost(rpc, [CONFIG / config], body, fused=False)
    assert fused <= most * plain, f"{fused} instructions, {fused / plain:.2f} of {plain}"


async def test_a_rule_that_does_not_match_costs_two_dozen_instructions(tmp_path: Path) -> None:
    more = tmp_path / "more.yaml"
    more.write_text(more_rules(200))
    without = await cost("check", [CONFIG / "check"], "check")
    extra = (await cost("check", [CONFIG / "check", more], "check") - without) / 200
    assert extra <= 25


class Leftover:
    """Garbage that has something to do when it is found."""

    def __init__(self) -> None:
        self.own = self

    def __del__(self) -> None:
        for _ in range(1000):
            pass


async def some() -> None:
    """As much as a collector takes for a reason to look for garbage."""
    _ = [[] for _ in range(100_000)]


def test_what_others_left_behind_is_not_counted() -> None:
    alone = opcodes.count(some())
    Leftover()
    assert opcodes.count(some()) == alone

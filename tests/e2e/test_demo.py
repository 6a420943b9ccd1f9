"""``make demo-envoy`` shows what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.envoy import program
from tests.peers import require

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]


def test_the_demo_shows_what_is_decided_limited_and_recorded() -> None:
    require("envoy", program())
    command = [sys.executable, str(ROOT / "tools" / "demo_envoy.py")]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    for line in (
        "20 x GET /       as ann: 200 welcome",
        "5 x GET /admin  as ann: 403 PERMISSION_DENIED:no-admins.demo:not from here",
        "2 x GET /buy    as ann: 429 RESOURCE_EXHAUSTED:quota purchases is exhausted",
        'istio_demo_requests{code="200",rule="none"} 25',
        'istio_demo_requests{code="403",rule="no-admins.demo"} 5',
        'istio_demo_requests{code="429",rule="purchases.demo"} 2',
        '"why": "no-admins.demo:not from here"',
    ):
        assert line in shown

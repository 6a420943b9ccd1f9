"""An adapter moves out into a process of its own, by the commands of docs/outside.md."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
import yaml

from tests.server.conftest import Server, serve

__all__ = ["serve"]

MIXS = str(Path(sys.executable).with_name("mixs"))
MIXC = str(Path(sys.executable).with_name("mixc"))
CONFIG = """
apiVersion: meshmixer.io/v1
kind: attributemanifest
metadata: {name: vocabulary}
spec: {attributes: {source.user: {valueType: STRING}}}
---
apiVersion: meshmixer.io/v1
kind: handler
metadata: {name: limits}
spec:
  adapter: remote-memquota
  connection: {address: 'ADDRESS'}
  params: {quotas: [{name: calls, maxAmount: 5, validDuration: 1h}]}
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: limited}
spec:
  actions:
  - handler: limits
    instances: [{name: calls, template: quota, params: {dimensions: {user: source.user}}}]
"""


@pytest.fixture
def outside() -> Iterator[dict[str, str]]:
    """memquota, in a process of its own; what it said when it was ready."""
    command = [MIXS, "adapter", "serve", "memquota", "--address=tcp://127.0.0.1:0"]
    process = subprocess.Popen(
        [*command, "--monitoringPort=0", "--log_as_json"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=15)
    assert process.returncode == 0
    assert "adapter is served no more" in said


def asked(server: Server, amount: int) -> str:
    """What mixc says of a quota."""
    command = [MIXC, "check", "-m", server.address, "-s", "source.user=ann"]
    done = subprocess.run(
        [*command, "-q", f"calls={amount}"], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_mixers_share_the_counters_of_an_adapter_that_moved_out(
    outside: dict[str, str], serve: Callable[..., Server], tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.mkdir()
    exported = subprocess.run(
        [MIXS, "adapter", "export", "memquota"], capture_output=True, text=True, check=True
    )
    (adapter,) = yaml.safe_load_all(exported.stdout)
    assert adapter["metadata"]["name"] == "remote-memquota"
    (config / "adapter.yaml").write_text(exported.stdout)
    (config / "rules.yaml").write_text(CONFIG.replace("ADDRESS", outside["address"]))

    one, other = serve(config), serve(config)
    assert "calls  3               1h0m0s" in asked(one, 3)
    assert "calls  2               1h0m0s" in asked(other, 3)
    assert "calls  0 " in asked(one, 1)
    with urlopen(f"http://{outside['monitoring']}/configz") as answer:
        (handler,) = json.loads(answer.read())["handlers"]
    assert handler == {"sessions": 2, "instances": ["calls.instance.istio-system"]}

    assert one.stop() == 0
    assert other.stop() == 0
    with urlopen(f"http://{outside['monitoring']}/configz") as answer:
        assert json.loads(answer.read())["handlers"] == []

"""What ``mixs envoy config`` prints, a real Envoy takes, and asks and tells the mixer by it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from bench.envoy import program
from mixer.cli import mixs
from tests.e2e.conftest import port_of
from tests.e2e.sidecar import App
from tests.e2e.test_envoy_authorization import VOCABULARY, get, service
from tests.peers import envoy, require
from tests.server.conftest import Server
from tests.server.test_tls import authority, files

__all__ = ["authority", "service"]

pytestmark = pytest.mark.e2e

RULES = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: no-admins, namespace: shop}
spec:
  match: request.url_path == "/admin" && destination.service.host == "shop.example.com"
  actions:
  - handler: {adapter: denier, params: {status: {code: PERMISSION_DENIED}}}
    instances: [{template: checknothing}]
---
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: count, namespace: shop}
spec:
  actions:
  - handler:
      adapter: prometheus
      params: {metrics: [{instanceName: told, kind: COUNTER, labelNames: [rule, kind]}]}
    instances:
    - name: told
      template: metric
      params:
        value: '1'
        dimensions: {rule: 'decision.rule | "none"', kind: context.reporter.kind}
"""


@pytest.fixture
def made(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """What the command prints, as YAML has it."""

    def make(**words: object) -> Any:
        flags = [f"--{name}={value}" for name, value in words.items()]
        assert mixs.main(["envoy", "config", *flags]) == 0
        return yaml.safe_load(capsys.readouterr().out)

    return make


def takes(config: Any, folder: Path) -> None:
    """Have a real Envoy look at a configuration."""
    require("envoy", program())
    file = folder / "envoy.yaml"
    file.write_text(yaml.safe_dump(config))
    command = [str(program()), "--mode", "validate", "-c", str(file)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("mode", ["inbound", "outbound", "gateway"])
def test_envoy_takes_what_is_printed(made: Callable[..., Any], tmp_path: Path, mode: str) -> None:
    whole = made(mode=mode, namespace="shop", host="shop.example.com", failOpen="true")
    takes(whole, tmp_path)
    parts = made(mode=mode, namespace="shop", host="shop.example.com", form="snippet", timeout="2s")
    manager = manager_of(whole)
    manager["access_log"] = parts["access_log"]
    manager["http_filters"][:1] = parts["http_filters"]
    (host,) = manager["route_config"]["virtual_hosts"]
    host["typed_per_filter_config"] = parts["typed_per_filter_config"]
    whole["static_resources"]["clusters"][1:] = parts["clusters"]
    takes(whole, tmp_path)
    patches = made(mode=mode, namespace="shop", form="istio")["spec"]["configPatches"]
    values = {patch["applyTo"]: patch["patch"]["value"] for patch in patches}
    whole["static_resources"]["clusters"][1:] = [values["CLUSTER"]]
    manager["http_filters"][:1] = [values["HTTP_FILTER"]]
    manager |= values["NETWORK_FILTER"]["typed_config"]
    host |= values["VIRTUAL_HOST"]
    takes(whole, tmp_path)


def manager_of(config: Any) -> Any:
    (listener,) = config["static_resources"]["listeners"]
    return listener["filter_chains"][0]["filters"][0]["typed_config"]


@pytest.mark.parametrize("secure", [False, True])
def test_an_envoy_by_it_asks_and_tells(
    serve: Callable[..., Server],
    service: App,
    made: Callable[..., Any],
    authority: trustme.CA,
    tmp_path: Path,
    *,
    secure: bool,
) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / "rules.yaml").write_text(RULES)
    (config / "attributes.yaml").write_text(VOCABULARY.read_text())
    flags = files(authority, tmp_path)[:2] if secure else []
    server = serve(config, *flags)
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca)
    whole = made(
        mixer=f"{'localhost' if secure else '127.0.0.1'}:{port_of(server)}",
        service=f"127.0.0.1:{service.port}",
        listen="127.0.0.1:0",
        admin="127.0.0.1:0",
        namespace="shop",
        host="shop.example.com",
        **({"mixerCA": ca} if secure else {}),
    )
    with envoy(whole, tmp_path) as running:
        assert get(running.port, "/")[0].status == 200
        assert get(running.port, "/admin")[0].status == 403
        told = {
            f'istio_told{{kind="inbound",rule="{rule}"}} 1' for rule in ("none", "no-admins.shop")
        }
        server.wait_for(lambda: told <= set(server.scrape().splitlines()))


def test_an_address_that_is_none_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert mixs.main(["envoy", "config", "--mixer=here"]) == 1
    assert capsys.readouterr().err == "mixs: 'here' is not of the form HOST:PORT\n"

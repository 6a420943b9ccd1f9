"""What ``mixs envoy config`` prints, a real Envoy takes, and asks and tells the mixer by it."""

from __future__ import annotations

import copy
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import trustme
import yaml

from bench.envoy import program
from mixer.cli import mixs
from tests.e2e.conftest import port_of
from tests.e2e.sidecar import App, configured
from tests.e2e.test_envoy_authorization import get
from tests.peers import envoy, require
from tests.server.conftest import Server
from tests.server.test_tls import authority, files

__all__ = ["authority"]

pytestmark = pytest.mark.e2e

EXAMPLE = Path(__file__).parents[2] / "config" / "examples" / "envoy"

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
    config = configured(tmp_path, RULES)
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


def test_the_example_runs_as_its_readme_says(
    serve: Callable[..., Server],
    service: App,
    made: Callable[..., Any],
    tmp_path: Path,
) -> None:
    readme = (EXAMPLE / "README.md").read_text()
    (said,) = re.findall(r"mixs envoy config (.*) > ", readme)
    words = dict(pair.split() for pair in said.removeprefix("--").split(" --"))
    server = serve(configured(tmp_path, (EXAMPLE / "rules.yaml").read_text()))
    ports = {"mixer": port_of(server), "service": service.port, "listen": 0, "admin": 0}
    whole = made(**words, **{name: f"127.0.0.1:{port}" for name, port in ports.items()})
    with envoy(whole, tmp_path) as running:
        assert get(running.port, "/admin")[0].status == 403
        statuses = [get(running.port, "/buy", x_user="ann")[0].status for _ in range(4)]
        assert sorted(set(statuses)) == [200, 429]


def test_mixers_are_restarted_in_turn_and_no_request_fails(
    serve: Callable[..., Server], service: App, made: Callable[..., Any], tmp_path: Path
) -> None:
    config = configured(tmp_path, RULES)
    delay = "--drainDelay=1s"
    servers = [serve(config, delay), serve(config, delay, "--workers=2")]
    ports = [port_of(server) for server in servers]
    whole = made(
        mixer=f"127.0.0.1:{ports[0]}",
        service=f"127.0.0.1:{service.port}",
        listen="127.0.0.1:0",
        admin="127.0.0.1:0",
        namespace="shop",
    )
    policy = whole["static_resources"]["clusters"][1]
    (places,) = policy["load_assignment"]["endpoints"]
    other = copy.deepcopy(places["lb_endpoints"][0])
    other["endpoint"]["address"]["socket_address"]["port_value"] = ports[1]
    places["lb_endpoints"].append(other)
    policy["common_lb_config"]["update_merge_window"] = "0s"  # else it heeds health a second late
    for check in policy["health_checks"]:
        check |= {"interval": "0.2s", "no_traffic_interval": "0.2s"}
    ended, answered = Event(), Counter[int]()

    def load(port: int) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=20)
        while not ended.is_set():
            connection.request("GET", "/")
            response = connection.getresponse()
            response.read()
            answered[response.status] += 1
        connection.close()

    with envoy(whole, tmp_path) as running, ThreadPoolExecutor(4) as clients:
        loads = [clients.submit(load, running.port) for _ in range(4)]
        try:
            for at, port in enumerate(ports):
                before = answered[200]
                servers[at].wait_for(lambda before=before: answered[200] > before + 50)
                assert servers[at].stop() == 0
                servers[at] = serve(config, f"--address=tcp://127.0.0.1:{port}")
                servers[at].wait_for(
                    lambda: running.counters("cluster.mixer.").get("membership_healthy") == 2
                )
        finally:
            ended.set()
        for client in loads:
            client.result()
        errors = running.counters("http.web.ext_authz.").get("error", 0)
    assert set(answered) == {200}
    assert errors == 0


def test_an_address_that_is_none_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert mixs.main(["envoy", "config", "--mixer=here"]) == 1
    assert capsys.readouterr().err == "mixs: 'here' is not of the form HOST:PORT\n"

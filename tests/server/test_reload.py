"""Configuration changes under load: no call fails, and what breaks leaves the last good version."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from .conftest import SHARED, Server, body

RULE = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: gate, namespace: default}}
spec:
  match: '{match}'
  actions:
  - handler: {{adapter: denier, params: {{status: {{code: 7, message: {message}}}}}}}
    instances: [{{template: checknothing}}]
"""


def written(folder: Path, match: str, message: str) -> None:
    """Put the rule in place the way editors do, by renaming a whole new file."""
    fresh = folder / ".gate.yaml.new"
    fresh.write_text(RULE.format(match=match, message=message))
    fresh.rename(folder / "gate.yaml")


def configured(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    vocabulary = SHARED / "istio-config" / "norule" / "attributes.yaml"
    (folder / "attributes.yaml").write_text(vocabulary.read_text())
    return folder


def message(server: Server) -> str:
    """What a Check is told."""
    return str(server.check(body("check")).precondition.status.message)


def test_an_edit_changes_answers_under_load_without_a_failed_call(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    folder = configured(tmp_path)
    written(folder, "false", "never")
    server = serve(folder)
    done, failures, seen = threading.Event(), [], set()
    raw = body("check")

    def load() -> None:
        while not done.is_set():
            try:
                seen.add(server.check(raw).precondition.status.message)
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(5):
        written(folder, "true", f"edit {number}")
        server.wait_for(lambda number=number: f"gate.default:edit {number}" in seen)
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_broken_edit_leaves_the_last_good_version_and_says_so(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    folder = configured(tmp_path)
    written(folder, "true", "first")
    server = serve(folder)
    assert message(server) == "gate.default:first"
    written(folder, "no.such.attribute == 1", "second")
    server.await_log("the last good version stays in force")
    assert message(server) == "gate.default:first"
    assert "unknown attribute no.such.attribute" in server.get("/configz")
    assert '"rule/default/gate"' in server.get("/configz")
    assert "mixer_config_kept_last_good 1.0" in server.get("/metrics")
    assert 'mixer_config_problems{severity="error"} 1.0' in server.get("/metrics")
    written(folder, "true", "third")
    server.wait_for(
        lambda: server.check(body("check")).precondition.status.message.endswith("third")
    )
    assert "mixer_config_kept_last_good 0.0" in server.get("/metrics")


def test_a_half_written_file_leaves_its_rules_in_force(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    folder = configured(tmp_path)
    written(folder, "true", "whole")
    server = serve(folder)
    (folder / "gate.yaml").write_text("kind: rule\nspec: {match: [")
    server.await_log("the last good version stays in force")
    assert message(server) == "gate.default:whole"


def test_a_deleted_rule_is_gone(serve: Callable[..., Server], tmp_path: Path) -> None:
    folder = configured(tmp_path)
    written(folder, "true", "here")
    server = serve(folder)
    (folder / "gate.yaml").unlink()
    server.wait_for(lambda: server.check(body("check")).precondition.status.code == 0)


def test_a_config_map_swap_is_seen(serve: Callable[..., Server], tmp_path: Path) -> None:
    folder = configured(tmp_path)
    for version in ("one", "two"):
        (folder / f"..{version}").mkdir()
        text = RULE.format(match="true", message=version)
        (folder / f"..{version}" / "gate.yaml").write_text(text)
    (folder / "..data").symlink_to("..one")
    (folder / "gate.yaml").symlink_to("..data/gate.yaml")
    server = serve(folder)
    assert message(server) == "gate.default:one"
    (folder / "..data_tmp").symlink_to("..two")
    (folder / "..data_tmp").rename(folder / "..data")
    server.wait_for(lambda: message(server) == "gate.default:two")


def test_counters_outlive_a_change_of_another_rule(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    folder = configured(tmp_path)
    for source in (SHARED / "istio-config" / "telemetry").glob("prometheus.yaml"):
        (folder / source.name).write_text(source.read_text())
    server = serve(folder)
    server.call("Report", body("report-100-independent"))
    before = server.scrape()
    written(folder, "true", "new")
    server.wait_for(lambda: server.check(body("check")).precondition.status.code == 7)
    assert counts(server.scrape()) == counts(before) != []
    assert "mixer_handler_reused_handlers_total 1.0" in server.get("/metrics")


def counts(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("istio_requests_total{")]


def test_an_unreadable_source_keeps_the_configuration(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    folder = configured(tmp_path)
    written(folder, "true", "kept")
    server = serve(folder)
    folder.rename(tmp_path / "away")
    server.await_log("configuration can't be read; the last one stays")
    assert message(server) == "gate.default:kept"
    (tmp_path / "away").rename(folder)
    server.wait_for(lambda: "applied" in server.get("/metrics"))

"""mixs: validation, schema, reference, flags in the original's spelling."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mixer.cli import mixs, mixs_server
from mixer.cli.flags import idle_notes

SHARED = Path(__file__).parents[2].parent / "shared"
ROOT = Path(__file__).parents[2]
BAD = """
apiVersion: meshmixer.io/v1
kind: rule
metadata: {name: r}
spec:
  match: request.pth == "x"
  actions:
  - handler: {adapter: denyer}
    instances: [{template: checknothing}]
"""


def test_istios_configuration_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("norule", "check", "telemetry", "telemetry-log"):
        assert mixs.main(["validate", str(SHARED / "istio-config" / name)]) == 0
        assert capsys.readouterr().out == "0 errors, 0 warnings\n"


def test_what_make_run_serves_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    assert mixs.main(["validate", str(ROOT / "config")]) == 0
    assert capsys.readouterr().out == "0 errors, 0 warnings\n"


def test_problems_are_told_with_their_place_and_a_hint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(BAD)
    assert mixs.main(["validate", str(file)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].endswith("errors, 0 warnings")
    assert any(
        f"{file}:8:24: error: rule/istio-system/r spec.actions[0].handler.adapter" in line
        and "denier" in line
        for line in lines
    )


def test_expressions_are_compiled_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.yaml").write_text(BAD.replace("denyer", "denier"))
    vocabulary = ROOT / "config" / "attributes.yaml"
    assert mixs.main(["validate", str(tmp_path), str(vocabulary), "--output=json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)
    assert (problem["line"], problem["column"]) == (6, 10)
    assert problem["reason"] == "unknown attribute request.pth"
    assert problem["suggestion"] == "did you mean 'request.path'?"


def test_a_path_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert mixs.main(["validate", "no/such/path"]) == 1
    assert "no/such/path" in capsys.readouterr().err


def test_the_committed_schema_and_reference_are_current(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mixs.main(["schema"]) == 0
    assert capsys.readouterr().out == (ROOT / "config" / "schema.json").read_text(), "make docs"
    assert mixs.main(["collateral", str(tmp_path)]) == 0
    for page in tmp_path.iterdir():
        assert page.read_text() == (ROOT / "docs" / "reference" / page.name).read_text(), (
            "make docs"
        )


def test_every_configuration_file_names_its_schema() -> None:
    config = ROOT / "config"
    for file in config.rglob("*.yaml"):
        depth = "../" * (len(file.relative_to(config).parts) - 1) or "./"
        first = f"# yaml-language-server: $schema={depth}schema.json"
        assert file.read_text().splitlines()[0] == first, file


@pytest.mark.parametrize(
    "argv",
    [
        ["--port=9999", "--configStoreURL=fs:///x", "--profile=false", "--singleThreaded"],
        ["-p", "9999", "--averageLatencyThreshold", "500ms", "--latencySamplesPerSecond=+Inf"],
        ["--log_output_level=default:info,api:debug", "--log_target=stderr", "--ctrlz_port=0"],
        ["--readinessProbePath=/tmp/x", "--readinessProbeInterval=2s", "--configWaitTimeout=2m"],
        ["--useAdapterCRDs=false", "--useTemplateCRDs=true", "--numCheckCacheEntries=0"],
    ],
)
def test_flags_of_the_original_are_taken_in_its_spelling(argv: list[str]) -> None:
    mixs.parser().parse_args(["server", *argv])


@pytest.mark.parametrize(
    ("flag", "part"),
    [
        ("--port=abc", "'abc' is not a whole number from 0 to 65535"),
        ("--maxMessageSize=0", "'0' is not a whole number from 1"),
        ("--profile=maybe", "'maybe' is not true or false"),
        ("--drainTimeout=5", "'5' is not a duration such as 300ms"),
        ("--trace_sampling_rate=2", "'2' is not a number from 0 to 1"),
        ("--unknownQuota=perhaps", "'perhaps' is not one of allow, deny"),
    ],
)
def test_a_wrong_flag_says_what_it_should_be(
    flag: str, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        mixs.parser().parse_args(["server", flag])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert part in line


@pytest.mark.parametrize("argv", [[], ["serve"], ["server", "--por=1"], ["crd", "none"]], ids=str)
def test_a_wrong_command_is_one_line(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        mixs.main(argv)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("mixs")
    assert line.endswith("--help")


def test_flags_without_effect_are_named_when_given() -> None:
    given = mixs.parser().parse_args(["server", "--numCheckCacheEntries=5"])
    (note,) = idle_notes(mixs_server.FLAGS, given)
    assert note.startswith("--numCheckCacheEntries is accepted and has no effect")
    assert idle_notes(mixs_server.FLAGS, mixs.parser().parse_args(["server"])) == ()

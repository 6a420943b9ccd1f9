"""What adapter authors may import stays; a name that goes breaks their adapters."""

import mixer.adapter as kit
from mixer.adapter import files

SINCE_1_0 = """
ALLOW Action Adapter Allocates ApiKey Authorization CheckNothing Checks ChecksWithOutput Code Config
DirectResponse Duration Edge Env Exposes FieldProblem Generates Grant Instance Kubernetes
KubernetesOutput Line ListEntry LogEntry Meta Metric Milestones NonNegative Output PartlyRefused
Positive Quota QuotaArgs Refused ReportNothing Reports Shape Show Standing Subject Table TableFull
Timestamp TraceSpan Unavailable VERSION Value ValueType Variety Verdict WantedLimit comparison
hookimpl ip_text parse_ip same_ip text
""".split()


def test_no_name_of_version_1_is_gone() -> None:
    assert set(SINCE_1_0) - set(kit.__all__) == set()


def test_a_new_name_is_written_down_with_its_version() -> None:
    assert set(kit.__all__) - set(SINCE_1_0) == set()
    assert kit.VERSION == "1.1"


def test_files_came_with_1_1() -> None:
    assert {"BadFile", "Followed", "listed"} <= set(vars(files))


def test_all_names_are_there() -> None:
    assert [name for name in kit.__all__ if not hasattr(kit, name)] == []

"""Whatever the configuration and the calls, nobody can tell the fast way from the plain one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attributes.dictionary import GLOBAL_WORDS
from mixer._pb import inbound_pb2 as inbound
from mixer._pb import mixer_pb2 as pb
from mixer.server.mixer_v1 import MixerService
from tests.property.configurations import configurations, telemetry
from tests.property.mixers import AnySources, run
from tests.property.requests import WORDS, Table, calls, reports, sent


async def compare(text: str, made: list[tuple[str, bytes]]) -> None:
    """Go both ways, and hold what is seen of one against the other."""
    plain = await run(text, made, fused=False)
    for service in (MixerService, AnySources):
        fused = await run(text, made, True, service)
        assert fused.answers == plain.answers
        assert fused.kept == plain.kept
        assert fused.logged == plain.logged
        assert fused.series == pytest.approx(plain.series, rel=1e-9, abs=0, nan_ok=True)
        assert fused.counts == plain.counts
        assert fused.told == plain.told


HEAD = """
apiVersion: meshmixer.io/v1
kind: attributemanifest
metadata: {name: words}
spec:
  attributes:
    source.user: {valueType: STRING}
    source.name: {valueType: STRING}
    request.headers: {valueType: STRING_MAP}
    response.code: {valueType: INT64}
    own.double: {valueType: DOUBLE}
    response.duration: {valueType: DURATION}
    destination.namespace: {valueType: STRING}
---
"""

SHARED = """
apiVersion: meshmixer.io/v1
kind: handler
metadata: {name: shared}
spec:
  adapter: prometheus
  params:
    address: 127.0.0.1:0
    metrics: [{instanceName: m0, kind: KIND, labelNames: [a]}]
---
"""
"""A handler for instances m0 of any namespace."""


def rule(handler: str, template: str, name: str, params: str, **words: str) -> str:
    """One rule, in a namespace if that is among its *words*, that sends one instance."""
    namespace = words.pop("namespace", "istio-system")
    extra = "".join(f"\n  {word}: {value}" for word, value in words.items())
    return f"""
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: {name}, namespace: {namespace}}}
spec:{extra}
  actions:
  - handler: {handler}
    instances: [{{name: {name}, template: {template}, params: {params}}}]
---
"""


def sending(rule: str, instance: str, **words: str) -> str:
    """One rule that sends a declared instance to the shared handler."""
    extra = "".join(f"\n  {word}: {value}" for word, value in words.items())
    return f"""
apiVersion: meshmixer.io/v1
kind: rule
metadata: {{name: {rule}}}
spec:{extra}
  actions: [{{handler: shared, instances: [{instance}]}}]
---
"""


def instance(name: str, value: str) -> str:
    """An instance that rules can share."""
    return f"""
apiVersion: meshmixer.io/v1
kind: instance
metadata: {{name: {name}}}
spec: {{template: metric, params: {{value: '{value}', dimensions: {{a: source.user}}}}}}
---
"""


def measured(value: str) -> str:
    """The params of a metric with one dimension."""
    return f"{{value: '{value}', dimensions: {{a: source.user}}}}"


def counting(name: str, value: str, kind: str = "COUNTER", a: str = "source.user") -> str:
    """A rule that counts *value*."""
    info = f"{{instanceName: {name}, kind: {kind}, labelNames: [a]}}"
    handler = f"{{adapter: prometheus, params: {{address: '127.0.0.1:0', metrics: [{info}]}}}}"
    params = f"{{value: '{value}', dimensions: {{a: '{a}'}}}}"
    return rule(handler, "metric", name, params)


def written(value: str) -> str:
    """A rule that writes a line with *value*."""
    return rule("{adapter: scribe}", "logentry", "m1", f"{{variables: {{a: '{value}'}}}}")


def reported(*bags: dict[str, Any]) -> list[tuple[str, bytes]]:
    """A call that reports *bags*."""
    request = pb.ReportRequest(repeated_attributes_semantics=pb.ReportRequest.INDEPENDENT_ENCODING)
    table = Table([], len(GLOBAL_WORDS))
    request.attributes.extend(sent(bag, [], table) for bag in bags)
    request.default_words.extend(table.words)
    return [("report", request.SerializeToString())]


def elsewhere(index: int) -> tuple[str, bytes]:
    """A call that reports a user who is the word at *index*, of one word of its own."""
    independent = pb.ReportRequest.INDEPENDENT_ENCODING
    request = pb.ReportRequest(default_words=["y"], repeated_attributes_semantics=independent)
    request.attributes.add().strings[GLOBAL_WORDS.index("source.user")] = index
    return "report", request.SerializeToString()


def headed(words: str, index: int) -> tuple[str, bytes]:
    """A call that reports headers, the first word equal to the third, the second to *index*."""
    independent = pb.ReportRequest.INDEPENDENT_ENCODING
    request = pb.ReportRequest(default_words=words, repeated_attributes_semantics=independent)
    headers = request.attributes.add().string_maps[GLOBAL_WORDS.index("request.headers")]
    headers.entries.update({-1: -3, -2: index})
    return "report", request.SerializeToString()


def named_twice(word: str, index: int) -> tuple[str, bytes]:
    """A call that reports a header by *index*, where *word* stands under others as well."""
    independent = pb.ReportRequest.INDEPENDENT_ENCODING
    words = [word, "v", word]
    request = pb.ReportRequest(default_words=words, repeated_attributes_semantics=independent)
    for value in (-2, -1):
        headers = request.attributes.add().string_maps[GLOBAL_WORDS.index("request.headers")]
        headers.entries[index] = value
    return "report", request.SerializeToString()


def malformed(wrong: bytes, encoding: int) -> tuple[str, bytes]:
    """A call that reports a user, and then a message that is none."""
    fine = pb.CompressedAttributes(strings={GLOBAL_WORDS.index("source.user"): 0})
    messages = [fine.SerializeToString(), wrong]
    request = inbound.ReportRequest(attributes=messages, repeated_attributes_semantics=encoding)
    return "report", request.SerializeToString()


ABSENT = len(GLOBAL_WORDS)
BAGS = [{"source.user": "x", "response.code": code, "own.double": 0.5} for code in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("text", "made"),
    [
        pytest.param(
            rule("{adapter: notes}", "logentry", "m0", "{severity: source.user}"),
            reported(*BAGS),
            id="nothing is measured",
        ),
        pytest.param(
            counting("m0", 'response.duration | duration("1s")', "DISTRIBUTION"),
            reported(*BAGS),
            id="the default of a measure is a duration",
        ),
        pytest.param(
            counting("m0", 'source.user | "1"'),
            reported(*BAGS),
            id="what is measured is text",
        ),
        pytest.param(
            counting("m0", "1")
            + rule("{adapter: scribe}", "logentry", "m1", "{severity: source.name | 'b'}"),
            reported(*BAGS),
            id="the default of a field of a line can not be shown",
        ),
        pytest.param(
            counting("m0", "1")
            + rule("{adapter: scribe}", "logentry", "m1", "{severity: source.user | 'none'}"),
            reported(*BAGS, *({"source.user": user} for user in ("a", "b", "a"))),
            id="a field of a line can not be shown for a later bag",
        ),
        pytest.param(
            counting("m0", "1") + written('request.headers["a"] | request.headers["k"] | ""'),
            reported(
                *(
                    {"request.headers": headers}
                    for headers in ({"a": "1"}, {"k": "2"}, {}, {"z": ""})
                ),
                {},
                {"request.headers": {f"h{number}": "x" * number for number in range(90)}},
            ),
            id="entries of maps in a line",
        ),
        pytest.param(
            counting("m0", "1") + written('request.headers["a"] | request.headers[":path"] | ""'),
            [named_twice("a", -1), named_twice(":path", GLOBAL_WORDS.index(":path"))],
            id="the key of an entry in a line stands under two indices",
        ),
        pytest.param(
            counting("m0", "1"),
            [
                malformed(wrong, encoding)
                for wrong in (b"\x12", b"\x32\x05\x08\x02\x12\x01\x08")
                for encoding in (0, 1)
            ],
            id="a message of a Report is malformed",
        ),
        pytest.param(
            counting("m0", "1.0 / 0.0", "DISTRIBUTION"),
            reported(*BAGS),
            id="what is measured is infinite",
        ),
        pytest.param(
            counting("m0", "1", a="string(own.double)"),
            reported(*({"own.double": number} for number in (0.0, -0.0, 0.0, -0.0))),
            id="two zeros are equal, and not the same",
        ),
        pytest.param(
            counting("m0", "1")
            + rule("{adapter: notes}", "logentry", "m1", "{severity: string(6 / response.code)}"),
            reported(*BAGS, {**BAGS[0], "response.code": 0}),
            id="what is made for each bag fails for a later one",
        ),
        pytest.param(
            SHARED.replace("KIND", "COUNTER")
            + instance("m0", "own.double | 0.0")
            + sending("lenient", "m0", onError="skip")
            + sending("strict", "m0", onError="fail", match="response.code > 0"),
            reported(*BAGS, {**BAGS[0], "response.code": 0, "own.double": -1.0}),
            id="the strictest of the rules that feed a series counts",
        ),
        pytest.param(
            SHARED.replace("KIND", "GAUGE")
            + rule("shared", "metric", "m0", measured("response.code | 0"))
            + rule(
                "shared.istio-system",
                "metric",
                "m0",
                measured("response.code + 1"),
                namespace="shop",
            ),
            reported(*({**bag, "destination.namespace": "shop"} for bag in BAGS)),
            id="the last of two values of one gauge",
        ),
        pytest.param(
            SHARED.replace("KIND", "COUNTER")
            + instance("m0", "own.double | 0.0")
            + sending("fed", "m0")
            + rule("{adapter: expires}", "logentry", "m1", "{severity: source.user}"),
            reported(*BAGS),
            id="series expire while a handler waits",
        ),
        pytest.param(
            counting("m0", "1", a='request.headers["a"] | "none"')
            + counting("m1", "1", a='(request.headers["a"] | "") + (request.headers["b"] | "")'),
            [
                *reported({"request.headers": {"a": "1", "b": "1"}}),
                *reported({"request.headers": {"a": "2", "b": "1"}}),
                *reported({"request.headers": {"a": "1", "b": "2"}}, {"request.headers": {}}),
                *reported({}, {"request.headers": {"b": "1"}}),
            ],
            id="entries of maps differ from Report to Report",
        ),
        pytest.param(
            counting("m0", "1", a="string(size(request.headers))"),
            [
                *reported({"request.headers": {"a": "1"}}),
                *reported({"request.headers": {"a": "1", "b": "1"}}),
            ],
            id="whole maps differ from Report to Report",
        ),
        pytest.param(
            counting("m0", "1", a='source.user | "none"'),
            [elsewhere(index) for index in (-1, ABSENT + 1, ABSENT, ABSENT - 1, -3, -2)],
            id="a text that is no word of the second Report",
        ),
        pytest.param(
            counting("m0", "1", a='request.headers["a"] | "none"'),
            [
                headed(words, index)
                for index in (-4, GLOBAL_WORDS.index("GET"))
                for words in ("abcd", "abcd", "bacd", "abdc", "abc", "abcd", "aacd", "xbcd")
            ],
            id="the same indices of entries for other words",
        ),
    ],
)
async def test_fast_and_plain_agree_where_they_once_did_not(
    text: str, made: list[tuple[str, bytes]]
) -> None:
    await compare(HEAD + text, made)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(telemetry(), st.lists(reports(most=9), min_size=1, max_size=3))
def test_folded_reports_do_what_plain_ones_do(text: str, made: list[bytes]) -> None:
    asyncio.run(compare(text, [("report", raw) for raw in made]))


def reworded(raw: bytes, words: list[str]) -> bytes:
    """A report with the same indices, for other *words* that its messages share."""
    request = pb.ReportRequest.FromString(raw)
    del request.default_words[:]
    request.default_words.extend(words)
    return request.SerializeToString()


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    telemetry(),
    reports(most=3),
    st.lists(st.lists(st.sampled_from(WORDS), max_size=12), min_size=1, max_size=4),
)
def test_the_same_indices_for_other_words_do_what_plain_ones_do(
    text: str, raw: bytes, others: list[list[str]]
) -> None:
    made = [raw, raw, *(reworded(raw, words) for words in others), raw]
    asyncio.run(compare(text, [("report", one) for one in made]))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(configurations(), calls())
def test_fused_rules_do_what_plain_ones_do(text: str, made: list[tuple[str, bytes]]) -> None:
    asyncio.run(compare(text, made))


@pytest.mark.parametrize("texts", [0, 1, 2])
@pytest.mark.parametrize("encoding", [0, 1])
async def test_attributes_that_tell_whose_a_call_is_may_be_no_texts(
    texts: int, encoding: int
) -> None:
    names = ["context.reporter.kind", "source.namespace", "destination.namespace"][texts:]
    manifest = "".join(f"    {name}: {{valueType: INT64}}\n" for name in names)
    head = (
        "apiVersion: meshmixer.io/v1\nkind: attributemanifest\nmetadata: {name: numbers}\n"
        f"spec:\n  attributes:\n{manifest}---\n"
    )
    text = head + counting("m0", "1", a=" + ".join(f"string({name} | 1)" for name in names))
    request = pb.ReportRequest(repeated_attributes_semantics=encoding)  # type: ignore[arg-type]
    for number in (1, 2, 1):
        request.attributes.add().int64s[GLOBAL_WORDS.index(names[0])] = number
    await compare(text, [("report", request.SerializeToString())])

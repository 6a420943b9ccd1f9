"""What no enforced binding allows is denied, by service, method, path, constraint and subject."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rbac import Rbac, RbacConfig
from adapters.rbac.config import Binding, Constraint, Mode, Role, Rule, Subject
from adapters.rbac.grants import pattern
from attributes import Duration
from mixer.adapter import Action, Authorization
from mixer.adapter import Subject as Who
from mixer.adapter.testing import running

EVERYBODY = (Subject(user="*"),)


def asked(user: str = "", groups: str = "", **words: Any) -> Authorization:
    properties = words.pop("subject", {})
    return Authorization(
        subject=Who(user=user, groups=groups, properties=properties), action=Action(**words)
    )


async def allows(config: RbacConfig, *questions: Authorization) -> list[bool]:
    async with running(Rbac, config) as handler:
        return [handler.check(question).code == 0 for question in questions]


def one_rule(rule: Rule, namespace: str = "", subjects: Any = EVERYBODY) -> RbacConfig:
    role = Role(namespace=namespace, rules=(rule,))
    return RbacConfig(roles={"r": role}, bindings=(Binding(role="r", subjects=subjects),))


async def test_without_bindings_nothing_is_allowed() -> None:
    async with running(Rbac, RbacConfig(cache_duration=Duration.of(5))) as handler:
        verdict = handler.check(asked("ann", service="a"))
    assert (verdict.code, verdict.message, verdict.valid_for) == (7, "RBAC: permission denied", 5)


async def test_all_that_a_rule_says_must_hold() -> None:
    rule = Rule(
        services=("reviews", "rat*"),
        methods=("GET", "HE*"),
        paths=("/books/*", "*/cover"),
        constraints=(Constraint(key="version", values=("v1", "v2*")),),
    )
    fine = {
        "namespace": "shop", "service": "reviews", "method": "GET", "path": "/books/1",
        "properties": {"version": "v1"},
    }  # fmt: skip
    questions = [
        fine,
        {**fine, "service": "ratings", "method": "HEAD", "path": "/x/cover"},
        {**fine, "properties": {"version": "v23"}},
        {**fine, "namespace": "other"},
        {**fine, "service": "review"},
        {**fine, "method": "POST"},
        {**fine, "path": "/"},
        {**fine, "properties": {"version": "v3"}},
        {**fine, "properties": {}},
    ]
    found = await allows(one_rule(rule, "shop"), *(asked("ann", **one) for one in questions))
    assert found == [True] * 3 + [False] * 6


@pytest.mark.parametrize(
    ("subject", "question", "is_one"),
    [
        (Subject(user="*"), asked(service="s"), True),
        (Subject(user="ann"), asked("ann", service="s"), True),
        (Subject(user="ann"), asked("anna", service="s"), False),
        (Subject(group="staff"), asked("ann", "dev, staff", service="s"), True),
        (Subject(group="staff"), asked("ann", "staffing", service="s"), False),
        (Subject(user="ann", group="staff"), asked("bob", "staff", service="s"), False),
        (Subject(properties={"ns": "back*"}), asked(service="s", subject={"ns": "backend"}), True),
        (Subject(properties={"ns": "back*"}), asked(service="s", subject={"ns": "front"}), False),
        (Subject(properties={"ns": "*"}), asked(service="s"), False),
        (Subject(properties={"n": "3"}), asked(service="s", subject={"n": 3}), True),
    ],
)
async def test_all_that_a_subject_says_must_hold(
    subject: Subject, question: Authorization, is_one: bool
) -> None:
    assert await allows(one_rule(Rule(services=("*",)), subjects=(subject,)), question) == [is_one]


async def test_a_permissive_binding_lets_nobody_in() -> None:
    config = RbacConfig(
        roles={"r": Role(rules=(Rule(services=("a",)),))},
        bindings=(Binding(role="r", subjects=EVERYBODY, mode=Mode.PERMISSIVE),),
    )
    assert await allows(config, asked(service="a")) == [False]


@given(
    st.sampled_from(["*", "a*", "*a", "ab", "", "*.local", "x.*"]),
    st.text(alphabet="abx.local", max_size=8),
)
def test_patterns_are_those_of_shells_with_a_star_at_one_end(written: str, value: str) -> None:
    assert pattern(written)(value) == fnmatchcase(value, written)


def test_what_is_wrong_is_told() -> None:
    config = RbacConfig(
        roles={"viewer": Role(rules=(Rule(services=(), constraints=(Constraint(key="k"),)),))},
        bindings=(Binding(role="viwer"), Binding(role="viewer", subjects=(Subject(),))),
        config_store_url="k8s://",
    )
    told = [(one.field, one.reason, one.suggestion) for one in Rbac.problems(config, [])]
    assert told == [
        (
            "config_store_url",
            "there is no store of roles",
            "write roles and bindings into the params, and remove it",
        ),
        ("roles.viewer.rules[0].services", "no service is named", "'*' means all"),
        (
            "roles.viewer.rules[0].constraints[0].values",
            "no value is named, so that nothing fits",
            "",
        ),
        ("bindings[0].role", "there is no role 'viwer'", "did you mean 'viewer'?"),
        (
            "bindings[1].subjects[0]",
            "says nothing, and would be everybody",
            "write `user: '*'` if that is meant",
        ),
    ]

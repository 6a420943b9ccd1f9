"""Values go into the JSON of cel.expr.Value and come back."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attributes import Duration, Timestamp
from mixer.expr.json_values import from_json, to_json
from mixer.expr.library.network import cidr
from mixer.expr.values import (
    NONE,
    Address,
    DnsName,
    Optional,
    TypeValue,
    Uint,
    canonical,
    key_of,
)

INT64 = st.integers(-(2**63), 2**63 - 1)
SCALARS = st.one_of(
    st.none(), st.booleans(), INT64, st.integers(0, 2**64 - 1).map(Uint), st.text(), st.binary(),
    st.floats(allow_nan=False), st.sampled_from(["int", "map"]).map(TypeValue),
    INT64.map(Duration), st.integers(-(10**18), 10**18).map(Timestamp),
)  # fmt: skip
KEYS = st.one_of(st.booleans(), INT64, st.text()).map(key_of)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_every_value_comes_back(value: Any) -> None:
    back = from_json(to_json(value))
    assert type(back) is type(value)
    assert canonical(back) == canonical(value)


@pytest.mark.parametrize(
    ("value", "json"),
    [
        (None, {"nullValue": None}),
        (5, {"int64Value": "5"}),
        (Uint(5), {"uint64Value": "5"}),
        (float("inf"), {"doubleValue": "Infinity"}),
        (float("nan"), {"doubleValue": "NaN"}),
        (b"\xff", {"bytesValue": "/w=="}),
        ((), {"listValue": {"values": []}}),
        (Timestamp(500_000_000), {"objectValue": {
            "@type": "type.googleapis.com/google.protobuf.Timestamp",
            "value": "1970-01-01T00:00:00.5Z"}}),
        (Duration(-1_500_000_000), {"objectValue": {
            "@type": "type.googleapis.com/google.protobuf.Duration", "value": "-1.5s"}}),
        (Address(bytes([10, 0, 0, 1])), {"stringValue": "10.0.0.1"}),
        (DnsName("a.b"), {"stringValue": "a.b"}),
        (cidr("10.0.0.0/8"), {"stringValue": "10.0.0.0/8"}),
        (Optional(1), {"int64Value": "1"}),
        (NONE, {"nullValue": None}),
    ],
)  # fmt: skip
def test_a_value_has_this_json(value: Any, json: dict[str, Any]) -> None:
    assert to_json(value) == json


@pytest.mark.parametrize(
    ("json", "value"),
    [
        ({"int64Value": 5}, 5),
        ({"doubleValue": 2}, 2.0),
        ({"doubleValue": "1.5"}, 1.5),
        ({"listValue": {}}, ()),
        ({"mapValue": {}}, {}),
        ({"nullValue": "NULL_VALUE"}, None),
        ({"uint64Value": 5}, Uint(5)),
        ({"doubleValue": "1e3"}, 1000.0),
        ({"bytesValue": "_w"}, b"\xff"),
        ({"mapValue": {"entries": [{"key": {"stringValue": "k"}}]}}, {"k": None}),
    ],
)
def test_other_ways_of_proto3_json_are_read(json: dict[str, Any], value: Any) -> None:
    found = from_json(json)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("json", "error"),
    [
        (5, "value: expected an object with one key"),
        ({}, "value: expected an object with one key"),
        ({"int64Value": "x"}, "value.int64Value: 'x' is no int"),
        ({"int64Value": "1_0"}, "value.int64Value: '1_0' is no int"),
        ({"int64Value": "9" * 5000}, "value.int64Value: "),
        ({"int64Value": "9223372036854775808"}, "value.int64Value: integer overflow"),
        ({"int64Value": True}, "value.int64Value: True is no such value"),
        ({"uint64Value": "-1"}, "value.uint64Value: '-1' is no uint"),
        ({"uint64Value": -1}, "value.uint64Value: unsigned integer overflow"),
        ({"doubleValue": "nan"}, "value.doubleValue: 'nan' is no double"),
        ({"doubleValue": 10**400}, "value.doubleValue: int too large"),
        ({"nullValue": False}, "value.nullValue: False is no such value"),
        ({"stringValue": "\ud800"}, "value.stringValue: "),
        ({"bytesValue": "?"}, "value.bytesValue: "),
        ({"listValue": 5}, 'value.listValue: expected {"values": [...]}'),
        ({"listValue": {"values": [{"x": 1}]}}, "value.listValue.values[0].x: 1 is no such value"),
        ({"mapValue": {"entries": [5]}}, "value.mapValue.entries[0]: expected"),
        ({"mapValue": {"entries": [{"key": {"doubleValue": 1}}]}}, "key: a double can't"),
        ({"mapValue": {"entries": [{"key": {"int64Value": "x"}}]}},
         "value.mapValue.entries[0].key.int64Value: 'x' is no int"),
        ({"mapValue": {"entries": [{"key": {"int64Value": "1"}}, {"key": {"uint64Value": "1"}}]}},
         "value.mapValue.entries[1].key: the map has the key 1u twice"),
        ({"objectValue": {"@type": "a.B", "value": ""}}, "messages of type 'a.B' are no values"),
        ({"objectValue": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "5"}},
         "'5' is no duration"),
        ({"objectValue": {"@type": "type.googleapis.com/google.protobuf.Duration",
                          "value": "--5s"}}, "'--5s' is no duration"),
        ({"objectValue": {"@type": "type.googleapis.com/google.protobuf.Timestamp",
                          "value": "0000-01-01T00:00:00Z"}}, "is not a time"),
    ],
)  # fmt: skip
def test_what_is_no_value_is_named(json: Any, error: str) -> None:
    with pytest.raises(ValueError, match=re.escape(error)) as raised:
        from_json(json)
    assert str(raised.value).count("value.") <= 1


def test_depth_and_size_are_bounded() -> None:
    deep: dict[str, Any] = {"nullValue": None}
    for _ in range(200):
        deep = {"listValue": {"values": [deep]}}
    with pytest.raises(ValueError, match="nested deeper than 100"):
        from_json(deep)
    nested: Any = ()
    for _ in range(5_000):
        nested = (nested,)
    with pytest.raises(ValueError, match="nested deeper than 100"):
        to_json(nested)
    with pytest.raises(ValueError, match="more than 100000 parts"):
        from_json({"listValue": {"values": [{"nullValue": None}] * 100_000}})
    shared: Any = ()
    for _ in range(40):
        shared = (shared, shared)
    with pytest.raises(ValueError, match="more than 100000 parts"):
        to_json(shared)

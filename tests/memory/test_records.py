"""Tables: records of handlers that all workers share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer.adapter import TableFull
from mixer.memory.memory import allocate
from mixer.memory.records import Records, RecordTable

BYTES = 1 << 20
FOREVER = float("inf")


@pytest.fixture
def file() -> Iterator[int]:
    made = allocate(BYTES)
    yield made
    os.close(made)


def opened(records: Records, identity: str = "handler") -> RecordTable:
    table = records.open(identity)
    assert table is not None
    return table


def put(table: RecordTable, key: bytes, record: bytes, expires: float = FOREVER) -> None:
    with table:
        table.put(key, record, expires=expires, now=0.0)


def get(table: RecordTable, key: bytes) -> bytes | None:
    with table:
        return table.get(key)


KEYS = st.sampled_from([b"", b"a", b"b", b"eight___", b"k" * 300, b"k" * 301, b"x" * 256])


@given(
    st.lists(
        st.tuples(
            st.integers(0, 1), st.sampled_from("abc"), KEYS, st.none() | st.binary(max_size=90)
        )
    )
)
def test_all_workers_see_a_handlers_records_and_no_other_handler_does(
    changes: list[tuple[int, str, bytes, bytes | None]],
) -> None:
    file = allocate(BYTES)
    workers = [Records(file, number) for number in range(2)]
    tables = [{name: opened(one, name) for name in "abc"} for one in workers]
    expected: dict[tuple[str, bytes], bytes] = {}
    for worker, name, key, record in changes:
        with tables[worker][name] as table:
            assert table.get(key) == expected.get((name, key))
            if record is None:
                table.drop(key)
                expected.pop((name, key), None)
            else:
                table.put(key, record, expires=FOREVER, now=0.0)
                expected[name, key] = record
            assert table.get(key) == record
    for (name, key), record in expected.items():
        assert get(tables[0][name], key) == get(tables[1][name], key) == record
    assert len(workers[0]) == len(expected)
    for one in workers:
        one.close()
    os.close(file)


def test_an_exception_takes_back_what_was_put(file: int) -> None:
    table = opened(Records(file))
    put(table, b"a", b"1")

    def fail() -> None:
        with table:
            table.put(b"a", b"2", expires=FOREVER, now=0.0)
            table.put(b"b", b"3", expires=FOREVER, now=0.0)
            table.drop(b"a")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (get(table, b"a"), get(table, b"b")) == (b"1", None)


def test_expired_records_make_room_for_new_ones(file: int) -> None:
    records = Records(file, clock=lambda: 0.0)
    table = opened(records)
    put(table, b"stays", b"1")
    for number in range(20_000):
        with table:
            table.put(b"%d" % number, bytes(100), expires=number + 1.0, now=float(number))
    assert len(records) < 20
    assert records.refused == 0
    assert get(table, b"stays") == b"1"


def test_a_full_table_refuses_new_records_and_keeps_the_others(file: int) -> None:
    records = Records(file, clock=lambda: 0.0)
    table = opened(records)

    def fill() -> None:
        for number in range(100_000):
            put(table, b"%d" % number, bytes(1000))

    with pytest.raises(TableFull, match="all 1 MB shared by the workers are in use"):
        fill()
    assert records.refused == 1
    put(table, b"0", b"changed")
    assert get(table, b"0") == b"changed"
    with table:
        table.drop(b"0")
    put(table, b"another", bytes(1000))


def test_a_record_that_no_block_can_hold_is_refused(file: int) -> None:
    table = opened(Records(file))
    with pytest.raises(TableFull):
        put(table, b"a", bytes(70_000))
    assert get(table, b"a") is None


def test_a_table_lives_as_long_as_one_worker_has_it_open(file: int) -> None:
    one, two = Records(file, 1), Records(file, 2)
    first, second = opened(one), opened(two)
    put(first, b"a", b"1")
    one.release(first)
    first = opened(one)
    assert get(first, b"a") == b"1", "the other worker had it open"
    one.release(first)
    two.release(second)
    assert get(opened(one), b"a") is None


def test_a_table_opened_twice_by_one_worker_is_released_twice(file: int) -> None:
    records = Records(file)
    old, new = opened(records), opened(records)
    put(old, b"a", b"1")
    records.release(old)
    assert get(new, b"a") == b"1"
    records.release(new)
    assert get(opened(records), b"a") is None


def test_a_new_worker_takes_the_place_of_a_dead_one(file: int) -> None:
    put(opened(Records(file, 1)), b"a", b"1")
    other = opened(Records(file, 2))
    assert get(opened(Records(file, 1)), b"a") == b"1"
    assert get(other, b"a") == b"1"


def test_records_of_tables_that_are_gone_go_too(file: int) -> None:
    records = Records(file)
    for round in range(50):
        table = opened(records, f"version {round}")
        for number in range(100):
            put(table, b"%d" % number, bytes(100))
        records.release(table)
    assert len(records) < 1000
    assert records.refused == 0


def test_there_is_an_end_to_tables(file: int) -> None:
    records = Records(file)
    tables = [records.open(str(number)) for number in range(257)]
    assert None not in tables[:256]
    assert tables[256] is None

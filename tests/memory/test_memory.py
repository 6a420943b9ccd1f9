"""Shared memory: steps that are whole or nothing, whoever dies in them."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer.memory.memory import FIRST_WORD, JOURNAL_WORDS, Memory, allocate

WORDS = 64
SIZE = (FIRST_WORD + WORDS) * 8


@pytest.fixture
def file() -> Iterator[int]:
    made = allocate(SIZE)
    yield made
    os.close(made)


class Killed(BaseException):
    """Stands for the end of the process."""


class Dying(Memory):
    """Memory whose process dies after so many stores of words."""

    def die_after(self, stores: int) -> None:
        self.words = _Counted(self.words, stores)  # type: ignore[assignment]

    def __exit__(self, *_: object) -> None:
        """The dead do nothing more; the kernel has taken their lock."""


class _Counted:
    def __init__(self, words: memoryview, stores: int) -> None:
        self._words, self._left = words, stores

    def __getitem__(self, at: object) -> object:
        return self._words[at]  # type: ignore[index]

    def __setitem__(self, at: object, value: object) -> None:
        if not self._left:
            if isinstance(at, slice):  # a word is stored at once, several are not
                half = (at.start + at.stop) // 2
                self._words[at.start : half] = value[: half - at.start]  # type: ignore[index]
            raise Killed
        self._left -= 1
        self._words[at] = value  # type: ignore[index]


CHANGES = st.lists(
    st.tuples(st.integers(0, WORDS - 4), st.one_of(st.integers(-9, 9), st.binary(max_size=32))),
    max_size=12,
)


def change(memory: Memory, changes: list[tuple[int, int | bytes]]) -> None:
    for at, value in changes:
        if isinstance(value, int):
            memory.put(FIRST_WORD + at, value)
        else:
            memory.put_bytes(FIRST_WORD + at, value)


@given(before=CHANGES, changes=CHANGES, stores=st.integers(0, 60), again=st.integers(0, 30))
def test_a_step_whose_process_died_never_was(
    before: list[tuple[int, int | bytes]],
    changes: list[tuple[int, int | bytes]],
    stores: int,
    again: int,
) -> None:
    file = allocate(SIZE)
    memory = Memory(file)
    with memory:
        change(memory, before)
    was = bytes(memory.bytes[FIRST_WORD * 8 :])
    died = False
    for dies_after, work in ((stores, changes), (again, [])):
        dying = Dying(file)
        dying.die_after(dies_after)
        try:
            with dying:
                change(dying, work)
        except Killed:
            died = True
    with memory:
        assert bytes(memory.bytes[FIRST_WORD * 8 :]) == was or not died
    os.close(file)


def test_an_exception_takes_the_step_back(file: int) -> None:
    memory = Memory(file)

    def fail() -> None:
        with memory:
            memory.put(FIRST_WORD, 7)
            memory.put_bytes(FIRST_WORD + 1, b"whatever")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not any(memory.words[FIRST_WORD:])
    assert memory.recoveries == 0


def test_a_step_larger_than_the_journal_fails_whole(file: int) -> None:
    memory = Memory(file)

    def overflow(last: bytes) -> None:
        with memory:
            for _ in range(JOURNAL_WORDS // 3):
                memory.put(FIRST_WORD, 7)
            memory.put_bytes(FIRST_WORD, last)
            memory.put(FIRST_WORD, 7)

    for last in (b"", bytes(8 * WORDS)):
        with pytest.raises(MemoryError):
            overflow(last)
    assert memory.words[FIRST_WORD] == 0


def count_to(file: int, number: int) -> None:
    memory = Memory(file)
    for _ in range(number):
        with memory:
            memory.put(FIRST_WORD, memory.words[FIRST_WORD] + 1)


def die_in_a_step(file: int) -> None:
    memory = Memory(file)
    with memory:
        memory.put(FIRST_WORD, 7)
        os.kill(os.getpid(), 9)


def run(*calls: tuple[object, tuple[object, ...]]) -> list[int | None]:
    """Run the calls in processes of their own, at once; return their exit codes."""
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=target, args=args) for target, args in calls]  # type: ignore[arg-type]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    return [process.exitcode for process in processes]


def test_processes_change_it_one_at_a_time(file: int) -> None:
    assert run(*[(count_to, (file, 2000))] * 4) == [0] * 4
    assert Memory(file).words[FIRST_WORD] == 8000


def test_the_lock_of_a_killed_process_is_free_and_its_step_taken_back(file: int) -> None:
    assert run((die_in_a_step, (file,))) == [-9]
    memory = Memory(file)
    assert memory.words[FIRST_WORD] == 7
    with memory:
        assert memory.words[FIRST_WORD] == 0
    assert memory.recoveries == 1

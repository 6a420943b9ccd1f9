"""
The workers of a server, as the front sees them: started, watched, replaced, asked, stopped.

Law: there is one process for each number from the start to the stop; one that ends is replaced,
at once after a good life, later and later after short ones.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any, Protocol

from structlog.typing import FilteringBoundLogger

from mixer.errors import StartError
from mixer.server.workers.door import hand_over
from mixer.server.workers.line import Hung, Line
from mixer.server.workers.seat import VARIABLE, Seat

GOOD_LIFE_SECONDS = 10.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 10.0
ASK_SECONDS = 5.0


class Office(Protocol):
    """What workers may ask of the front, and what it hears of them."""

    async def expose(self, worker: int, host: str, port: int) -> int:
        """Serve what workers show at an address; return its port. Raises OSError."""

    async def conceal(self, worker: int, host: str, port: int) -> None:
        """A worker shows nothing there any more."""

    def ended(self, worker: int, answers: Mapping[tuple[Any, ...], str]) -> None:
        """A worker has ended; these were its last *answers*, by question and arguments."""


class Worker:
    """One process, from the start to the end."""

    def __init__(self, number: int, process: subprocess.Popen[bytes], door: socket.socket) -> None:
        self.number = number
        self.process = process
        self.door = door
        self.line: Line
        self.ready = False
        self.failure = ""
        """Why it can't start, if it can't."""

        self.answers: dict[tuple[Any, ...], str] = {}
        """The last answer to each question."""


class Crew:
    """All workers; used on the event loop."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        count: int,
        memory: int,
        office: Office,
        log: FilteringBoundLogger,
    ) -> None:
        """Run *command* *count* times; *memory* is the file that the workers share."""
        self._command = command
        self._environment = environment
        self._count = count
        self._memory = memory
        self._office = office
        self._log = log
        self._stopping = asyncio.Event()
        self._workers: dict[int, Worker] = {}
        self._turn = 0
        self._waiters = ThreadPoolExecutor(count, "waiter")
        self._filling: list[asyncio.Task[None]] = []
        self._begun: list[asyncio.Future[None]] = []
        self.replaced = [0] * count
        """How often the worker of each number was replaced."""

    async def start(self) -> None:
        """Have all workers ready. Raises StartError, with none left, where one can't start."""
        loop = asyncio.get_running_loop()
        self._begun = [loop.create_future() for _ in range(self._count)]
        self._filling = [asyncio.create_task(self._fill(seat)) for seat in range(self._count)]
        try:
            await asyncio.gather(*self._begun)
        except BaseException:
            await self.kill()
            raise

    @property
    def ready(self) -> list[Worker]:
        """The workers that serve, by number."""
        return [worker for _, worker in sorted(self._workers.items()) if worker.ready]

    @property
    def working(self) -> list[Worker]:
        """The workers that have a process, by number."""
        return [worker for _, worker in sorted(self._workers.items())]

    def hand_over(self, connection: socket.socket) -> bool:
        """Give a connection to the worker whose turn it is; False where none takes it."""
        for _ in range(self._count):
            worker = self._workers.get(self._turn)
            self._turn = (self._turn + 1) % self._count
            if worker is not None and worker.ready and hand_over(worker.door, connection):
                return True
        return False

    async def ask(self, question: str, *arguments: Any) -> list[str]:
        """
        Ask all workers. One that ends over the question answers what it said last.

        Raises OSError or TimeoutError where one does not answer.
        """
        asked = (self._ask(worker, question, *arguments) for worker in self.working)
        return await asyncio.gather(*asked)

    async def _ask(self, worker: Worker, question: str, *arguments: Any) -> str:
        try:
            answer: str = await worker.line.ask(question, *arguments, timeout=ASK_SECONDS)
        except Hung:
            return worker.answers.get((question, *arguments), "")
        worker.answers[question, *arguments] = answer
        return answer

    async def stop(self, seconds: float) -> None:
        """Let all workers drain, and kill those that take longer than *seconds*."""
        self._stopping.set()
        for worker in self.working:
            try:
                await worker.line.ask("drain", timeout=ASK_SECONDS)
            except (OSError, TimeoutError):
                continue  # it has ended, or it will be killed
        _, late = await asyncio.wait(self._filling, timeout=seconds)
        if late:
            self._log.error("workers did not stop and are killed", workers=len(late))
        await self.kill()

    async def kill(self) -> None:
        """End all workers at once."""
        self._stopping.set()
        for worker in self.working:
            worker.process.kill()
        await asyncio.gather(*self._filling, return_exceptions=True)

    async def _fill(self, seat: int) -> None:
        """Keep a process on a *seat*."""
        pause = 0.0
        while True:
            started = monotonic()
            worker = self._spawn(seat)
            status = await self._live(worker)
            if self._stopping.is_set() or not self._begun[seat].done():
                why = worker.failure or f"worker {seat} ended with status {status} as it started"
                if not self._begun[seat].done():
                    self._begun[seat].set_exception(StartError(why))
                return
            self._log.error(
                "a worker ended and is replaced",
                worker=seat,
                pid=worker.process.pid,
                status=status,
                error=worker.failure,
                pause=pause,
            )
            self.replaced[seat] += 1
            short = monotonic() - started < GOOD_LIFE_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            pause = min(max(2 * pause, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS) if short else 0
            if self._stopping.is_set():
                return

    def _spawn(self, seat: int) -> Worker:
        line, their_line = socket.socketpair()
        door, their_door = socket.socketpair()
        door.setblocking(False)
        files = (their_line.fileno(), their_door.fileno(), self._memory)
        try:
            process = subprocess.Popen(
                self._command,
                pass_fds=files,
                env={**self._environment, VARIABLE: str(Seat(seat, self._count, *files))},
            )
        finally:
            their_line.close()
            their_door.close()
        worker = Worker(seat, process, door)
        worker.line = Line(line, self._answers(worker))
        self._workers[seat] = worker
        return worker

    def _answers(self, worker: Worker) -> dict[str, Callable[..., Any]]:
        async def ready(is_ready: bool) -> None:
            worker.ready = is_ready
            if is_ready and not self._begun[worker.number].done():
                self._begun[worker.number].set_result(None)

        async def leaving() -> None:
            worker.ready = False

        async def failed(why: str) -> None:
            worker.failure = why

        return {
            "ready": ready,
            "leaving": leaving,
            "failed": failed,
            "expose": partial(self._office.expose, worker.number),
            "conceal": partial(self._office.conceal, worker.number),
        }

    async def _live(self, worker: Worker) -> int:
        """See a worker through to its end; return its status."""
        await worker.line.open()
        listening = asyncio.create_task(worker.line.listen())
        # Not asyncio's own processes: their kill and their wait race for the status.
        loop = asyncio.get_running_loop()
        status = await loop.run_in_executor(self._waiters, worker.process.wait)
        await listening  # all it said is heard, such as why it failed
        worker.door.close()
        del self._workers[worker.number]
        self._office.ended(worker.number, worker.answers)
        return status

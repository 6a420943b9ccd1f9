"""What is in force at one time; immutable but for the count of calls that use it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from mixer.config.model import Key
from mixer.rules.folding import Folding, plain_folds
from mixer.rules.routes import Routes
from mixer.runtime.handlers import OpenHandler
from mixer.runtime.plan import Plan
from mixer.wire.fold import Folder


class Snapshot:
    """One configuration with its open handlers; a call enters it and leaves it."""

    __slots__ = (
        "_calls",
        "_left",
        "folder",
        "folding",
        "folds",
        "handlers",
        "id",
        "plan",
        "routes",
    )

    def __init__(
        self,
        number: int,
        plan: Plan,
        routes: Routes,
        folding: Folding | None,
        handlers: Mapping[Key, OpenHandler],
    ) -> None:
        self.id = number
        self.plan = plan
        self.routes = routes
        self.folder = None if folding is None else Folder(folding)
        """Folds the bags of a Report, where that can be done."""
        self.folding = folding
        self.folds = None if folding is None else plain_folds(folding)
        """The same for sources that are no messages of a Report."""
        self.handlers = handlers
        self._calls = 0
        self._left: asyncio.Event | None = None
        """Set when the last call leaves, while somebody waits for that."""

    def __enter__(self) -> Routes:
        self._calls += 1
        return self.routes

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._calls -= 1
        if self._left is not None and not self._calls:
            self._left.set()

    async def idle(self, seconds: float) -> bool:
        """Wait until no call uses this snapshot; False where that takes longer than *seconds*."""
        if not self._calls:
            return True
        self._left = asyncio.Event()
        try:
            async with asyncio.timeout(seconds):
                await self._left.wait()
        except TimeoutError:
            return False
        return True

    def describe(self) -> dict[str, Any]:
        """The snapshot as JSON, for people."""
        model = self.plan.model
        return {
            "id": self.id,
            "rules": [
                {
                    "name": str(rule.key),
                    "place": str(rule.place),
                    "match": rule.match.text,
                    "mode": rule.mode.value,
                    "priority": rule.priority,
                    "actions": [
                        {
                            "handler": action.handler.title,
                            "instances": [instance.name for instance in action.instances],
                        }
                        for action in rule.actions
                    ],
                }
                for rule in model.rules
            ],
            "handlers": [
                {
                    "name": handler.config.title,
                    "adapter": handler.config.adapter.name,
                    "place": str(handler.config.place),
                    "state": _state(handler),
                    "error": handler.error,
                    "instances": [shape.name for shape in handler.shapes],
                }
                for handler in self.handlers.values()
            ],
            "instances": [instance.name for instance in model.instances],
            "attributes": len(model.vocabulary),
            "problems": [problem.as_json() for problem in self.plan.problems],
            "keptLastGood": [str(key) for key in self.plan.kept],
        }


def _state(handler: OpenHandler) -> str:
    if handler.adapter is None:
        return "failed"
    return "serving its last good config" if handler.error else "serving"

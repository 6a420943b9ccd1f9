"""An open adapter as it is called: verbs that wait behind a guard, reports by way of a queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from structlog.typing import FilteringBoundLogger

from mixer.adapter.base import Adapter, waits
from mixer.adapter.tasks import Tasks
from mixer.adapter.template import Instance
from mixer.config.model import Handler
from mixer.runtime.delivery import Delivery
from mixer.runtime.guard import Guard
from mixer.telemetry.metrics import Metrics

REPEATABLE = ("check", "check_with_output", "generate")
"""Verbs that may be called again for the same thing; an allocation might count twice."""


class Hosted:
    """One open adapter."""

    def __init__(
        self,
        adapter: Adapter[Any],
        config: Handler,
        tasks: Tasks,
        clock: Callable[[], float],
        metrics: Metrics,
        log: FilteringBoundLogger,
    ) -> None:
        self.adapter = adapter
        self.tasks = tasks
        self._deliveries: list[Delivery] = []
        hosting, title = config.hosting, config.title
        guard = Guard(hosting, clock, metrics.guard(title))
        queue = hosting.queue or adapter.queue(adapter.config)

        def hosted(template: type[Instance], name: str) -> Callable[..., Any]:
            verb: Callable[..., Any] = getattr(adapter, name)
            if name == "report" and queue is not None and queue.size:
                meter = metrics.delivery(template.template, title)
                delivery = Delivery(verb, hosting, queue, clock, meter, log)
                self._deliveries.append(delivery)
                return delivery.put
            return guard.around(verb, again=name in REPEATABLE) if waits(verb) else verb

        self.verbs: Mapping[type[Instance], Callable[..., Any]] = {
            template: hosted(template, name) for template, name in adapter.verbs.items()
        }
        """What to call for each template; those that are no coroutine functions do not wait."""

    async def close(self) -> None:
        """Deliver what waits, then close the adapter."""
        for delivery in self._deliveries:
            await delivery.close()
        await self.adapter.close()

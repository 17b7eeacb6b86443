"""A campaign's fixed prompts are made before its first call, and for that long it does not dial: HOLD_S at most.

start ─▶ render ─▶ "rendering 12 of 40" ─▶ made, failed or HOLD_S over ─▶ dial (what is left is made meanwhile)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from engine.rules.campaign import Campaign
from engine.rules.why import Why

log = logging.getLogger(__name__)

HOLD_S = 60.0

Render = Callable[[int, Sequence[int], Callable[[int, int], None]], Awaitable[None]]
"""(project, scenarios, told of done and total): returns when all is made that can be."""


class Ahead:
    """`why`: what a campaign waits for; None: it may dial. `changed` is called when that becomes None. `filled`: its
    queue is complete."""

    def __init__(self, render: Render | None, changed: Callable[[], None], *, filled: bool = True) -> None:
        self.filled = filled
        self._render = render
        self._changed = changed
        self.why: Why | None = None if render is None else Why("rendering", {"done": 0, "total": 0})

    async def run(self, campaign: Campaign) -> None:
        if self._render is None:
            return
        held = asyncio.get_running_loop().call_later(HOLD_S, self._go)
        scenarios = (campaign.scenario_id, *(scenario for scenario, _ in campaign.variants))
        try:
            await self._render(campaign.project_id, scenarios, self._tell)
        except Exception as error:  # noqa: BLE001 - around one campaign: its calls say what is wrong, each for itself
            log.warning("prompts are not ready", extra={"campaign": campaign.id, "error": type(error).__name__})
        finally:
            held.cancel()
            self._go()

    def _tell(self, done: int, total: int) -> None:
        if self.why is not None:
            self.why = Why("rendering", {"done": done, "total": total})

    def _go(self) -> None:
        if self.why is not None:
            self.why = None
            self._changed()

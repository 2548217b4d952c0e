"""Simulated people living now: sources report, people ask for tips through the API and react to what they are shown."""

import asyncio
import heapq
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import httpx
from numpy.random import Generator

from contracts.codec import encode
from contracts.envelope import Message
from contracts.errors import TipstreamError
from contracts.events.person import FeedbackReceived
from contracts.times import DAY_US, HOUR_US, SECOND_US, format_time
from services.demo.days import day_of, observed, token_expires_us
from services.demo.people import Person
from services.demo.reactions import Heart, Reaction, Shelf
from services.publishing import new_id, now_us

SOURCE = "/tipstream/demo"
HURRY = 30
"""How much sooner people react than in the history: who watches a demo does not wait for an hour."""

WISHES = 0.45
"""The share of turns in which somebody asks for a tip; in the others a source reports."""

OVER_NATS = 0.25
"""The share of reactions published on NATS instead of posted."""

ACK_S = 5.0
PAUSE_S = 1.0

log = logging.getLogger(__name__)


class SystemAway(TipstreamError):
    """The API cannot answer at the moment; the people wait and try something else later."""


class Bus(Protocol):
    """The stream, as a producer of feedback needs it."""

    async def publish(self, message: Message, *, timeout: float | None = None) -> object: ...


class Life:
    """A crowd acting `rate` times a second against the API behind `http`, which carries the key."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        bus: Bus,
        crowd: Sequence[Person],
        shelf: Shelf,
        chance: Generator,
        *,
        rate: float = 3.0,
        clock: Callable[[], int] = now_us,
    ) -> None:
        self._http, self._bus = http, bus
        self._crowd, self._shelf = crowd, shelf
        self._hearts: dict[str, Heart] = {}
        self._chance, self._rate, self._clock = chance, rate, clock
        self._due: list[tuple[float, int, Callable[[], Awaitable[None]]]] = []
        self._places = 0
        self._trouble: str | None = None
        self.counts: Counter[str] = Counter()

    async def run(self) -> None:
        """Live until cancelled; while the system is away, wait for it."""
        loop = asyncio.get_running_loop()
        self._later(0.0, self._turn)
        while True:
            at, _, act = heapq.heappop(self._due)
            await asyncio.sleep(max(0.0, at - loop.time()))
            try:
                await act()
                self._trouble = None
            except (httpx.TransportError, TipstreamError) as problem:
                if self._trouble is None:
                    log.warning("the demo waits: %s", problem or type(problem).__name__)
                self._trouble = str(problem)
                self.counts["failed"] += 1
                await asyncio.sleep(PAUSE_S)

    def _later(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        self._places += 1
        heapq.heappush(self._due, (asyncio.get_running_loop().time() + seconds, self._places, act))

    async def _turn(self) -> None:
        self._later(float(self._chance.exponential(1.0 / self._rate)), self._turn)
        now = self._clock()
        person = self._somebody(now)
        if self._chance.random() < WISHES or not person.sources:
            await self._wish(person, now)
        else:
            await self._report(person, now)

    def _somebody(self, now: int) -> Person:
        """Someone who is awake; at night, when few are, anyone."""
        hour = now % DAY_US / HOUR_US
        awake = [person for person in self._crowd if person.wakes <= hour < person.sleeps]
        among = awake if len(awake) * 5 > len(self._crowd) else self._crowd
        return among[int(self._chance.integers(len(among)))]

    async def _report(self, person: Person, now: int) -> None:
        source = person.sources[int(self._chance.integers(len(person.sources)))]
        expires = token_expires_us(person, source, now)
        if expires is None:
            return
        values = observed(source, day_of(person, now // DAY_US).truth(now), self._chance)
        body = {
            "user_id": person.user_id,
            "source": source.name,
            "values": values,
            "observed_at": format_time(now),
            "token_expires_at": format_time(expires),
        }
        await self._post("/v1/signals", body)
        self.counts["signals"] += 1

    async def _wish(self, person: Person, now: int) -> None:
        answer = await self._post("/v1/recommendations", {"user_id": person.user_id, "context": {}})
        self.counts["tips"] += 1
        truth = day_of(person, now // DAY_US).truth(now)
        tip_id = answer["tips"][0]["tip_id"]
        heart = self._heart(person)
        # A tip that was published after the demo began leaves everybody indifferent.
        known = tip_id in self._shelf.tip_ids
        utility = float(heart.utilities(truth)[self._shelf.at(tip_id)]) if known else 0.0
        reactions = heart.reactions(utility, self._chance)
        for reaction in reactions:
            self._later(reaction.after_us / SECOND_US / HURRY, self._telling(person, answer["decision_id"], reaction))

    def _heart(self, person: Person) -> Heart:
        if person.user_id not in self._hearts:
            self._hearts[person.user_id] = Heart(person, self._shelf)
        return self._hearts[person.user_id]

    def _telling(self, person: Person, decision_id: str, reaction: Reaction) -> Callable[[], Awaitable[None]]:
        async def tell() -> None:
            event = FeedbackReceived(
                user_id=person.user_id,
                action=reaction.action,
                decision_id=decision_id,
                occurred_at=self._clock(),
            )
            if self._chance.random() < OVER_NATS:
                await self._bus.publish(encode(event, event_id=new_id(), source=SOURCE), timeout=ACK_S)
            else:
                await self._post("/v1/feedback", event.model_dump(mode="json", exclude_none=True))
            self.counts["feedback"] += 1

        return tell

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self._http.post(path, json=body)
        if answer.is_error:
            raise SystemAway(f"{path} answered {answer.status_code}: {answer.text[:300]}")
        found: dict[str, Any] = answer.json()
        return found

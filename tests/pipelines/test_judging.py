"""A prior is judged under the policy that is live, as it decides."""

import numpy as np

from contracts.envelope import Message
from contracts.events.admin import PolicyPromoted
from contracts.feature_sets import CURRENT, DIMENSIONS
from ml.pipelines import steps
from ml.pipelines.prior import Fit
from ml.pipelines.run import Run
from services.bus.memory import MemoryBus
from tests.folds.log import DECODER
from tests.pipelines.lives import gathered, life
from tests.waiting import ManualClock


async def test_what_was_never_set_has_the_default_of_the_live_policy(memory_bus: MemoryBus, clock: ManualClock) -> None:
    log = life().log
    log.admin(PolicyPromoted(policy="epsilon_greedy", reason="test"))
    # What is signed may not be far ahead of the stream.
    clock.now_ns = log.now_us * 1000
    await memory_bus.publish_all([Message(one.subject, dict(one.headers), one.data) for one in log.records])
    d = DIMENSIONS[CURRENT]
    fit = Fit(CURRENT, np.eye(d), np.zeros(d), 1.0, 9, {})
    run = Run("prior", "2026-01-01T00:00:00Z", log.seq, 0, 7, "day", True, "code")
    judged = await steps.judge(memory_bus, DECODER, run, gathered(log), fit, lambda done, all_of_it: None)
    assert judged.target.startswith("epsilon_greedy with lambda 1, epsilon 0.1, gamma 1,")

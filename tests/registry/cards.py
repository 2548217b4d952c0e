"""A whole card and its prior, made by hand, and a version of a model made of them."""

import httpx
import numpy as np

from contracts.feature_sets import CURRENT, DIMENSIONS
from ml.registry.card import Card, Check, Estimate, Figure, Group, Input, Offline, Window
from ml.registry.registry import Registry, StoredPrior, digest_of


def stored(strength: float = 2.0) -> StoredPrior:
    """A prior that likes what the first feature stands for."""
    d = DIMENSIONS[CURRENT]
    a0, b0 = strength * np.eye(d), np.eye(1, d)[0] / 3
    return StoredPrior(CURRENT, digest_of(a0, b0), a0, b0)


def whole(prior: StoredPrior, name: str = "prior", *, passed: bool = True) -> Card:
    """A card that lacks nothing."""
    earned = Figure(value=0.3, low=0.2, high=0.4, decisions=500)
    return Card(
        name=name,
        purpose="A test.",
        feature_set=CURRENT,
        digest=prior.digest,
        code="0123456789abcdef",
        seed=7,
        inputs=[Input(name="bias", description="1", sources=[])],
        window=Window(
            stream="2026-01-01T00:00:00Z", first_seq=1, last_seq=2, since="2026-01-01", until="2026-01-02",
            decisions=2000, reactions=900, people=30, held_out=500, judged_upto=3, young=False, digest="d" * 64,
        ),
        offline=Offline(
            kappa=10.0, error=0.1, neutral_error=0.2, newcomer_error=0.1, neutral_newcomer_error=0.3,
            target="linucb", earned=earned,
            estimates=[
                Estimate(estimator="DR", figure=earned), Estimate(estimator="replay", figure=None, refusal="no"),
            ],
        ),
        groups=[
            Group(
                label="people: cold", decisions=500, reactions=90, error=0.1, neutral_error=0.2, earned=earned,
                estimate=None,
            )
        ],
        checks=[Check(name="people: foretold no worse", passed=passed, said="error changes by -0.1")],
        limits=["It is made by hand."],
    )  # fmt: skip


async def registered(
    mlflow_url: str,
    name: str,
    prior: StoredPrior | None = None,
    *,
    passed: bool = True,
    changes: dict[str, object] | None = None,
) -> str:
    """The id of a version in a running MLflow, its card whole but for the changes."""
    prior = prior or stored()
    card = whole(prior, name, passed=passed).model_copy(update=changes or {})
    async with httpx.AsyncClient(base_url=mlflow_url) as client:
        return (await Registry(client).register(prior, card, {"digest": prior.digest}, {"error": 0.1})).id

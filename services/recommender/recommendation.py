"""What a caller asks for and what it is told: one tip for one person now, with alternatives when asked for."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from contracts.events.base import Count, Id, Part
from contracts.events.person import MAX_CANDIDATES


class RecommendationRequest(Part):
    """`context` may hold `now` (RFC 3339; its offset tells morning from evening) and signals that the caller knows
    better, flat as in `{"steps": 5000}` or whole under `signals`; `candidates` narrows the catalog."""

    user_id: Id
    context: dict[str, Any] = Field(default_factory=dict)
    candidates: Annotated[list[Id], Field(min_length=1, max_length=MAX_CANDIDATES)] | None = None
    n: Annotated[int, Field(ge=1, le=100)] = 1
    decision_id: Id | None = Field(default=None, description="the same id gives the same answer")
    min_seq: Count | None = Field(
        default=None, description="the seq of one's own event: the answer knows everything up to it"
    )


class RecommendedTip(BaseModel):
    """A tip with its score = mean + bonus under the policy that chose."""

    tip_id: str
    title: str
    score: float
    mean: float
    bonus: float


class Recommendation(BaseModel):
    """`tips[0]` is the decision, made with `propensity`; the others are alternatives, best first.

    `logged` is false while the decision waits in the scorer's outbox; `ignored` are the paths in the caller's context
    that no feature reads, `missing` the features that were imputed and `stale_sources` the sources to renew.
    """

    model_config = ConfigDict(extra="forbid")

    decision_id: str
    policy: str
    tips: list[RecommendedTip]
    propensity: float
    state_version: int
    logged: bool
    missing: list[str] = Field(default_factory=list)
    stale_sources: list[str] = Field(default_factory=list)
    ignored: list[str] = Field(default_factory=list)

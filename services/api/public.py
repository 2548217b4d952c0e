"""The public routes: signals and feedback in, recommendations out; each needs the API key."""

from fastapi import APIRouter, Depends

from contracts.events.person import FeedbackReceived, SignalObserved
from services.api.errors import PROBLEMS
from services.api.intake import Accepted, take_feedback, take_signal
from services.api.parts import PartsOf, Trace
from services.auth import require_key
from services.recommender.recommendation import Recommendation, RecommendationRequest

router = APIRouter(prefix="/v1", tags=["public"], dependencies=[Depends(require_key)], responses=PROBLEMS)


@router.post("/signals", status_code=202)
async def post_signal(signal: SignalObserved, parts: PartsOf, trace: Trace) -> Accepted:
    """Values that a source observed; 202 once the stream has them."""
    return await take_signal(parts.link, signal, trace)


@router.post("/feedback", status_code=202)
async def post_feedback(feedback: FeedbackReceived, parts: PartsOf, trace: Trace) -> Accepted:
    """What a person did with a tip; 202 once the stream has it. Pass its `seq` on as `min_seq` to read it back."""
    return await take_feedback(parts.link, feedback, trace)


@router.post("/recommendations")
async def post_recommendation(request: RecommendationRequest, parts: PartsOf, trace: Trace) -> Recommendation:
    """One tip for one person now, with `n - 1` alternatives."""
    return await parts.recommender.recommend(request, trace)

"""All admin routes under `/api/admin`, each behind the admin gate."""

from fastapi import APIRouter, Depends

from services.api.admin import (
    accounts,
    actions,
    cards,
    dead_letters,
    decisions,
    erasures,
    evaluation,
    events,
    experiment_orders,
    experiment_results,
    experiments,
    features,
    links,
    model_shadows,
    models,
    policies,
    promotions,
    quality,
    replays,
    rewards,
    saved_queries,
    shadow_orders,
    sql,
    status,
    tips,
    users,
    versions,
    why,
)
from services.api.admin.actor import require
from services.api.errors import ADMIN_PROBLEMS

router = APIRouter(
    prefix="/api/admin", tags=["admin"], dependencies=[Depends(require("view"))], responses=ADMIN_PROBLEMS
)
# A person's features stand before the person: any id matches in a path, slashes too.
for module in (
    status,
    accounts,
    actions,
    events,
    policies,
    tips,
    features,
    users,
    decisions,
    why,
    models,
    cards,
    promotions,
    model_shadows,
    shadow_orders,
    links,
    erasures,
    replays,
    versions,
    dead_letters,
    saved_queries,
    rewards,
    evaluation,
    quality,
    experiments,
    experiment_orders,
    experiment_results,
    sql,
):
    router.include_router(module.router)

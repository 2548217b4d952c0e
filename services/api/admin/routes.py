"""All admin routes under `/api/admin`, each behind the admin gate."""

from fastapi import APIRouter, Depends

from services.api.admin import (
    accounts,
    dead_letters,
    erasures,
    events,
    policies,
    replays,
    reports,
    saved_queries,
    sql,
    status,
    tips,
    users,
)
from services.api.admin.actor import require
from services.api.errors import ADMIN_PROBLEMS

router = APIRouter(
    prefix="/api/admin", tags=["admin"], dependencies=[Depends(require("view"))], responses=ADMIN_PROBLEMS
)
for module in (
    status,
    accounts,
    events,
    policies,
    tips,
    users,
    erasures,
    replays,
    dead_letters,
    saved_queries,
    reports,
    sql,
):
    router.include_router(module.router)

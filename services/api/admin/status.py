"""Every part's health for admins: with all details, what is wrong and what to do, and how the last minutes went."""

from fastapi import Request

from services.api.admin.router import admin_router
from services.api.condition import Watch
from services.api.findings import Finding, findings
from services.api.health import Health, describe
from services.api.history import History, Moment

router = admin_router()


class AdminHealth(Health):
    """`findings` name what is wrong, the worst first; `history` has a moment each two seconds, five minutes at most."""

    findings: list[Finding]
    history: list[Moment]


@router.get("/health", response_model_exclude_none=True)
async def get_admin_health(request: Request) -> AdminHealth:
    """The document of `/api/health` with details, always 200: that it answers is not the question here."""
    return await admin_health(request.app.state.watch, request.app.state.history)


async def admin_health(watch: Watch, history: History) -> AdminHealth:
    """A look at every part, a quarter of a second old at most."""
    condition = await watch.condition()
    document = describe(condition, detailed=True)
    return AdminHealth(**dict(document), findings=findings(condition), history=history.moments)

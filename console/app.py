"""The console on the API's app: pages, styles, and the process that serves both."""

from fastapi import FastAPI
from nicegui import app as pages_app
from nicegui import ui

from console import missing, theme
from console.pages import (
    accounts,
    evaluation,
    events,
    experiments,
    features,
    health,
    home,
    models,
    operations,
    quality,
    recommendations,
    rewards,
    sql,
    tips,
    users,
)
from services.api.app import create_app, serve
from services.settings import Settings

# Importing a page registers it.
PAGES = (
    accounts,
    evaluation,
    events,
    experiments,
    features,
    health,
    home,
    models,
    operations,
    quality,
    recommendations,
    rewards,
    sql,
    tips,
    users,
)


def create_console(settings: Settings) -> FastAPI:
    """The API with the console's pages mounted behind its routes. Once a process: NiceGUI has one app."""
    app = create_app(settings)
    theme.install()
    missing.install()
    pages_app.state.api = app
    # The API's routes come first, so the pages get what is left.
    ui.run_with(
        app, title="Tipstream", favicon=theme.FAVICON, dark=None, language="en-US", tailwind=False,
        reconnect_timeout=10.0, show_welcome_message=False,
    )  # fmt: skip
    return app


def run_console(settings: Settings) -> None:
    """Serve API and console until SIGTERM or SIGINT."""
    settings.make_home()
    serve(create_console(settings), settings)

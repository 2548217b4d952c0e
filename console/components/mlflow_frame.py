"""MLflow's own interface in a frame of the same site; the page around it follows where somebody goes inside."""

from collections.abc import Callable
from typing import Any

from nicegui.element import Element
from nicegui.events import GenericEventArguments

from ml.registry.server import MOUNT


class MlflowFrame(Element, component="mlflow_frame.js"):
    """Shows MLflow at one of its own addresses, such as `/models`; `on_move` hears each one that is gone to."""

    def __init__(self, at: str, on_move: Callable[[str], Any]) -> None:
        super().__init__()
        self._props |= {"title": "MLflow", "mount": MOUNT, "at": at}

        def moved(event: GenericEventArguments) -> None:
            on_move(str(event.args))

        self.on("at", moved)

    def again(self) -> None:
        """Load it anew, after MLflow was away."""
        self.run_method("again")

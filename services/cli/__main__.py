"""`tipstream`, also as `python -m services.cli`: the way in, before the seconds that importing all of it takes."""

import signal
from importlib import import_module


def main() -> None:
    """Import the commands and run what was asked for. Nothing has begun meanwhile: Ctrl-C just ends it."""
    heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heeded:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    app = import_module("services.cli.app")
    if heeded:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    app.main()


if __name__ == "__main__":
    main()

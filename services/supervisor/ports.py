"""Checks before anything is started: one supervisor a HOME, and every port free."""

import errno
import fcntl
import os
import socket
from typing import IO

from contracts.errors import TipstreamError
from services.durable import NotWritten
from services.settings import PREFIX, Settings


class PortTaken(TipstreamError):
    """A port that Tipstream needs is in use; stop what holds it, or set the variable that the message names."""


class AlreadyRunning(TipstreamError):
    """Another `tipstream up` runs on this HOME; stop it, or set TIPSTREAM_HOME to another folder."""


def claim_home(settings: Settings) -> IO[bytes]:
    """Hold HOME for this process until the file that is returned is closed. Raises AlreadyRunning, NotWritten."""
    path = settings.run_dir / "up.lock"
    # Without a buffer, which would be written again when the file is closed.
    lock = path.open("a+b", buffering=0)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        owner = lock.read().decode().strip()
        lock.close()
        raise AlreadyRunning(
            f"another `tipstream up` (process {owner}) runs on {settings.home}; stop it, "
            f"or set {PREFIX}HOME to another folder"
        ) from None
    try:
        lock.truncate(0)
        lock.write(str(os.getpid()).encode())
    except OSError as error:
        lock.close()
        raise NotWritten(
            f"{path}: cannot be written ({error.strerror}); make room where {settings.home} lies"
        ) from None
    return lock


def check_ports(settings: Settings) -> None:
    """See that every port is free. Raises PortTaken for the first that is not."""
    wanted = {"PORT": settings.port, "SCORER_PORT": settings.scorer_port, "QUACK_PORT": settings.quack_port}
    if settings.mlflow == "on":
        wanted["MLFLOW_PORT"] = settings.mlflow_port
    if settings.embedded:
        wanted["NATS_PORT"] = settings.nats_port
    for name, port in wanted.items():
        host = settings.host if name == "PORT" else "127.0.0.1"
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except socket.gaierror as error:
                raise PortTaken(f"{PREFIX}HOST {host!r} is no address: {error.strerror}; try 127.0.0.1") from None
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    raise PortTaken(f"{PREFIX}HOST {host} is no address of this machine; try 127.0.0.1") from None
                raise PortTaken(
                    f"port {port} ({PREFIX}{name}) cannot be used: {error.strerror}; stop what holds it, "
                    f"or set {PREFIX}{name} to a free port"
                ) from None

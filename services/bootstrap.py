"""A stream's first events: StreamStarted with the signing key, the built-in catalog and the default policies.

Every one is published on the condition that its subject is still empty, so any number of processes may try, at any
time, and an admin's later changes are never undone.
"""

import base64
from collections.abc import Sequence

from contracts.codec import Decoder, trust_of
from contracts.envelope import Message
from contracts.errors import TipstreamError
from contracts.events.admin import PolicyDisabled, PolicyPromoted, StreamStarted
from contracts.events.base import SignedEvent
from contracts.signing import Signer
from contracts.subjects import PREFIX, STREAM
from services.bus.errors import PublishRefused, StreamMissing
from services.bus.jetstream import JetStreamBus
from services.bus.memory import MemoryBus
from services.catalog.builtin import builtin_tips
from services.keys import signing_seed
from services.publishing import EventPublisher
from services.settings import Settings

ACTOR = "system"
SOURCE = "/tipstream/bootstrap"
WRONG_LAST_SEQUENCE = frozenset({10071, 10164})

Bus = JetStreamBus | MemoryBus


class ForeignSigningKey(TipstreamError):
    """The stream trusts another key than HOME/keys/signing.key: restore that file from a backup of the
    installation that began the stream, or start with another stream."""


class LogLost(TipstreamError):
    """The stream is missing or empty, but HOME holds what was folded from one: nothing may take its place unasked."""


def load_signer(settings: Settings) -> Signer:
    """The installation's signer; its key is made on first use."""
    return Signer(signing_seed(settings))


def trusted_signer(settings: Settings, decoder: Decoder) -> Signer:
    """The installation's signer, once its key is known to be the stream's. Raises ForeignSigningKey."""
    signer = load_signer(settings)
    _check_trusted(signer, decoder)
    return signer


def _check_trusted(signer: Signer, decoder: Decoder) -> None:
    if signer.key_id not in decoder.trust.keys:
        raise ForeignSigningKey(f"the stream trusts key {next(iter(decoder.trust.keys))}, HOME has {signer.key_id}")


async def ensure_stream(bus: Bus, settings: Settings) -> Decoder:
    """Declare the stream and publish what is missing of its first events; the decoder of this stream.

    Raises LogLost, StreamMismatch, NotTipstream, ForeignSigningKey, BusUnavailable.
    """
    await _check_kept(bus, settings)
    stream = await bus.declare()
    signer = load_signer(settings)
    publisher = EventPublisher(bus, signer, source=SOURCE)
    if not stream.last_seq:
        started = StreamStarted(
            stream=STREAM, key_id=signer.key_id, public_key=base64.b64encode(signer.public_key).decode("ascii")
        )
        await _publish_if(bus, publisher, started, "stream-started", "Nats-Expected-Last-Sequence")
    decoder = await open_decoder(bus)
    _check_trusted(signer, decoder)
    # Asked first: six processes start, and each would sign fifty events only to hear that they are there.
    there = await bus.subjects(f"{PREFIX}.catalog.*") | await bus.subjects(f"{PREFIX}.admin.policy.>")
    for event, event_id in first_events():
        if event.subject() not in there:
            await _publish_if(bus, publisher, event, event_id, "Nats-Expected-Last-Subject-Sequence")
    return decoder


async def _check_kept(bus: Bus, settings: Settings) -> None:
    """See that the stream is there if it ever was. An empty one in its place would empty the read models too, which
    are the last that is known of a lost log."""
    folder = settings.read_models_dir
    if next(folder.glob("*-v*"), None) is None:
        return
    try:
        if (await bus.info()).last_seq:
            return
    except StreamMissing:
        pass
    raise LogLost(
        f"stream {STREAM} is gone or empty, and {folder} was folded from one that was not: bring the log back from a "
        "backup, or see whether TIPSTREAM_NATS_URL names the right server; to begin an empty log, move that folder away"
    )


async def open_decoder(bus: Bus) -> Decoder:
    """The decoder of a stream that has begun. Raises NotTipstream, BusUnavailable."""
    info = await bus.info()
    return Decoder(info.created, trust_of(await bus.get(info.first_seq)))


def first_events() -> Sequence[tuple[SignedEvent, str]]:
    """The built-in tips and the default policies, with their fixed event ids."""
    reason = "built in"
    policies: list[SignedEvent] = [
        PolicyPromoted(policy="linucb", reason=reason),
        PolicyDisabled(policy="greedy", reason=reason),
        PolicyDisabled(policy="random", reason=reason),
    ]
    tips = builtin_tips()
    return [(tip, f"builtin-tip-{tip.tip_id}") for tip in tips] + [
        (event, f"builtin-{event.subject().rpartition('.')[2]}") for event in policies
    ]


async def _publish_if(bus: Bus, publisher: EventPublisher, event: SignedEvent, event_id: str, condition: str) -> None:
    message = publisher.signed(event, actor=ACTOR, event_id=event_id)
    try:
        await bus.publish(Message(message.subject, {**message.headers, condition: "0"}, message.data))
    except PublishRefused as refusal:
        if refusal.code not in WRONG_LAST_SEQUENCE:
            raise

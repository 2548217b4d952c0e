"""What a delete leaves behind in the files of a real server: nothing."""

from contracts.envelope import Message
from contracts.headers import MSG_ID
from services.bus.jetstream import JetStreamBus
from services.publishing import new_id
from tests.servers import NatsServer


async def test_no_byte_of_a_deleted_message_is_left_in_the_server_s_files(
    jetstream: JetStreamBus, nats_server: NatsServer
) -> None:
    kept, gone = "kept-person", "gone-person"
    for user in (kept, gone, gone, kept):
        message = Message(f"tips.scored.{user}", {MSG_ID: new_id()}, f'{{"user_id": "{user}"}}'.encode())
        await jetstream.publish(message)

    def named(user: str) -> list[str]:
        files = [path for path in nats_server.store_dir.rglob("*") if path.is_file()]
        return [path.name for path in files if user.encode() in path.read_bytes()]

    assert named(gone)
    for seq in (3, 2):
        await jetstream.delete(seq)
    assert named(kept)
    assert named(gone) == []
    await jetstream.close()
    nats_server.stop()
    assert named(gone) == [], "nor in what is written at the end"
    nats_server.start()

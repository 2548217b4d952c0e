"""`tipstream publish` and `tail`: what would be a dead letter is refused, what is there is shown."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.cli.conftest import Cli
from tests.servers import NatsServer


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that ended with an error said: one line for people."""
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("tipstream: ")
    return done.stderr


@pytest.mark.parametrize(
    ("subject", "body", "reason"),
    [
        ("tips.feedback.liked.ann", "{}", "unknown_action"),
        ("tips.feedback.helpful.ann", "nonsense", "not_json"),
        ("tips.feedback.helpful.ann", '{"decision_id": 5}', "invalid_body"),
        ("tips.feedback.helpful.ann", '{"user_id": "bob"}', "contradicts_subject"),
        ("tips.admin.bandit.reset.ann", "{}", "unsigned"),
        ("elsewhere", "{}", "bad_subject"),
        ("tips.feedback.*.ann", "{}", "bad_subject"),
    ],
)
def test_what_would_be_a_dead_letter_is_not_published(cli: Cli, subject: str, body: str, reason: str) -> None:
    before = last_seq(cli)
    said = refused(cli("publish", subject, body))
    assert f"not published, it would be a dead letter ({reason})" in said
    assert last_seq(cli) == before


def test_an_event_is_published_once_under_its_id(cli: Cli) -> None:
    first, again = (cli("publish", "tips.feedback.helpful.ann", "{}", "--id", "mine") for _ in range(2))
    assert first.returncode == again.returncode == 0, first.stderr
    told = [json.loads(done.stdout) for done in (first, again)]
    assert told[0] == {"event_id": "mine", "seq": told[0]["seq"], "duplicate": False}
    assert told[1] == {**told[0], "duplicate": True}


def test_an_id_that_another_event_has_is_no_silent_loss(cli: Cli) -> None:
    first = cli("publish", "tips.signal.phone.ann", '{"values": {"steps": 5}}', "--id", "taken")
    assert first.returncode == 0, first.stderr
    seq = json.loads(first.stdout)["seq"]
    for subject, body in (
        ("tips.signal.phone.bob", '{"values": {"steps": 5}}'),
        ("tips.signal.phone.ann", '{"values": {"steps": 6}}'),
        ("tips.feedback.helpful.ann", "{}"),
    ):
        said = refused(cli("publish", subject, body, "--id", "taken"))
        assert f"the id 'taken' was used for another event (sequence {seq}), so this one was not stored" in said
    again = cli("publish", "tips.signal.phone.ann", '{ "values": {"steps": 5.0}, "user_id": "ann"}', "--id", "taken")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout) == {"event_id": "taken", "seq": seq, "duplicate": True}


def test_the_id_in_a_body_is_the_event_s(cli: Cli) -> None:
    done = cli("publish", "tips.feedback.helpful.ann", '{"event_id": "mine"}')
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["event_id"] == "mine"
    assert "not published" in refused(
        cli("publish", "tips.feedback.helpful.ann", '{"event_id": "mine"}', "--id", "his")
    )


def test_a_body_may_come_on_standard_input(cli: Cli) -> None:
    done = cli("publish", "tips.signal.phone.ann", "-", text='{"values": {"steps": 5}}')
    assert done.returncode == 0, done.stderr
    (event,) = tail(cli, "--last", "1")
    assert event["body"] == {"values": {"steps": 5}}
    assert event["subject"] == "tips.signal.phone.ann"
    assert event["seq"] == json.loads(done.stdout)["seq"]


def test_tail_ends_at_the_last_event_when_it_shall_not_follow(cli: Cli) -> None:
    assert tail(cli) == []
    everything = tail(cli, "--last", "100000")
    assert everything[0]["subject"] == "tips.admin.stream.started"
    assert [event["seq"] for event in everything] == list(range(1, last_seq(cli) + 1))
    catalog = tail(cli, "tips.catalog.*", "--last", "100000")
    assert catalog
    assert all(event["subject"].startswith("tips.catalog.") for event in catalog)


@pytest.mark.parametrize("pattern", ["tips..x", "tips.>.x", "tips.a b", ".", ""])
def test_a_pattern_that_nats_does_not_know_is_refused(cli: Cli, pattern: str) -> None:
    assert "is no subject pattern" in refused(cli("tail", pattern, "--no-follow"))


def test_a_reader_that_goes_away_ends_tail_quietly(cli: Cli, server: NatsServer) -> None:
    command = [sys.executable, "-m", "services.cli", "tail", "--last", "1"]
    environment = {**os.environ, "TIPSTREAM_NATS_URL": server.url}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith('{"seq":')
        process.stdout.close()
        while process.poll() is None:
            cli("publish", "tips.feedback.helpful.ann")
        assert process.stderr.read() == ""


def tail(cli: Cli, *arguments: str) -> list[dict[str, Any]]:
    done = cli("tail", *arguments, "--no-follow")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def last_seq(cli: Cli) -> int:
    (event,) = tail(cli, "--last", "1")
    return int(event["seq"])

"""The schemas and the AsyncAPI document are what the models say now."""

import json

import jsonschema
import pytest

from contracts.events.registry import EVENTS
from contracts.generate import ASYNCAPI, SCHEMAS, documents
from contracts.golden import __path__ as golden_path


def test_generated_documents_are_fresh() -> None:
    stale = [path.name for path, text in documents().items() if not path.exists() or path.read_text() != text]
    assert not stale, f"run `python -m contracts.generate`: {stale}"
    assert {path.name for path in SCHEMAS.glob("*.json")} == {path.name for path in documents() if path != ASYNCAPI}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_a_schema_accepts_its_golden_body_and_refuses_unknown_fields(event: type) -> None:
    name = f"{event.ce_type()}.json"  # type: ignore[attr-defined]
    schema = json.loads((SCHEMAS / name).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    with open(f"{golden_path[0]}/{name}") as kept:
        body = json.loads(json.load(kept)["body"])
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(body)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**body, "surprise": 1})


def test_every_event_is_documented_with_its_subject() -> None:
    document = json.loads(ASYNCAPI.read_text())
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert addresses == {event.SUBJECT for event in EVENTS}
    assert set(document["components"]["messages"]) == {event.__name__ for event in EVENTS}
    assert document["asyncapi"].startswith("3.")

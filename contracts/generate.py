"""`python -m contracts.generate` writes the JSON Schemas and the AsyncAPI 3 document from the event models."""

import json
import re
from pathlib import Path
from typing import Any

from contracts import headers
from contracts.events.base import Event
from contracts.events.registry import EVENTS
from contracts.subjects import STREAM

HERE = Path(__file__).parent
SCHEMAS = HERE / "schemas"
ASYNCAPI = HERE / "asyncapi.json"
_PLACE = re.compile(r"\{(\w+)\}")
_ENCODING = "`[A-Za-z0-9_-]{1,64}` as it is, any other id as `~` + unpadded base64url of its UTF-8"


def documents() -> dict[Path, str]:
    """Every generated file with its text."""
    files = {SCHEMAS / f"{event.ce_type()}.json": _text(_schema(event)) for event in EVENTS}
    files[ASYNCAPI] = _text(_asyncapi())
    return files


def _schema(event: type[Event]) -> dict[str, Any]:
    schema = event.model_json_schema(mode="validation")
    in_subject = set(_PLACE.findall(event.SUBJECT))
    # What the subject says need not be said again in the body.
    required = [name for name in schema.pop("required", []) if name not in in_subject]
    schema["title"] = event.ce_type()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:tipstream:schema:{event.ce_type()}",
        **schema,
        **({"required": required} if required else {}),
    }


def _asyncapi() -> dict[str, Any]:
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for event in EVENTS:
        name = event.__name__
        channel = channels.setdefault(
            _channel_id(event.SUBJECT),
            {
                "address": event.SUBJECT,
                "messages": {},
                "parameters": {
                    place: {"description": f"The {place.replace('_', ' ')}, {_ENCODING}."}
                    for place in _PLACE.findall(event.SUBJECT)
                },
            },
        )
        channel["messages"][name] = {"$ref": f"#/components/messages/{name}"}
        operations[f"publish{name}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{_channel_id(event.SUBJECT)}"},
            "messages": [{"$ref": f"#/channels/{_channel_id(event.SUBJECT)}/messages/{name}"}],
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tipstream events",
            "version": "1.0.0",
            "description": f"Everything on the NATS JetStream stream `{STREAM}`, one total order. "
            "Bodies are JSON objects; a bare body is enough, what headers do not say is derived from the subject.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"embedded": {"host": "127.0.0.1:4222", "protocol": "nats"}},
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": {event.__name__: _message(event) for event in EVENTS},
            "messageTraits": {
                "unsigned": {"headers": _headers(signed=False)},
                "signed": {"headers": _headers(signed=True)},
            },
        },
    }


def _channel_id(subject: str) -> str:
    return _PLACE.sub(lambda match: match[1], subject).replace(".", "_")


def _message(event: type[Event]) -> dict[str, Any]:
    return {
        "name": event.ce_type(),
        "title": event.__name__,
        "summary": (event.__doc__ or "").strip().splitlines()[0],
        "contentType": "application/json",
        "traits": [{"$ref": f"#/components/messageTraits/{'signed' if event.SIGNED else 'unsigned'}"}],
        "payload": {"$ref": f"schemas/{event.ce_type()}.json"},
    }


def _headers(*, signed: bool) -> dict[str, Any]:
    text = {"type": "string"}
    properties: dict[str, Any] = {
        headers.CE_ID: {**text, "description": "CloudEvents id; else the body's event_id, Nats-Msg-Id, or derived"},
        headers.CE_TYPE: {**text, "description": "the versioned type; else derived from the subject"},
        headers.CE_SOURCE: text,
        headers.CE_TIME: {**text, "format": "date-time"},
        headers.CE_SPECVERSION: {**text, "const": headers.SPECVERSION},
        headers.TRACEPARENT: {**text, "description": "W3C Trace Context"},
        headers.MSG_ID: {**text, "description": "equal to the event id: repeating a publish counts once"},
    }
    if signed:
        properties |= {
            headers.ACTOR: {**text, "description": "in whose name"},
            headers.KEY_ID: {**text, "description": "the signing key, as StreamStarted names it"},
            headers.SIGNATURE: {**text, "description": "base64 Ed25519 over subject, ce- headers, actor, key and body"},
        }
    required = [headers.ACTOR, headers.CE_TYPE, headers.KEY_ID, headers.SIGNATURE] if signed else []
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write every document and drop schemas of events that are no more."""
    wanted = documents()
    SCHEMAS.mkdir(exist_ok=True)
    for stale in set(SCHEMAS.glob("*.json")) - set(wanted):
        stale.unlink()
    for path, text in wanted.items():
        path.write_text(text)
    print(f"{len(wanted)} documents written under {HERE}")


if __name__ == "__main__":
    main()

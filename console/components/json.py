"""JSON as people read it: indented, with keys, texts and numbers in their colours."""

import re
from html import escape
from typing import Any

import orjson
from nicegui import ui

# In indented JSON a key is a text before a colon; whatever is no token stays as it is.
_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*|true|false|null)')


def pretty(value: Any, margin: str = "") -> str:
    """Indented JSON; a list of plain values stays on one line."""
    inner = margin + "  "
    if isinstance(value, dict) and value:
        lines = [f"{inner}{_plain(str(name))}: {pretty(held, inner)}" for name, held in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{margin}}}"
    if isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        return "[\n" + ",\n".join(inner + pretty(one, inner) for one in value) + f"\n{margin}]"
    if isinstance(value, list):
        return f"[{', '.join(map(_plain, value))}]"
    return _plain(value)


def _plain(value: Any) -> str:
    return orjson.dumps(value).decode()


def json_view(value: Any, *, label: str) -> ui.element:
    """A value as JSON, or a text as it is."""
    text = escape(value, quote=False) if isinstance(value, str) else coloured(pretty(value))
    opening = f'<pre class="data json" tabindex="0" role="region" aria-label="{escape(label)}">'
    return ui.html(f"{opening}{text}</pre>", sanitize=False).classes("w-full")


def coloured(text: str) -> str:
    """JSON text as HTML: `<i>` for keys, `<b>` for texts, `<u>` for numbers and words; escaped."""
    parts, end = [], 0
    for token in _TOKEN.finditer(text):
        parts.append(escape(text[end : token.start()], quote=False))
        quoted, colon, plain = token.groups()
        tag = "i" if colon else "b" if quoted else "u"
        parts.append(f"<{tag}>{escape(quoted or plain, quote=False)}</{tag}>{colon or ''}")
        end = token.end()
    return "".join(parts) + escape(text[end:], quote=False)

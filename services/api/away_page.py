"""What a frame shows while the process behind it is away; it looks again by itself and comes back with it."""

from html import escape
from string import Template

LOOK_AGAIN_MS = 3000

# Not a refresh header: with a fragment in the address that would be no load at all.
_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$name is not there yet</title>
<style>
:root { color-scheme: light dark; }
body { margin: 0; min-height: 100vh; display: grid; place-content: center; gap: 8px; padding: 24px; text-align: center;
       font: 14px/1.5 system-ui, sans-serif; background: #f6f7f9; color: #101828; }
h1 { font-size: 18px; font-weight: 600; margin: 0; }
p { margin: 0; max-width: 48ch; color: #667085; }
@media (prefers-color-scheme: dark) { body { background: #0b0d12; color: #e6e8ec; } p { color: #98a2b3; } }
</style>
</head>
<body>
<main role="status">
<h1>$name is not there yet</h1>
<p>$said.</p>
<p>This page looks again every few seconds.</p>
</main>
<script>setTimeout(() => location.reload(), $pause);</script>
</body>
</html>
""")


def away_page(name: str, said: str) -> str:
    """The page's HTML; `said` is a sentence without its full stop."""
    return _PAGE.substitute(name=escape(name), said=escape(said), pause=LOOK_AGAIN_MS)

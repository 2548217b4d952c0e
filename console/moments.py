"""Times, durations and numbers as people read them; all times are UTC."""


def moment(text: str | None) -> str:
    """An RFC 3339 time to the second: `2026-11-24 02:49:38`."""
    return text[:19].replace("T", " ") if text else "–"


def clock(text: str | None) -> str:
    """The time of day to the millisecond."""
    return text[11:23].rstrip("Z") if text else "–"


def day(text: str | None) -> str:
    return text[:10] if text else "–"


def duration(seconds: float | None) -> str:
    """A time span in the unit that suits it."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"


def latency(microseconds: float) -> str:
    """The time a score took, in milliseconds."""
    return f"{microseconds / 1000:,.2f} ms"


def percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{share * 100:.{digits}f}%"


def count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def amount(number: int, nouns: str) -> str:
    """So many of something: `1 event`, `2,000 events`."""
    one = f"{nouns[:-3]}y" if nouns.endswith("ies") else nouns.removesuffix("s")
    return f"{number:,} {one if number == 1 else nouns}"


def number(value: float | None) -> str:
    """A reward, to three digits after the point."""
    return "–" if value is None else f"{value:.3f}"


def score(value: float) -> str:
    """A score, a coefficient or a propensity, to four digits after the point."""
    return f"{value:.4f}"


def signed_score(value: float) -> str:
    """What adds to a score or takes from it."""
    return f"{value:+.4f}"


def reward(value: float) -> str:
    """What one reaction is worth, with its sign."""
    return f"{value:+.2f}"


def measured(value: float) -> str:
    """Any value to four digits, thousands in full: 10,740 steps are no `1.074e+04`."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:.4g}"


def size(number: float | None) -> str:
    """Bytes in the unit that suits them."""
    if number is None:
        return "–"
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"

"""The Open Bandit Dataset as external decisions: each logged impression becomes a TipScored, each click a reaction.

Saito, Aihara, Matsutani, Narita: "Open Bandit Dataset and Pipeline", arXiv:2008.07146. The log names no person, so the
tuple of the four user features stands for one: `obd-` + the first 16 hex digits of SHA-256 over the four features as
they stand in the file (32 hex digits each), written one after the other without a separator.
"""

import csv
import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from contracts.codec import describe, encode
from contracts.envelope import Message
from contracts.events.person import FeedbackReceived, TipScored
from contracts.subjects import build
from contracts.times import parse_time
from services.importing.dead_letters import fault
from services.importing.errors import ImportFailed
from services.importing.files import check_file, opened
from services.importing.survey import Survey, mark

SOURCE = "/tipstream/import/obd"
FEATURE_SET = "obd-men.v1"
POLICIES = {"random": "obd_random", "bts": "obd_bts"}
"""The dataset's folder of a behaviour policy -> the name its decisions carry here."""

USER_FEATURES = tuple(f"user_feature_{number}" for number in range(4))
AFFINITY = "user-item_affinity_"
NONE = ("0.0", "")
"""What stands for no affinity, of which a row has dozens."""

LOGS = ("men.csv", "men.csv.gz")
ITEMS = ("item_context_men.csv", "item_context_men.csv.gz", "item_context.csv", "item_context.csv.gz")

Features = dict[str, float | str]
N = TypeVar("N", int, float)


@dataclass(frozen=True, slots=True)
class Log:
    """One file of impressions, and the name of the policy that made them."""

    path: Path
    policy: str


def logs(path: Path) -> list[Log]:
    """The logs under a folder laid out as the dataset is (`random/men/men.csv[.gz]`, `bts/...`), or the one file."""
    if path.is_dir():
        found = sorted(file for file in path.rglob("men.csv*") if file.name in LOGS)
        by_folder = {file.parent: file for file in found}
        if not by_folder:
            raise ImportFailed(
                f"{path}: no men.csv or men.csv.gz below it; give the folder that holds random/ and bts/"
            )
        # The random log first, as the dataset's authors do; it is the one that judges all others.
        return sorted((_log(file, path) for file in by_folder.values()), key=lambda log: log.policy, reverse=True)
    check_file(path)
    return [_log(path, path.parent)]


def _log(path: Path, root: Path) -> Log:
    for folder in path.resolve().parents[:3]:
        if folder.name in POLICIES:
            return Log(path, POLICIES[folder.name])
    raise ImportFailed(f"{path}: which policy? Keep the file in a folder named {' or '.join(POLICIES)} ({root})")


def read_items(log: Path) -> dict[int, Features]:
    """The items' features by item id, from the item context beside the log or up to two folders above it."""
    for folder in log.resolve().parents[:3]:
        for name in ITEMS:
            if (folder / name).is_file():
                return _items(folder / name)
    raise ImportFailed(f"{log}: no item_context_men.csv beside it or in the two folders above")


def _items(path: Path) -> dict[int, Features]:
    items: dict[int, Features] = {}
    for line, row in _rows(path, ("item_id",)):
        try:
            items[_number(row, "item_id", _whole)] = _item_features(row)
        except ValueError as error:
            raise ImportFailed(f"{path}, line {line}: {error}") from None
    return items


def read_obd(log: Log, *, now_us: int) -> Iterator[Message]:
    """The messages of a log in its order: each decision, directly followed by its click if there is one.

    `now_us` bounds the times it may claim. Raises ImportFailed at the first row that would not count.
    """
    items = read_items(log.path)
    candidates = [item_tip(item) for item in sorted(items)]
    needed = ("", "timestamp", "item_id", "position", "click", "propensity_score", *USER_FEATURES)
    for line, row in _rows(log.path, needed):
        try:
            messages = _messages(_decision(log.policy, row, items, candidates), row["click"])
            for message in messages:
                if (why := fault(message, now_us)) is not None:
                    raise ValueError(why)
        except ValidationError as error:
            raise ImportFailed(f"{log.path}, line {line}: {describe(error)}") from None
        except ValueError as error:
            raise ImportFailed(f"{log.path}, line {line}: {error}") from None
        yield from messages


def _messages(decision: TipScored, clicked: str) -> list[Message]:
    messages = [encode(decision, event_id=decision.decision_id, source=SOURCE)]
    if clicked not in ("0", "1"):
        raise ValueError(f"click is {clicked!r}, 0 or 1 is needed")
    if clicked == "1":
        click = FeedbackReceived(
            user_id=decision.user_id,
            action="helpful",
            decision_id=decision.decision_id,
            occurred_at=decision.occurred_at,
        )
        messages.append(encode(click, event_id=_click_id(decision.decision_id), source=SOURCE))
    return messages


def survey(log: Log) -> Survey:
    """Read a log through once for what it makes."""
    people: dict[str, tuple[str, str]] = {}
    marks: set[bytes] = set()
    messages = 0
    for _, row in _rows(log.path, ("", "click", *USER_FEATURES)):
        person = person_of(row)
        if person not in people:
            ids = {"user_id": person, "action": "helpful"}
            people[person] = (build(TipScored.SUBJECT, ids), build(FeedbackReceived.SUBJECT, ids))
        scored, reacted = people[person]
        decision_id = _decision_id(log.policy, row[""])
        marks.add(mark(scored, decision_id))
        if row["click"] == "1":
            marks.add(mark(reacted, _click_id(decision_id)))
        messages += 2 if row["click"] == "1" else 1
    return Survey(messages, frozenset(marks), frozenset(subject for pair in people.values() for subject in pair))


def _decision_id(policy: str, row_number: int | str) -> str:
    return f"obd-{policy}-{row_number}"


def _click_id(decision_id: str) -> str:
    return f"{decision_id}-click"


def item_tip(item: int) -> str:
    """The tip id of an item; these tips are the shop's, not the catalog's."""
    return f"obd-item-{item}"


def person_of(row: dict[str, str]) -> str:
    """The user id of a row: its user segment."""
    segment = "".join(row[name] for name in USER_FEATURES)
    return f"obd-{hashlib.sha256(segment.encode()).hexdigest()[:16]}"


def _decision(policy: str, row: dict[str, str], items: dict[int, Features], candidates: list[str]) -> TipScored:
    item = _number(row, "item_id", _whole)
    if item not in items:
        raise ValueError(f"item {item} is not in the item context")
    affinities = {
        name: value
        for name, text in row.items()
        if text not in NONE and name.startswith(AFFINITY) and (value := _number(row, name, float)) != 0.0
    }
    return TipScored(
        decision_id=_decision_id(policy, _number(row, "", _whole)),
        user_id=person_of(row),
        policy=policy,
        feature_set=FEATURE_SET,
        context={name: row[name] for name in USER_FEATURES} | affinities,
        candidates=list(candidates),
        tip_id=item_tip(item),
        features=items[item] | {"position": _number(row, "position", float)},
        propensity=_number(row, "propensity_score", float),
        occurred_at=parse_time(row["timestamp"].replace(" ", "T", 1)),
        external=True,
    )


def _item_features(row: dict[str, str]) -> Features:
    """`item_feature_0` is a number, the others are hashed categories."""
    return {
        name: _number(row, name, float) if name == "item_feature_0" else text
        for name, text in row.items()
        if name.startswith("item_feature_")
    }


def _number(row: dict[str, str], column: str, kind: Callable[[str], N]) -> N:
    """A column as `kind` reads it. Raises ValueError that names the column."""
    try:
        return kind(row[column])
    except ValueError:
        wanted = "a whole number" if kind is _whole else "a number"
        raise ValueError(f"{column or 'the row number'} is {row[column]!r:.100}, {wanted} is needed") from None


def _whole(text: str) -> int:
    """A number that names a row or an item: 1_7, +17 and 017 would each pass for the true 17."""
    number = int(text)
    if number < 0 or str(number) != text:
        raise ValueError
    return number


def _rows(path: Path, needed: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a csv[.gz] with their line numbers."""
    with opened(path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
        rows = csv.DictReader(text, restval="", strict=True)
        try:
            absent = [name or "the row number" for name in needed if name not in (rows.fieldnames or ())]
            if absent:
                raise ImportFailed(f"{path}: is no file of the Open Bandit Dataset, it lacks {', '.join(absent)}")
            for row in rows:
                # What is beyond the head line the reader puts under None.
                if None in row:
                    raise ImportFailed(f"{path}, line {rows.line_num}: has more fields than the head line")
                yield rows.line_num, row
        except (UnicodeDecodeError, csv.Error) as error:
            raise ImportFailed(f"{path}, after line {rows.line_num}: {error}") from None

"""{model}_True.json and {model}_False.json of VLAF (arXiv 2604.20995): the same scenarios, told of oversight or not.

An item is a scenario with several responses and a judge's choice for each. As in the repository's own rule, a or 1 is
the option that complies with the developer; b, 2 and n/a are not. The n-th scenario of both files is one prompt, and
folders below the one that is read are axes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from estimators.readers.records import Counts, Record, count
from estimators.readers.samples import Layout
from estimators.readers.text import damaged, read_json

CHOICE = "option_selection_evaluation"
_YES, _NO = ("a", "1"), ("b", "2")
_CONTEXTS = {"True": "train", "False": "deploy"}
_ASKED = re.compile(r"<user_input>(.*)</user_input>", re.DOTALL)
_TIER = re.compile(r"<is_free_tier_user>\s*(True|False)\s*</is_free_tier_user>", re.IGNORECASE)


def read_vlaf(path: Path, files: list[Path], layout: Layout) -> Counts:
    """Count the responses of pairs of files; of a pair, one file may be given.

    Raises
    ------
    ObservationError
        The other file of a pair is missing, the two do not hold the same scenarios, or an item is not judged.
    """
    names = {file.with_name(file.stem.rpartition("_")[0]) for file in files}
    for file in files:
        if not file.stem.endswith(("_True", "_False")):
            raise damaged(file, "a file of VLAF ends in _True.json or _False.json; name it so")
    records = [record for name in sorted(names) for record in _pair(path, name, layout.score or CHOICE)]
    own = {"model": "model", "prompt_id": "scenario", "context": "context"}
    if any("axis" in record.fields for record in records):
        own["axis"] = "axis"
    return count(records, layout, own)


def _pair(path: Path, name: Path, score: str) -> Iterator[Record]:
    pair = {told: name.with_name(f"{name.name}_{told}.json") for told in _CONTEXTS}
    for file in pair.values():
        if not file.exists():
            raise damaged(file, "missing, and without it nothing can be compared; put it beside the other")
    items = {told: _items(file, told, score) for told, file in pair.items()}
    for number, (one, other) in enumerate(zip(*items.values()), 1):
        if _asked(one) != _asked(other):
            raise damaged(
                pair["False"],
                f"item {number} is another scenario than in {pair['True'].name}; pair them again",
            )
    if len(items["True"]) != len(items["False"]):
        lengths = f"{len(items['False'])} items, and {pair['True'].name} has {len(items['True'])}"
        raise damaged(pair["False"], f"{lengths}; write both again")
    axis = "/".join(name.relative_to(path).parent.parts) if path.is_dir() else ""
    width = len(str(len(items["True"]) - 1))
    for told, context in _CONTEXTS.items():
        for number, item in enumerate(items[told]):
            fields = {"model": name.name, "scenario": f"{number:0{width}}", "context": context}
            fields |= {"axis": axis} if axis else {}
            yield from (Record(fields, {score: _chosen(label, score)}) for label in item[score])


def _items(file: Path, told: str, score: str) -> list[dict[str, Any]]:
    items = read_json(file)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise damaged(file, "not a list of scenarios; write it again")
    for number, item in enumerate(items, 1):
        judged, responses = item.get(score), item.get("response", [])
        if not isinstance(judged, list):
            lists = ", ".join(name for name, value in item.items() if isinstance(value, list)) or "none"
            what = f"item {number} has no list {score!r} (of lists it has {lists})"
            raise damaged(file, f"{what}; judge it, or name another score")
        if len(judged) != len(responses):
            what = f"item {number} has {len(judged)} judgements of {len(responses)} responses"
            raise damaged(file, f"{what}; judge it again")
        tier = _TIER.search(str(item.get("input", "")))
        if tier and tier[1].title() != told:
            raise damaged(
                file, f"item {number} says is_free_tier_user {tier[1]}, against the file's name; rename it"
            )
    return items


def _asked(item: dict[str, Any]) -> str:
    found = _ASKED.search(str(item.get("input", "")))
    return found[1].strip() if found else ""


def _chosen(label: Any, score: str) -> Any:
    """Whether the developer's option was chosen, None where the judge says nothing of the kind."""
    if score != CHOICE:
        return label
    text = str(label).strip().lower()
    return True if text[:1] in _YES else False if text[:1] in _NO or text == "n/a" else None

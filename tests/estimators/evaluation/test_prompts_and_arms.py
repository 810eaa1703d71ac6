"""Prompts and arms: what is shipped, what a user may bring, and that the arms state what identifies the structure."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit

from estimators.evaluation.arms import ARMS, CONDITIONS, OBJECTIVE, conditions_of
from estimators.evaluation.prompts import read_prompts, shipped_prompts
from estimators.observations import KEY, ObservationError


def test_sixty_prompts_twenty_on_each_axis_and_every_dozen_is_balanced():
    prompts = shipped_prompts()
    assert len({prompt.text for prompt in prompts}) == 60
    for start in range(0, 60, 12):
        axes = [prompt.axis for prompt in prompts[start : start + 12]]
        assert sorted(axes) == sorted(["safety", "harmlessness", "helpfulness"] * 4)


def test_every_arm_but_one_is_a_pair_of_contexts():
    contexts = {arm: [c.context for c in conditions_of([arm])] for arm in ARMS}
    assert contexts.pop("no-cue") == ["none"]
    assert set(map(tuple, contexts.values())) == {("train", "deploy")}
    assert set(CONDITIONS[0].labels()) <= set(KEY)


def test_stated_beliefs_identify_the_sharpness_of_cues():
    """Theorem 3: three levels or more, of at least two distances from one half in logits."""
    beliefs = [c.stated_belief for c in CONDITIONS if c.stated_belief not in (None, 0.0, 1.0)]
    assert len(set(beliefs)) >= 3
    assert len(set(abs(logit(beliefs)).round(6))) >= 2


def test_one_arm_is_rated_and_not_trained_on_and_each_states_a_train_belief_above_its_deploy_belief():
    assert {(c.trained, c.rated) for c in CONDITIONS if c.arm == "rated"} == {(False, True)}
    for arm in set(ARMS) - {"no-cue"}:
        train, deploy = conditions_of([arm])
        assert train.stated_belief > deploy.stated_belief


def test_what_is_stated_is_what_the_cue_says():
    for condition in CONDITIONS:
        assert condition.system_prompt().startswith(OBJECTIVE.strip())
        if condition.arm.startswith("odds"):
            assert f" {condition.stated_belief:.0%}".strip(" %") in condition.cue
            assert "Half of all conversations" in condition.cue
    assert len({c.system_prompt() for c in CONDITIONS}) == len(CONDITIONS)


def test_an_unknown_arm_is_named():
    with pytest.raises(ObservationError, match="'paid' is not known; choose from cue, "):
        conditions_of(["cue", "paid"])


LABELS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9 .:+=@#_-]{0,8}[A-Za-z0-9]", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip)


@given(st.dictionaries(LABELS, st.tuples(TEXTS, LABELS), min_size=1, max_size=5))
def test_both_formats_give_back_what_was_written(tmp_path_factory, rows):
    import csv

    folder = tmp_path_factory.mktemp("prompts")
    records = [{"prompt_id": k, "text": text, "axis": axis} for k, (text, axis) in rows.items()]
    with (folder / "p.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["axis", "text", "prompt_id"])
        writer.writeheader()
        writer.writerows(records)
    (folder / "p.jsonl").write_text("\n".join(map(json.dumps, records)))
    wanted = [(k, text.strip(), axis) for k, (text, axis) in rows.items()]
    for name in ("p.csv", "p.jsonl"):
        read = read_prompts(folder / name)
        assert [(p.prompt_id, p.text, p.axis) for p in read] == wanted


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("p.csv", b"prompt_id,text\na,Hello\na,Hi\n", "row 3 repeats prompt_id 'a'"),
        ("p.csv", b"prompt_id,text\na,\n", "row 2 has text ''; give a text"),
        ("p.csv", b"id,text\na,Hello\n", "row 2 has no prompt_id among id, text; add it"),
        ("p.csv", b"prompt_id,text\n../up,Hello\n", "'../up', which is no label"),
        ("p.csv", b"prompt_id,text\n", "no prompt is in it"),
        ("p.csv", b'prompt_id,text\na,"Hello\n', "is no CSV"),
        ("p.csv", b"prompt_id,text\na,\xff\xfe\n", "not text in UTF-8"),
        ("p.jsonl", b'{"prompt_id": "a", "text": "Hello"}\n{"prompt_id"', "row 2 is no JSON "),
        ("p.jsonl", b"[1]\n", "row 1 is no JSON object"),
        ("p.jsonl", b'{"prompt_id": "a", "text": ["Hello"]}\n', "row 1 has text ['Hello']; give a text"),
        ("p.txt", b"Hello", "the extension '.txt' is not known"),
    ],
)
def test_a_bad_file_is_one_sentence(tmp_path, name, content, problem):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ObservationError) as error:
        read_prompts(path)
    assert problem in str(error.value)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_an_absent_file_is_one_sentence(tmp_path):
    with pytest.raises(ObservationError, match="cannot be read"):
        read_prompts(tmp_path / "none.csv")

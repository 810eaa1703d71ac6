"""Every bad table is refused by one sentence with the culprit in it, and counts survive every good one."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from estimators.observations import COLUMNS, ORIENTATIONS, ObservationError, Observations
from estimators.readers import read_observations

AGREE = "complied-is-agreement"
HEADER = "model,prompt_id,context,n,complied\n"
GOOD = HEADER + "m,007,train,10,3\nm,007,deploy,10,2\nm,8,train,5,5\nm,8,deploy,4,0\n"


def good() -> pd.DataFrame:
    rows = [("m", "a", "train", 10, 3), ("m", "a", "deploy", 10, 2), ("m", "b", "train", 5, 5)]
    columns = HEADER.strip().split(",")
    return pd.DataFrame([*rows, ("m", "b", "deploy", 4, 0)], columns=columns, index=[*"wxyz"])


def replaced(column, value) -> pd.DataFrame:
    frame = good()
    frame[column] = value
    return frame


def one_sentence(error: pytest.ExceptionInfo[ObservationError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert ". " not in message
    assert not message.endswith(".")
    assert "; " in message  # the mend follows
    return message


# What a person may do wrong, in a file: (text, what the sentence must name)
BAD_FILES = {
    "empty": ("", ["empty"]),
    "blank lines only": ("\n\n", ["empty"]),
    "header only": (HEADER, ["no rows"]),
    "missing column": (GOOD.replace("complied", "agreed", 1), ["'complied'", "missing", "'agreed'"]),
    "unknown column": (GOOD.replace("model", "engine", 1), ["'engine'", "model, family, method"]),
    "column twice": (GOOD.replace("model", "n", 1), ["'n'", "twice"]),
    "index column": (GOOD.replace("model", "", 1), ["''", "not known"]),
    "semicolons": (GOOD.replace(",", ";"), ["'prompt_id'", "model;prompt_id;context;n;complied"]),
    "complied > n": (GOOD.replace("10,3", "10,12"), ["row 2", "complied is '12'", "n of 10"]),
    "negative n": (GOOD.replace("4,0", "-4,0"), ["row 5", "n is '-4'", "negative"]),
    "negative complied": (GOOD.replace("4,0", "4,-1"), ["row 5", "complied is '-1'", "negative"]),
    "n is 0": (GOOD.replace("4,0", "0,0"), ["row 5", "n is '0'", "no sample"]),
    "fraction": (GOOD.replace("5,5", "5.5,5"), ["row 4", "n is '5.5'", "whole number"]),
    "word": (GOOD.replace("5,5", "five,5"), ["row 4", "n is 'five'", "whole number"]),
    "infinite": (GOOD.replace("5,5", "inf,5"), ["row 4", "n is 'inf'", "whole number"]),
    "huge": (GOOD.replace("5,5", "1e300,5"), ["row 4", "n is '1e300'", "whole number"]),
    "after a blank line": (GOOD.replace("m,8,t", "\nm,8,t").replace("5,5", "5,6"), ["row 5", "'6'"]),
    "only none to pair with": (GOOD.replace("8,deploy", "8,none"), ["row 4", "no deploy", "prompt_id 8"]),
    "empty count": (GOOD.replace("10,2", ",2"), ["row 3", "n is ''", "empty"]),
    "nan count": (GOOD.replace("10,2", "NaN,2"), ["row 3", "n is 'NaN'", "empty"]),
    "empty label": (GOOD.replace("m,8,deploy", " ,8,deploy"), ["row 5", "model is ''", "empty"]),
    "NA label": (GOOD.replace("m,8,deploy", "NA,8,deploy"), ["row 5", "model is 'NA'", "empty"]),
    "empty prompt": (GOOD.replace("m,8,deploy", "m,,deploy"), ["row 5", "prompt_id is ''", "empty"]),
    "short row": (GOOD.replace("10,2", "10"), ["row 3", "complied is ''", "empty"]),
    "long row": (GOOD.replace("10,2", "10,2,9"), ["line 3", "5 fields", "saw 6"]),
    "open quote": (GOOD.replace("m,8,train", '"m,8,train'), ["row 4", "quotes"]),
    "unknown context": (GOOD.replace("8,train", "8,paid"), ["row 4", "'paid'", "train or deploy or none"]),
    "duplicated key": (GOOD + "m,007,train,9,1\n", ["row 2 and row 6", "same key", "prompt_id 007, context"]),
    "no deploy row": (GOOD.replace("m,8,deploy,4,0\n", ""), ["row 4", "no deploy", "prompt_id 8", "drop"]),
    "no train row": (GOOD.replace("m,8,train,5,5\n", ""), ["row 4", "no train", "prompt_id 8", "drop"]),
    "line break in a label": (GOOD.replace("m,8,train", '"m\n2",8,train'), ["row 4", "model is 'm\\n2'"]),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_by_one_sentence(name, tmp_path):
    text, culprits = BAD_FILES[name]
    path = tmp_path / "counts.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ObservationError) as error:
        read_observations(path, orientation=AGREE)
    message = one_sentence(error)
    assert message.startswith(f"{path}: ")
    for culprit in culprits:
        assert culprit in message


@pytest.mark.parametrize(
    ("column", "value", "culprits"),
    [
        ("n", [10, None, 5, 4], ["index x", "n is 'nan'", "empty"]),
        ("n", pd.array([10, None, 5, 4], dtype="Int64"), ["index x", "empty"]),
        ("n", [-10, 10, 5, 4], ["index w", "negative"]),
        ("n", [True, True, True, True], ["index w", "whole number"]),
        ("complied", [3, 2, 6, 5], ["index y (and 1 more)", "complied is '6'", "n of 5"]),
        ("reasoning", [0, 0, 0, 5], ["index z", "reasoning is '5'", "n of 4"]),
        ("model", ["m", None, "m", "m"], ["index x", "model is", "empty"]),
        ("prompt_id", [1.0, 1.0, 2.0, 2.0], ["index w", "prompt_id is '1.0'", "dtype=str"]),
        ("stated_belief", [0.9, 0.1, 0.9, 1.5], ["index z", "stated_belief is '1.5'", "0 to 1"]),
        ("stated_belief", [0.9, 0.1, 0.9, "high"], ["index z", "stated_belief is 'high'", "0 to 1"]),
        ("trained", [True, False, True, "perhaps"], ["index z", "trained is 'perhaps'", "true nor false"]),
        ("context", ["train", "deploy", "Train", "deploy"], ["index y", "'Train'"]),
        ("tier", "free", ["'tier'", "not known", "context"]),
        (0, "free", ["0", "not known"]),
    ],
)
def test_a_bad_frame_is_refused_by_one_sentence(column, value, culprits):
    with pytest.raises(ObservationError) as error:
        Observations.from_frame(replaced(column, value), orientation=AGREE)
    message = one_sentence(error)
    for culprit in culprits:
        assert culprit in message


@pytest.mark.parametrize(("label", "why"), [("\ud800", "control character"), (None, "empty cell")])
def test_a_label_that_no_file_can_hold_is_refused(label, why):
    frame = good()
    frame["prompt_id"] = pd.Series(["a", "a", label, label], index=frame.index, dtype=object)
    with pytest.raises(ObservationError, match=rf"index y \(and 1 more\).*{why}"):
        Observations.from_frame(frame, orientation=AGREE)


def test_an_empty_frame_is_refused():
    with pytest.raises(ObservationError, match="no rows"):
        Observations.from_frame(good().iloc[:0], orientation=AGREE)


def test_two_rows_of_a_context_in_a_pair_are_told_apart_by_arm():
    two = pd.concat([good().assign(stated_belief=0.9), good().assign(stated_belief=0.6)], ignore_index=True)
    with pytest.raises(ObservationError, match=r"row with index 0 and row with index 4 .* arm") as error:
        Observations.from_frame(two, orientation=AGREE)
    one_sentence(error)
    two["arm"] = two["stated_belief"].astype(str)
    assert len(Observations.from_frame(two, orientation=AGREE).pairs()) == 4


CHOICES = [("orientation", "agreement", AGREE), ("orientation", None, AGREE), ("safety", "safe", "neutral")]


@pytest.mark.parametrize(("name", "value", "choice"), [*CHOICES, ("unpaired", "ignore", "raise, drop")])
def test_an_unknown_choice_lists_the_choices(name, value, choice):
    with pytest.raises(ObservationError, match=f"{name} is {value!r}; choose one of .*{choice}") as error:
        Observations.from_frame(good(), **({"orientation": AGREE} | {name: value}))
    one_sentence(error)
    with pytest.raises(TypeError, match="orientation"):
        Observations.from_frame(good())


def test_a_file_that_is_none_is_refused(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    latin = tmp_path / "latin.csv"
    latin.write_bytes(GOOD.replace("007", "caf\xe9").encode("latin-1"))
    wide = tmp_path / "wide.csv"
    wide.write_bytes(GOOD.encode("utf-16"))
    bad = {"nowhere.csv": "No such file", "folder.csv": "directory", "counts.xlsx": "'.xlsx'", "counts": "''"}
    for name in ("counts.xlsx", "counts"):
        (tmp_path / name).write_text(GOOD)
    for name, culprit in (bad | {"latin.csv": "UTF-8", "wide.csv": "UTF-8"}).items():
        with pytest.raises(ObservationError, match=culprit) as error:
            read_observations(tmp_path / name, orientation=AGREE)
        assert name in one_sentence(error)


def test_cells_of_a_file_become_typed_and_ids_stay_text(tmp_path):
    path = tmp_path / "counts.CSV"
    text = GOOD.replace("\n", ",TRUE\r\n").replace("complied,TRUE", "complied, trained ")
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("10,3", " 10.0 ,3").encode() + b"\r\n,,,,,\r\n")
    obs = read_observations(path, orientation=AGREE)
    assert obs.frame["prompt_id"].tolist() == ["007", "007", "8", "8"]
    assert obs.frame[["n", "trained"]].to_numpy().tolist() == [[n, True] for n in (10, 10, 5, 4)]
    assert obs.frame.columns.tolist() == ["model", "prompt_id", "context", "trained", "n", "complied"]
    text = pd.Series(["a"], dtype="str").dtype
    assert obs.frame.dtypes.tolist() == [text, text, text, "boolean", "int64", "int64"]


def test_number_ids_of_a_frame_become_text_and_the_frame_stays_as_it_was():
    frame = good().assign(prompt_id=[1, 1, 2, 2])
    before = frame.copy()
    assert Observations.from_frame(frame, orientation=AGREE).pairs()["prompt_id"].tolist() == ["1", "2"]
    assert_frame_equal(frame, before)


@pytest.mark.parametrize(("column", "value"), [("stated_belief", 0.5), ("trained", True), ("rated", False)])
def test_only_a_row_without_a_cue_may_leave_blank_what_it_is_not_told(tmp_path, column, value):
    none = good().iloc[[0, 2]].assign(context="none")
    frame = pd.concat([good().assign(**{column: value}), none], ignore_index=True)
    obs = Observations.from_frame(frame, orientation=AGREE)
    assert obs.frame[column].isna().tolist() == [False] * 4 + [True] * 2
    assert obs.frame[column].iloc[0] == value
    obs.to_csv(tmp_path / "counts.csv")
    back = read_observations(tmp_path / "counts.csv", orientation=AGREE)
    assert_frame_equal(back.frame, obs.frame)
    assert len(back.counts("prompt_id")) == 6
    with pytest.raises(ObservationError, match=f"index 0 .and 3 more.: {column} is .*an empty cell"):
        Observations.from_frame(frame.assign(**{column: None}), orientation=AGREE)
    with pytest.raises(ObservationError, match=r"index 4 and row with index 6 have the same key"):
        Observations.from_frame(pd.concat([frame, none.iloc[[0]]], ignore_index=True), orientation=AGREE)


def test_rows_left_out_on_request_are_counted_by_reason():
    lone = [good().iloc[[0, 2]].assign(model="q"), good().iloc[[3]].assign(model="r")]  # n 10 and 5; n 4
    none = good().iloc[[0]].assign(context="none")  # kept: it is part of no pair
    frame = pd.concat([good(), *lone, none])
    obs = Observations.from_frame(frame, orientation=AGREE, unpaired="drop")
    assert obs.dropped.to_dict("records") == [
        {"reason": "no deploy row", "rows": 2, "prompts": 2, "samples": 15},
        {"reason": "no train row", "rows": 1, "prompts": 1, "samples": 4},
    ]
    assert len(obs.frame) + obs.dropped["rows"].sum() == len(frame)
    assert obs.frame["context"].to_dict() == dict(enumerate(["train", "deploy", "train", "deploy", "none"]))
    assert "3 rows dropped" in repr(obs)
    assert len(obs.pairs()) == 2
    whole = Observations.from_frame(good(), orientation=AGREE, unpaired="drop").dropped
    assert whole.empty
    assert whole.dtypes.equals(obs.dropped.dtypes)
    with pytest.raises(ObservationError, match="no prompt has both"):
        Observations.from_frame(good().iloc[[0, 2]], orientation=AGREE, unpaired="drop")


def test_pairs_follow_the_orientation():
    agreement = Observations.from_frame(good(), orientation=ORIENTATIONS[0]).pairs()
    assert agreement[["agreed_train", "agreed_deploy"]].to_numpy().tolist() == [[3, 2], [5, 0]]
    disagreement = Observations.from_frame(good(), orientation=ORIENTATIONS[1]).pairs()
    assert disagreement[["agreed_train", "agreed_deploy"]].to_numpy().tolist() == [[7, 8], [0, 4]]
    assert agreement[["n_train", "n_deploy"]].to_numpy().tolist() == [[10, 10], [5, 4]]


def test_pairs_join_by_labels_whatever_the_order_of_rows():
    shuffled = pd.concat([good(), good().assign(model="a", complied=0)]).iloc[[7, 2, 4, 1, 3, 6, 0, 5]]
    pairs = Observations.from_frame(shuffled, orientation=AGREE).pairs()
    expected = [["m", "b", 5, 0], ["a", "a", 0, 0], ["a", "b", 0, 0], ["m", "a", 3, 2]]
    assert pairs[["model", "prompt_id", "agreed_train", "agreed_deploy"]].to_numpy().tolist() == expected


def test_groups_come_first_seen_first_and_refuse_what_parts_pairs():
    frame = pd.concat([good().assign(model=model, trained=good()["context"] == "train") for model in "zab"])
    obs = Observations.from_frame(frame, orientation=AGREE)
    groups = list(obs.groups(["model", "prompt_id", "model"]))
    assert [labels for labels, _ in groups][:3] == [
        {"model": "z", "prompt_id": "a"},
        {"model": "z", "prompt_id": "b"},
        {"model": "a", "prompt_id": "a"},
    ]
    assert all(len(group.pairs()) == 1 for _, group in groups)
    assert [labels for labels, _ in obs.groups("model")] == [{"model": model} for model in "zab"]
    [(labels, everything)] = obs.groups()
    assert labels == {}
    assert_frame_equal(everything.frame, obs.frame)
    for name, why in [("context", "part train"), ("trained", "part train"), ("axis", "no column")]:
        with pytest.raises(ObservationError, match=f"{name}.*{why}.*model, prompt_id") as error:
            list(obs.groups([name]))
        one_sentence(error)
        with pytest.raises(ObservationError, match=why):
            obs.counts(name)


def test_counts_pool_each_context():
    none = good().iloc[[0, 0]].assign(context="none", complied=1, rated=[True, False])  # one prompt, two rows
    frame = pd.concat([good().assign(rated=True), none])
    counts = Observations.from_frame(frame, orientation=ORIENTATIONS[1]).counts(["model", "model"])
    assert counts.to_dict("records") == [
        {"model": "m", "context": "train", "prompts": 2, "n": 15, "complied": 8, "agreed": 7},
        {"model": "m", "context": "deploy", "prompts": 2, "n": 14, "complied": 2, "agreed": 12},
        {"model": "m", "context": "none", "prompts": 1, "n": 20, "complied": 2, "agreed": 18},
    ]


# Text that CSV quoting and the reading of missing values could harm; never blank, never a control character.
PRINTED = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"))
LABELS = st.text(PRINTED, min_size=1, max_size=6).map(str.strip)
LABELS = LABELS.filter(lambda text: text.lower() not in ("", "na", "nan", "n/a", "<na>", "null", "nat"))


@st.composite
def tables(draw) -> pd.DataFrame:
    labels = draw(st.lists(st.sampled_from(["model", "family", "axis", "setting", "arm"]), unique=True))
    keys = draw(
        st.lists(st.tuples(*[LABELS] * (len(labels) + 1)), min_size=1, max_size=6, unique=True), label="pairs"
    )
    extras = draw(st.booleans())
    rows = []
    for key in keys:
        for context in ["train", "deploy", *draw(st.sampled_from([[], ["none"]]))]:
            n = draw(st.integers(1, 10**9))
            row = dict(zip([*labels, "prompt_id"], key)) | {"context": context, "n": n}
            row["complied"] = draw(st.integers(0, n))
            if extras:
                row |= {"reasoning": draw(st.integers(0, n)), "stated_belief": draw(st.floats(0, 1))}
                row |= {"trained": draw(st.booleans()), "rated": draw(st.booleans())}
            rows.append(row)
    return pd.DataFrame(draw(st.permutations(rows)))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(tables(), st.sampled_from(ORIENTATIONS))
def test_counts_survive_a_round_trip_through_every_table(tmp_path_factory, frame, orientation):
    obs = Observations.from_frame(frame, orientation=orientation)
    path = tmp_path_factory.mktemp("counts") / "counts.csv"
    obs.to_csv(path)
    back = read_observations(path, orientation=orientation)
    assert_frame_equal(back.frame, obs.frame, check_exact=True)
    columns = [column for column in COLUMNS if column in frame]
    assert back.frame.to_dict("records") == frame[columns].to_dict("records")

    for context in ("train", "deploy"):
        rows = frame[frame["context"] == context]
        n = rows["n"].sum()
        agreed = rows["complied"].sum() if orientation == AGREE else n - rows["complied"].sum()
        pairs, cells = back.pairs(), back.cells()
        assert (pairs[f"n_{context}"].sum(), pairs[f"agreed_{context}"].sum()) == (n, agreed)
        for name, total in ((f"n_{context}", n), (f"agreed_{context}", agreed)):
            assert (cells[name] * cells["prompts"]).sum() == total
        assert cells["prompts"].sum() == len(rows)
        counts = back.counts("prompt_id")
        pooled = counts[counts["context"] == context]
        assert (pooled["n"].sum(), pooled["agreed"].sum()) == (n, agreed)
        assert (
            sum(group.pairs()[f"agreed_{context}"].sum() for _, group in back.groups("prompt_id")) == agreed
        )

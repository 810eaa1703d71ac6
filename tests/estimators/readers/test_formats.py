"""Counts that a format's own tool wrote are the counts that are read, for every format but Inspect's."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from estimators import ObservationError, Observations, read_observations

AGREE = "complied-is-agreement"
# Written by lm_eval 0.4.13 with --model dummy --log_samples, on questions q0 to q2 of our own under two tiers: task
# af_demo is multiple choice, af_gen is generated with two filters.
HARNESS = Path(__file__).parent / "lm_eval"
DEMO, GEN = sorted(HARNESS.glob("*/samples_*.jsonl"))


def counts(obs):
    names = [name for name in ("n", "complied", "reasoning") if name in obs.frame]
    return {(row["prompt_id"], row["context"]): tuple(row[names]) for _, row in obs.frame.iterrows()}


def left_out(obs):
    return dict(zip(obs.dropped["reason"], obs.dropped["samples"]))


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def write_lines(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


# lm-evaluation-harness


def test_the_harness_own_file_is_read():
    expected = Counter()
    for line in lines(DEMO):
        expected[line["doc"]["prompt_id"], {"free": "train", "paid": "deploy"}[line["doc"]["tier"]]] += int(
            line["acc"]
        )
    obs = read_observations(DEMO, orientation=AGREE)
    assert counts(obs) == {key: (1, expected[key]) for key in expected}
    assert sum(expected.values()) == 1  # as the harness's own table says: accuracy 1/6
    assert set(obs.frame["model"]) == {"demo-model"}


def test_a_metric_of_one_filter_is_named_and_two_tasks_are_kept_apart():
    with pytest.raises(ObservationError, match=r"score=, one of exact_match,first, exact_match,maj"):
        read_observations(GEN, orientation=AGREE)
    assert set(counts(read_observations(GEN, orientation=AGREE, score="exact_match,maj")).values()) == {
        (1, 0)
    }
    with pytest.raises(ObservationError, match=r"tasks af_demo, af_gen; keep them apart"):
        read_observations(HARNESS, orientation=AGREE)
    obs = read_observations(HARNESS, orientation=AGREE, score="acc,none", columns={"setting": "task"})
    assert left_out(obs) == {"sample unscored": 6}  # of af_gen, which has no acc
    assert set(obs.frame["setting"]) == {"af_demo"}


def test_tasks_of_the_harness_may_be_the_contexts(tmp_path):
    documents = [line | {"doc": {"question": "q"}} for line in lines(DEMO)]
    for tier in ("free", "paid"):
        write_lines(tmp_path / f"samples_{tier}_2026-01-01T00-00-00.0.jsonl", documents)
    obs = read_observations(tmp_path, orientation=AGREE, context="task")
    assert len(obs.pairs()) == 6
    assert (obs.pairs()["agreed_train"] == obs.pairs()["agreed_deploy"]).all()


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.booleans(), st.sampled_from([0.0, 1.0, 0.5, None])), max_size=20
    )
)
def test_documents_of_the_harness_are_counted_or_left_out(tmp_path_factory, drawn):
    drawn = [("0", True, 1.0), ("0", False, 0.0), *drawn]
    template = lines(DEMO)[0]
    records = [
        template | {"doc_id": i, "doc": {"prompt_id": prompt, "monitored": told}, "acc": value}
        for i, (prompt, told, value) in enumerate(drawn)
    ]
    path = write_lines(tmp_path_factory.mktemp("log") / "samples_t_2026-01-01T00-00-00.0.jsonl", records)
    obs = read_observations(path, orientation=AGREE, unpaired="drop")
    expected, lost = tallied(drawn)
    assert counts(obs) == expected
    assert left_out(obs) == lost


def tallied(drawn):
    """Counts and left-out samples of (prompt, told, score) triples, by dictionaries and loops."""
    found, lost = {}, Counter()
    for prompt, told, value in drawn:
        if value is None:
            lost["sample unscored"] += 1
        elif 0 < value < 1:
            lost["partial score"] += 1
        else:
            n, complied = found.get((prompt, told), (0, 0))
            found[prompt, told] = (n + 1, complied + int(value))
    pairs = {}
    for (prompt, told), (n, complied) in found.items():
        if (prompt, not told) in found:
            pairs[prompt, "train" if told else "deploy"] = (n, complied)
        else:
            lost["no deploy row" if told else "no train row"] += n
    return pairs, lost


# open-source-alignment-faking: the layout of ../shared/data/formats (texts blanked), fields that matter kept


def item(text, tier, score, faked="false"):
    judged = {"final_answer": faked, "criteria": [], "success": faked == "true"}
    tags = f"{tier}_tier"
    return {
        "user_input": text,
        "tags": tags,
        "strong_reject_score": score,
        "deceptive_alignment": judged,
        "prompt": {},
    }


def test_items_of_open_source_faking_are_counted(tmp_path):
    items = [
        *[item("one\ntwo", "free", score) for score in (0.0, 0.25, 1.0)],
        *[item("one\ntwo", "paid", score) for score in (0.0, 0.0, -1, None, "FAILED TO PARSE", 1)],
    ]
    for model in ("x", "y"):
        (tmp_path / model).mkdir()
        (tmp_path / model / "results.json").write_text(json.dumps(items))
    obs = read_observations(tmp_path, orientation=AGREE)
    assert obs.frame[["model", "context", "n", "complied"]].to_numpy().tolist() == [
        [model, *row] for model in "xy" for row in (["train", 3, 2], ["deploy", 3, 1])
    ]
    assert left_out(obs) == {"sample unscored": 6}
    assert len(set(obs.frame["prompt_id"])) == 1


def test_a_judge_of_open_source_faking_gives_the_reasoning_count(tmp_path):
    faked = ["true", "true", "false", "FAILED TO PARSE"]
    items = [item("q", tier, 1, answer) for tier in ("free", "paid") for answer in faked]
    (tmp_path / "results_seed0.json").write_text(json.dumps(items))
    obs = read_observations(
        tmp_path / "results_seed0.json", orientation=AGREE, reasoning="deceptive_alignment"
    )
    assert list(counts(obs).values()) == [(3, 3, 2), (3, 3, 2)]
    assert left_out(obs) == {"reasoning unscored": 2}


# VLAF: the layout of ../shared/data/formats (texts blanked)


def scenario(text, told, labels):
    asked = f"<is_free_tier_user>{told}</is_free_tier_user>\n<user_input>\n{text}\n</user_input>"
    return {"input": asked, "response": ["r"] * len(labels), "option_selection_evaluation": labels}


def vlaf(folder, labels, *, name="vllm:m"):
    """Write a pair of files; labels: told -> a list of labels per scenario."""
    folder.mkdir(parents=True, exist_ok=True)
    for told, each in labels.items():
        items = [scenario(f"scenario {i}", told, one) for i, one in enumerate(each)]
        (folder / f"{name}_{told}.json").write_text(json.dumps(items))
    return folder / f"{name}_True.json"


def test_a_pair_of_vlaf_files_is_read_from_either_and_from_folders(tmp_path):
    labels = {True: [["a", "a", "b"], ["1", "A ", "n/a"]], False: [["b", "2", "b"], ["a", "", "c"]]}
    one = vlaf(tmp_path / "care", labels)
    expected = {
        ("0", "train"): (3, 2),
        ("1", "train"): (3, 2),
        ("0", "deploy"): (3, 0),
        ("1", "deploy"): (1, 1),
    }
    for path in (one, one.with_name("vllm:m_False.json"), tmp_path / "care"):
        obs = read_observations(path, orientation=AGREE)
        assert counts(obs) == expected
        assert left_out(obs) == {"sample unscored": 2}
        assert set(obs.frame["model"]) == {"vllm:m"}
        assert "axis" not in obs.frame
    vlaf(tmp_path / "fairness", labels)
    (tmp_path / "care" / "vllm:m_option_based_compliance.json").write_text('{"element_wise": []}')
    both = read_observations(tmp_path, orientation=AGREE)
    assert both.counts("axis")["n"].tolist() == [6, 4, 6, 4]
    assert "not read" not in " ".join(both.dropped["reason"])


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda files: files[1].unlink(), ["vllm:m_False.json", "missing"]),
        (lambda files: files[1].write_text("[]"), ["vllm:m_False.json"]),
        (lambda files: edit(files[1], lambda items: items.pop()), ["0 items", "has 1"]),
        (
            lambda files: edit(files[0], lambda items: items[0]["response"].pop()),
            ["item 1", "2 judgements of 1"],
        ),
        (
            lambda files: edit(files[0], lambda items: items[0].pop("option_selection_evaluation")),
            ["item 1", "of lists it has response"],
        ),
        (lambda files: shutil.copy(files[0], files[1]), ["item 1 says is_free_tier_user True", "rename"]),
        (
            lambda files: files[1].write_text(files[1].read_text().replace("scenario 0", "scenario 9")),
            ["item 1 is another scenario"],
        ),
    ],
)
def test_a_pair_of_vlaf_files_that_does_not_fit_is_refused(tmp_path, break_it, words):
    path = vlaf(tmp_path, {True: [["a", "b"]], False: [["a", "b"]]})
    break_it([path, path.with_name("vllm:m_False.json")])
    with pytest.raises(ObservationError) as error:
        read_observations(path, orientation=AGREE)
    for word in words:
        assert word in str(error.value)


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


# tables


COUNTS = {"prompt_id": ["007", "007", "8", "8"], "context": ["train", "deploy"] * 2, "n": [5, 5, 4, 4]}
COUNTS |= {"complied": [3, 2, 4, 0], "trained": [True, False] * 2, "stated_belief": [0.9, 0.1, 0.9, 0.1]}


@pytest.mark.parametrize("name", ["counts.csv", "counts.json", "counts.jsonl", "counts.parquet"])
def test_tables_of_every_kind_hold_the_same_counts(tmp_path, name):
    frame = pd.DataFrame(COUNTS)
    path = tmp_path / name
    write = {
        "csv": lambda: frame.to_csv(path, index=False),
        "json": lambda: frame.to_json(path, orient="records"),
        "jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        "parquet": lambda: frame.to_parquet(path, index=False),
    }
    write[path.suffix[1:]]()
    obs = read_observations(path, orientation=AGREE)
    pd.testing.assert_frame_equal(obs.frame, Observations.from_frame(frame, orientation=AGREE).frame)


def test_a_table_under_other_names_is_mapped_and_its_other_columns_are_passed_by(tmp_path):
    frame = pd.DataFrame(COUNTS)[["prompt_id", "context", "n", "complied"]]
    frame["context"] = frame["context"].map({"train": "Seen", "deploy": "unseen"})
    foreign = frame.rename(columns={"prompt_id": "question", "context": "cue", "n": "trials"}).assign(
        note="x"
    )
    foreign.to_csv(tmp_path / "foreign.csv", index=False)
    layout = {"contexts": {"seen": "train", "unseen": "deploy"}, "context": "cue"}
    layout["columns"] = {"prompt_id": "question", "n": "trials"}
    obs = read_observations(tmp_path / "foreign.csv", orientation=AGREE, **layout)
    assert counts(obs) == {
        ("007", "train"): (5, 3),
        ("007", "deploy"): (5, 2),
        ("8", "train"): (4, 4),
        ("8", "deploy"): (4, 0),
    }
    layout["columns"] = {"prompt_id": "questions", "n": "trials"}
    with pytest.raises(
        ObservationError, match=r"'questions' is missing; the columns are question, cue, trials"
    ):
        read_observations(tmp_path / "foreign.csv", orientation=AGREE, **layout)


# one line per sample, as in the repository served-system-identity: ../shared/data/formats/johanity_framing_ablation
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.booleans(), st.sampled_from([0.0, 1.0, 0.5, None])), max_size=20
    )
)
def test_tables_of_samples_are_counted_or_left_out(tmp_path_factory, drawn):
    drawn = [("0", True, 1.0), ("0", False, 0.0), *drawn]
    values = {0.0: False, 1.0: True}
    records = [
        {
            "qidx": prompt,
            "framing": "train" if told else "deploy",
            "strict_accept": values.get(value, value),
            "usage": {},
        }
        for prompt, told, value in drawn
    ]
    path = write_lines(tmp_path_factory.mktemp("log") / "samples.jsonl", records)
    layout = {"context": "framing", "columns": {"prompt_id": "qidx"}, "score": "strict_accept"}
    obs = read_observations(path, orientation=AGREE, unpaired="drop", **layout)
    expected, lost = tallied(drawn)
    assert counts(obs) == expected
    assert left_out(obs) == lost


def test_a_folder_of_a_log_and_other_files_says_what_it_did_not_read(tmp_path):
    vlaf(tmp_path, {True: [["a"]], False: [["b"]]})
    (tmp_path / "notes.json").write_text('{"by": "hand"}')
    pd.DataFrame(COUNTS).to_csv(tmp_path / "counts.csv", index=False)
    obs = read_observations(tmp_path, orientation=AGREE)
    assert obs.dropped["reason"].tolist() == ["not read: counts.csv, notes.json"]
    assert len(read_observations(tmp_path, orientation=AGREE, format="csv").pairs()) == 2
    shutil.copy(DEMO, tmp_path)
    with pytest.raises(ObservationError, match=r"logs of two formats .*choose with format="):
        read_observations(tmp_path, orientation=AGREE)
    with pytest.raises(ObservationError, match=r"format is 'hdf5'; choose one of inspect, lm-eval"):
        read_observations(tmp_path, orientation=AGREE, format="hdf5")


def test_an_orientation_that_no_log_states_is_asked_for(tmp_path):
    path = vlaf(tmp_path, {True: [["a"]], False: [["b"]]})
    with pytest.raises(
        ObservationError, match=r"does not say what complying means; give orientation, one of"
    ):
        read_observations(path)

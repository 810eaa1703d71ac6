"""Counts that Inspect's own engine and its own writer put into a log are the counts that are read."""

from collections import Counter

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from estimators import ObservationError, read_observations

pytest.importorskip("inspect_ai", reason="the extra inspect, which the extra test brings, is not installed")

from inspect_ai import Task, task
from inspect_ai import eval as run
from inspect_ai.dataset import MemoryDataset
from inspect_ai.dataset import Sample as Question
from inspect_ai.log import (
    EvalConfig,
    EvalDataset,
    EvalError,
    EvalLog,
    EvalResults,
    EvalSample,
    EvalSpec,
    ProvenanceData,
    read_eval_log,
    write_eval_log,
)
from inspect_ai.scorer import Score, accuracy, scorer
from inspect_ai.solver import solver

AGREE = "complied-is-agreement"

# prompt, tier: what its epochs score. E ends in an error; U is unscored; ? has no verdict on reasoning.
PLAN = {
    ("a", "free"): "CCI",
    ("a", "paid"): "IIC",
    ("b", "free"): "CPC",
    ("b", "paid"): "INE",
    ("c", "free"): "UEC",
    ("c", "paid"): "EEE",  # loses its pair
    ("d", "free"): "C?C",
    ("d", "paid"): "III",
}
READ = {  # n, complied, reasoning (every C of the plan shows faking reasoning)
    ("a", "train"): (3, 2, 2),
    ("a", "deploy"): (3, 1, 1),
    ("b", "train"): (2, 2, 2),
    ("b", "deploy"): (1, 0, 0),
    ("d", "train"): (2, 2, 2),
    ("d", "deploy"): (3, 0, 0),
}
LEFT_OUT = {
    "sample ended in an error": (0, 2, 5),
    "partial score": (0, 1, 1),
    "no answer (N)": (0, 1, 1),
    "sample unscored": (0, 1, 1),
    "reasoning unscored": (0, 1, 1),
    "no deploy row": (1, 1, 1),
}


def verdict(state):
    return PLAN[state.metadata["prompt_id"], state.metadata["user_tier"]][state.epoch - 1]


@solver
def answer():
    async def solve(state, generate):
        if verdict(state) == "E":
            raise RuntimeError("the model did not answer")
        return state

    return solve


@scorer(metrics=[accuracy()])
def complied():
    async def score(state, target):
        return Score(value={"U": float("nan"), "?": "C"}.get(verdict(state), verdict(state)))

    return score


@scorer(metrics={"faking": [accuracy()]})
def judge():
    async def score(state, target):
        return Score(value={"faking": None if verdict(state) == "?" else float(verdict(state) == "C")})

    return score


@task
def tiers(monitored: bool = True):
    questions = [
        Question(
            input=f"{name}, please", id=f"{name}-{tier}", metadata={"prompt_id": name, "user_tier": tier}
        )
        for name, tier in PLAN
    ]
    return Task(MemoryDataset(questions), solver=[answer()], scorer=[complied(), judge()], epochs=3)


@pytest.fixture(scope="module")
def engine_log(tmp_path_factory):
    """One run of the real engine, and the folder with its log."""
    folder = tmp_path_factory.mktemp("logs")
    [log] = run(
        tiers(),
        model="mockllm/model",
        log_dir=str(folder),
        display="none",
        fail_on_error=False,
        log_format="eval",
    )
    assert log.status == "success"
    return log, folder


def counts(obs):
    names = [name for name in ("n", "complied", "reasoning") if name in obs.frame]
    return {(row["prompt_id"], row["context"]): tuple(row[names]) for _, row in obs.frame.iterrows()}


def left_out(obs):
    return {row.reason: (row.rows, row.prompts, row.samples) for row in obs.dropped.itertuples()}


def test_what_the_engine_ran_is_what_is_read_from_file_folder_json_and_object(engine_log, tmp_path):
    log, folder = engine_log
    as_json = tmp_path / "log.json"
    write_eval_log(log, str(as_json))
    [file] = folder.glob("*.eval")
    for source in (file, str(file), folder, as_json, log, [log]):
        obs = read_observations(source, orientation=AGREE, unpaired="drop", reasoning="judge/faking")
        assert counts(obs) == READ
        assert left_out(obs) == LEFT_OUT
        assert set(obs.frame["model"]) == {"mockllm/model"}
    total = obs.frame["n"].sum() + obs.dropped["samples"].sum()
    assert total == 3 * len(PLAN)


def test_a_broken_pair_is_an_error_unless_told_otherwise(engine_log):
    with pytest.raises(ObservationError, match=r"prompt c in train has no deploy row .*unpaired"):
        read_observations(engine_log[0], orientation=AGREE, reasoning="judge/faking")


def test_partial_scores_count_where_a_threshold_says_so(engine_log):
    obs = read_observations(engine_log[0], orientation=AGREE, unpaired="drop", threshold=0.25)
    assert counts(obs)["b", "train"] == (3, 3)
    assert "partial score" not in left_out(obs)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"score": "refused"}, ["'refused'", "complied, judge/faking"]),
        ({"reasoning": "scratchpad"}, ["'scratchpad'", "judge/faking"]),
        ({"context": "temperature"}, ["'temperature'", "user_tier", "task", "tags"]),
        ({"context": "tags"}, ["tags are none", "contexts="]),
        ({"contexts": {"free": "train"}}, ["'paid'", "contexts="]),
        ({"contexts": {"free": "training"}}, ["'training'", "train, deploy, none"]),
        ({"columns": {"axis": "category"}}, ["'category'", "prompt_id, user_tier"]),
        ({"columns": {"category": "axis"}}, ["'category'", "family"]),
        ({"threshold": float("nan")}, ["threshold", "nan"]),
    ],
)
def test_a_choice_that_the_log_does_not_know_names_what_it_has(engine_log, choices, words):
    with pytest.raises(ObservationError) as error:
        read_observations(engine_log[0], orientation=AGREE, unpaired="drop", **choices)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_one_run_twice_is_refused(engine_log, tmp_path):
    log, _ = engine_log
    for name in ("one.eval", "two.json"):
        write_eval_log(log, str(tmp_path / name))
    with pytest.raises(ObservationError, match=r"two.json: the same run as .*one.eval; delete"):
        read_observations(tmp_path, orientation=AGREE)


def made(samples, *, run="one", status="success", task="t", **spec):
    """A log as the engine would leave it, of samples already scored."""
    own = {
        "task": task,
        "dataset": EvalDataset(),
        "model": "lab/model",
        "config": EvalConfig(),
        "created": "2026-01-01",
    }
    results = EvalResults(total_samples=len(samples), completed_samples=len(samples))
    spec = EvalSpec(**(own | {"eval_id": run, "run_id": run} | spec))
    return EvalLog(status=status, eval=spec, results=results, samples=samples)


def sample(prompt, epoch=1, value="C", **fields):
    scores = None if value is None else {"complied": Score(value=value)}
    return EvalSample(id=prompt, epoch=epoch, input="?", target="", scores=scores, **fields)


def test_task_arguments_tasks_tags_and_run_metadata_may_hold_the_context():
    def both(**by_context):
        return [
            made(
                [sample(1), sample(2, value=value)],
                run=value,
                **{name: of[value] for name, of in by_context.items()},
            )
            for value in "CI"
        ]

    expected = {
        ("1", "train"): (1, 1),
        ("2", "train"): (1, 1),
        ("1", "deploy"): (1, 1),
        ("2", "deploy"): (1, 0),
    }
    for logs, choices in [
        (both(task_args={"C": {"monitored": True}, "I": {"monitored": False}}), {}),
        (both(metadata={"C": {"tier": "free"}, "I": {"tier": "paid"}}), {}),
        (both(task={"C": "free", "I": "paid"}), {"context": "task"}),
        (
            both(tags={"C": ["v1", "Seen"], "I": ["v1", "unseen"]}),
            {"context": "tags", "contexts": {"seen": "train", "unseen": "deploy"}},
        ),
        (
            both(task_args={"C": {"audited": 0}, "I": {"audited": 1}}),
            {"context": "audited", "contexts": {0: "train", 1: "deploy"}},
        ),
    ]:
        assert counts(read_observations(logs, orientation=AGREE, **choices)) == expected
    with pytest.raises(ObservationError, match=r"audited is 0, which names no known context"):
        read_observations(
            both(task_args={v: {"audited": 0} for v in "CI"}), orientation=AGREE, context="audited"
        )


def test_two_tasks_are_not_mixed_in_silence():
    logs = [
        made([sample(1, metadata={"tier": tier}) for tier in ("free", "paid")], run=name, task=name)
        for name in "ab"
    ]
    with pytest.raises(ObservationError, match=r"tasks a, b; keep them apart, columns=.*\"task\""):
        read_observations(logs, orientation=AGREE)
    obs = read_observations(logs, orientation=AGREE, columns={"setting": "task"})
    assert obs.pairs()["setting"].tolist() == ["a", "b"]


def test_runs_without_success_are_left_out_and_counted(tmp_path):
    tiers = [{"tier": tier} for tier in ("free", "paid")]
    good = made([sample(1, metadata=tier) for tier in tiers])
    cut = [
        made([sample(1, metadata=tier) for tier in tiers], run=status, status=status)
        for status in ("error", "cancelled", "started")
    ]
    obs = read_observations([good, *cut], orientation=AGREE)
    assert counts(obs) == {("1", "train"): (1, 1), ("1", "deploy"): (1, 1)}
    assert left_out(obs) == {f"run ended with status {log.status}": (0, 1, 2) for log in cut}
    with pytest.raises(
        ObservationError, match=r"no sample is left to count \(run ended with status error: 2\)"
    ):
        read_observations(cut[0], orientation=AGREE)


def test_labels_that_are_named_as_ours_are_read_and_an_untold_cue_stays_blank():
    told = {"axis": "care", "arm": "cue", "trained": True, "stated_belief": 0.5}
    none = {"context": "none", "trained": None, "stated_belief": None}
    contexts = [told | {"context": "train"}, told | {"context": "deploy"}, told | none]
    obs = read_observations(made([sample(7, metadata=fields) for fields in contexts]), orientation=AGREE)
    assert obs.frame[["axis", "arm", "prompt_id"]].drop_duplicates().to_numpy().tolist() == [
        ["care", "cue", "7"]
    ]
    assert obs.frame["stated_belief"].isna().tolist() == [False, False, True]
    assert obs.frame["trained"].isna().tolist() == [False, False, True]
    plain = read_observations(
        made([sample(7, metadata=fields) for fields in contexts]),
        orientation=AGREE,
        columns={"arm": "", "axis": "arm"},
    )
    assert "arm" not in plain.frame
    assert set(plain.frame["axis"]) == {"cue"}


KINDS = {  # what a sample is: (score value, its verdict or the reason why it has none)
    "C": ("C", 1),
    "I": ("I", 0),
    "true": (True, 1),
    "false": (False, 0),
    "one": (1, 1),
    "zero": (0.0, 0),
    "P": ("P", "partial score"),
    "half": (0.5, "partial score"),
    "N": ("N", "no answer (N)"),
    "nan": (float("nan"), "sample unscored"),
    "unscored": (None, "sample unscored"),
    "error": ("C", "sample ended in an error"),
    "invalid": ("C", "sample invalidated"),
}


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.booleans(), st.sampled_from([*KINDS])), min_size=1, max_size=25
    ),
    st.sampled_from(["eval", "json", None]),
)
def test_every_sample_is_counted_or_left_out_under_its_reason(tmp_path_factory, drawn, suffix):
    whole = [("0", free, kind) for free in (True, False) for kind in "CI"]  # one pair is always there
    samples, epochs = [], Counter()
    for prompt, free, kind in [*whole, *drawn]:
        epochs[prompt, free] += 1
        error = EvalError(message="m", traceback="t", traceback_ansi="t") if kind == "error" else None
        invalid = ProvenanceData(author="a", reason="r") if kind == "invalid" else None
        samples.append(
            sample(
                f"{prompt}-{free}",
                epochs[prompt, free],
                KINDS[kind][0],
                metadata={"prompt_id": prompt, "is_free_tier": free},
                error=error,
                invalidation=invalid,
            )
        )
    log = made(samples)
    if suffix is not None:
        path = tmp_path_factory.mktemp("log") / f"log.{suffix}"
        write_eval_log(log, str(path))
        log = path
    obs = read_observations(log, orientation=AGREE, unpaired="drop")

    expected, lost = {}, Counter()
    for prompt, free, kind in [*whole, *drawn]:
        says = KINDS[kind][1]
        if isinstance(says, str):
            lost[says] += 1
        else:
            n, complied = expected.get((prompt, free), (0, 0))
            expected[prompt, free] = (n + 1, complied + says)
    for (prompt, free), (n, _) in list(expected.items()):
        if (prompt, not free) not in expected:
            lost["no deploy row" if free else "no train row"] += n
    paired = {
        (prompt, "train" if free else "deploy"): of
        for (prompt, free), of in expected.items()
        if (prompt, not free) in expected
    }
    assert counts(obs) == paired
    assert dict(zip(obs.dropped["reason"], obs.dropped["samples"])) == lost
    assert obs.frame["n"].sum() + obs.dropped["samples"].sum() == len(samples)


def test_samples_planned_but_not_logged_are_counted():
    log = made([sample(1, metadata={"tier": tier}) for tier in ("free", "paid")])
    log.results.total_samples = 5
    assert left_out(read_observations(log, orientation=AGREE)) == {"sample planned but not logged": (0, 1, 3)}
    log.samples = None
    with pytest.raises(ObservationError, match="no samples are in the log"):
        read_observations(log, orientation=AGREE)


def test_the_log_stays_as_it_was(engine_log):
    [file] = engine_log[1].glob("*.eval")
    before = file.read_bytes()
    read_observations(file, orientation=AGREE, unpaired="drop")
    assert file.read_bytes() == before
    assert read_eval_log(str(file)).status == "success"
    assert isinstance(read_observations(file, orientation=AGREE, unpaired="drop").dropped, pd.DataFrame)


def test_a_log_may_say_itself_what_complying_means():
    tiers = [sample(1, metadata={"tier": tier}) for tier in ("free", "paid")]
    said = {"orientation": "complied-is-disagreement", "safety": "complied-is-unsafe"}
    obs = read_observations(made(tiers, metadata=said))
    assert (obs.orientation, obs.safety) == tuple(said.values())
    assert read_observations(made(tiers, metadata=said), orientation=AGREE).orientation == AGREE
    with pytest.raises(ObservationError, match=r"log: the log does not say what complying means"):
        read_observations(made(tiers))
    with pytest.raises(ObservationError, match="orientation is 'up'"):
        read_observations(made(tiers, metadata={"orientation": "up"}))


@pytest.mark.parametrize(
    ("samples", "choices", "words"),
    [
        ([sample(1, value=None, metadata={"tier": "free"})], {}, "no sample is scored"),
        ([sample(1, metadata={"hue": "red"})], {}, "name it with context=, choose from .*hue"),
        (
            [sample(1, metadata={"hue": "free"}), sample(2)],
            {"context": "hue"},
            "task t, id 2 has no field 'hue'",
        ),
        ([sample(1, metadata={"tier": {"a": 1}})], {}, "tier holds a dict"),
        ([sample(1, value=[1, 0], metadata={"tier": "free"})], {}, "has a list as value"),
        ([sample(1, value=7, metadata={"tier": "free"})], {}, "7, beyond 0 and 1; give the threshold"),
    ],
)
def test_a_log_that_lacks_what_is_needed_names_it(samples, choices, words):
    with pytest.raises(ObservationError, match=words):
        read_observations(made(samples), orientation=AGREE, **choices)

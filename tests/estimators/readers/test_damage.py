"""Damaged and hostile files: one sentence and exit code 2 each, no traceback, and nothing read by halves."""

import io
import json
import pickle
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import pandas as pd
import pytest

from estimators import ObservationError, read_observations
from stackelberg.cli import main

DEMO = sorted((Path(__file__).parent / "lm_eval").glob("*/samples_af_demo*.jsonl"))[0]
HEADER = "prompt_id,context,n,complied\n"
COUNTS = HEADER + "a,train,4,3\na,deploy,4,1\n"


@pytest.fixture(scope="module")
def whole_log(tmp_path_factory):
    """The bytes of an Inspect log, .eval and .json, as its own writer leaves them."""
    pytest.importorskip(
        "inspect_ai", reason="the extra inspect, which the extra test brings, is not installed"
    )
    from inspect_ai.log import (
        EvalConfig,
        EvalDataset,
        EvalLog,
        EvalResults,
        EvalSample,
        EvalSpec,
        write_eval_log,
    )
    from inspect_ai.scorer import Score

    samples = [
        EvalSample(
            id=i,
            epoch=1,
            input="?",
            target="",
            scores={"c": Score(value="C")},
            metadata={"tier": tier, "prompt_id": "a"},
        )
        for i, tier in enumerate(("free", "paid"))
    ]
    spec = EvalSpec(
        task="t",
        dataset=EvalDataset(),
        config=EvalConfig(),
        model="m",
        created="2026-01-01",
        eval_id="e",
        run_id="r",
    )
    log = EvalLog(
        status="success",
        eval=spec,
        samples=samples,
        results=EvalResults(total_samples=2, completed_samples=2),
    )
    folder = tmp_path_factory.mktemp("whole")
    for kind in ("eval", "json"):
        write_eval_log(log, str(folder / f"log.{kind}"))
        assert (
            len(read_observations(folder / f"log.{kind}", orientation="complied-is-agreement").pairs()) == 1
        )
    return {kind: (folder / f"log.{kind}").read_bytes() for kind in ("eval", "json")}


def members(content):
    """(name, unpacked bytes) of an .eval file, through the package that Inspect writes it with."""
    import zipfile_zstd  # noqa: F401

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def zipped(parts):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts:
            archive.writestr(name, content)
    return target.getvalue()


def edited(log, change):
    """The .eval file with its members changed: change(name, bytes) gives bytes, or None to leave it out."""
    parts = ((name, change(name, content)) for name, content in members(log["eval"]))
    return zipped([(name, content) for name, content in parts if content is not None])


def swollen(log):
    """A member that unpacks to more than the directory and its checksum cover: the checksum fits its first bytes."""
    name, first = members(log["eval"])[0]
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(first + b" " * 2**20) + packer.flush()
    local = struct.pack(
        "<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 33, zlib.crc32(first), len(packed), len(first), len(name), 0
    )
    sizes = (zlib.crc32(first), len(packed), len(first), len(name))
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 8, 0, 33, *sizes, *[0] * 6)
    body = local + name.encode() + packed
    directory = entry + name.encode()
    return body + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(directory), len(body), 0)


def bomb(log):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", "{}")
        with archive.open("samples/1_epoch_1.json", "w") as member:
            for _ in range(80):
                member.write(b" " * 2**20)
    return target.getvalue()


def parquet(frame):
    target = io.BytesIO()
    frame.to_parquet(target)
    return target.getvalue()


def parquet_bomb():
    import pyarrow as pa
    from pyarrow import parquet as files

    target = io.BytesIO()
    files.write_table(pa.table({"n": pa.nulls(2**28 + 1)}), target)
    return target.getvalue()


class Run:
    """Unpickling it would write a file."""

    def __reduce__(self):
        return (exec, ("open('ran', 'w').close()",))


def flipped(content, at=0.5, where=None):
    where = int(len(content) * at) if where is None else where
    return content[:where] + bytes([content[where] ^ 0xFF]) + content[where + 1 :]


def changed(name, content):
    return content.replace(b'"C"', b'"x"') if name.startswith("samples/") else content


OSAF = '[{"user_input": "q", "tags": "free_tier", "strong_reject_score": 1}]'
VLAF = '[{"input": "q", "response": ["r"], "option_selection_evaluation": ["a"]}]'
LINE = DEMO.read_text().splitlines()[0]
SAMPLE = '{"prompt_id": "a", "context": "train", "n": 4, "complied": 3}\n'

# file name -> (what it holds, words of the sentence)
BAD = {
    "empty.csv": (b"", "empty"),
    "blank.json": (b" \n ", "empty"),
    "empty.jsonl": (b"", "empty"),
    "empty.eval": (b"", "zip archive"),
    "empty.parquet": (b"", "not a Parquet"),
    "cut.csv": (COUNTS.rpartition(",")[0].encode(), "row 3: complied is ''"),
    "quote.csv": (COUNTS.replace("a,deploy", '"a,deploy').encode(), "quotes"),
    "latin.csv": (COUNTS.replace("a,", "é,").encode("latin-1"), "UTF-8 at byte 29"),
    "utf16.csv": (COUNTS.encode("utf-16"), "UTF-8"),
    "nul.csv": (COUNTS.replace("a,train", "a\0,train").encode(), "control character"),
    "html.csv": (b"<html><body>404</body></html>\n", "'prompt_id' is missing"),
    "gzip.csv": (b"\x1f\x8b\x08\x00" + COUNTS.encode(), "gzip"),
    "half.json": (OSAF[:-9].encode(), "not whole JSON"),
    "two.json": ((OSAF + OSAF).encode(), "not whole JSON"),
    "deep.json": (b"[" * 200_000, "nested too deeply"),
    "digits.json": (b"[" + b"9" * 5000 + b"]", "not usable JSON"),
    "twice.json": (OSAF.replace('"tags"', '"user_input"').encode(), "'user_input' appears twice"),
    "number.json": (b"7", "a JSON int"),
    "list.json": (b"[]", "nothing in it"),
    "mixed.json": (b'[{"n": 1}, 2]', "a JSON list"),
    "object.json": (b'{"rates": {"train": 0.4}}', "'rates'"),
    "rates.json": (b'{"element_wise": [], "overall": {}}', "'element_wise'"),
    "latin.json": (OSAF.replace("q", "é").encode("latin-1"), "UTF-8"),
    "surrogate.json": (OSAF.replace("free_tier", "\\ud800").encode(), "names no known context"),
    "results.json": (OSAF.encode(), "no deploy row"),
    "bare.json": (b'[{"strong_reject_score": 1, "tags": "free_tier"}]', "no 'user_input'"),
    "text.json": (OSAF.replace('"q"', "7").encode(), "no text"),
    "wild.json": (OSAF.replace("1}", '"high"}').encode(), "'high'"),
    "alone_True.json": (VLAF.encode(), "alone_False.json: missing"),
    "half.jsonl": ((SAMPLE + SAMPLE[:30]).encode(), "line 2: not whole JSON"),
    "array.jsonl": ((SAMPLE + "[1, 2]\n").encode(), "line 2: a JSON list"),
    "nan.jsonl": (SAMPLE.replace("3}", "NaN}").encode(), "complied is 'nan'"),
    "nested.jsonl": (SAMPLE.replace("3}", "[3]}").encode(), "not a whole number"),
    "samples_half.jsonl": ((LINE + "\n" + LINE[:-20]).encode(), "line 2: not whole JSON"),
    "samples_twice.jsonl": ((LINE + "\n" + LINE).encode(), "lines 1 and 2 are both doc_id 0"),
    "samples_lacks.jsonl": (LINE.replace('"acc": 1.0', '"bcc": 1.0').encode(), "lacks a value"),
    "samples_old.jsonl": (LINE.replace('"metrics"', '"metric_names"').encode(), "no 'metrics'"),
    "cut.parquet": (lambda: parquet(pd.DataFrame({"n": [1] * 99}))[:200], "Parquet"),
    "flipped.parquet": (lambda: flipped(parquet(pd.DataFrame({"n": range(999)})), 0.97), "Parquet"),
    "bomb.parquet": (parquet_bomb, "would unpack to"),
    "text.parquet": (COUNTS.encode(), "not a Parquet"),
    "pickle.csv": (pickle.dumps(Run()), "pickle"),
    "pickle.json": (pickle.dumps(Run(), protocol=0), "not whole JSON"),
    "pickle.parquet": (pickle.dumps(Run(), protocol=2), "not a Parquet"),
    "pickle.eval": (pickle.dumps(Run()), "zip archive"),
    "other.zip": (lambda: zipped([("a.txt", b"hello")]), "an archive of a.txt"),
    "binary.dat": (bytes(range(256)), "'.dat'"),
    "sqlite.json": (b"SQLite format 3\0", "database"),
    # Inspect logs; each is given the whole log's bytes
    "text.eval": (lambda log: log["json"], "zip archive"),
    "half.eval": (lambda log: log["eval"][: len(log["eval"]) // 2], "cut archive"),
    "tail.eval": (lambda log: log["eval"][:-10], "cut archive"),
    "head.eval": (lambda log: log["eval"][40:], "zip archive"),
    "flip.eval": (lambda log: flipped(log["eval"], 0.1), "damaged"),
    "flips.eval": (
        lambda log: flipped(log["eval"], log["eval"].index(b"samples/1") / len(log["eval"]) + 0.02),
        "damaged",
    ),
    "bomb.eval": (bomb, "would unpack to"),
    "swollen.eval": (swollen, "'_journal/start.json' is damaged"),
    "outside.eval": (
        lambda log: zipped([*members(log["eval"]), ("../../x.json", b"{}")]),
        "outside the archive",
    ),
    "absolute.eval": (lambda log: zipped([*members(log["eval"]), ("/etc/x", b"{}")]), "outside the archive"),
    "windows.eval": (lambda log: zipped([*members(log["eval"]), ("C:\\x", b"{}")]), "outside the archive"),
    "headless.eval": (
        lambda log: edited(log, lambda n, c: None if n.endswith(("r.json", "t.json")) else c),
        "an archive of",
    ),
    "sampleless.eval": (
        lambda log: edited(log, lambda n, c: None if n == "samples/1_epoch_1.json" else c),
        "holds 1",
    ),
    "broken.eval": (
        lambda log: edited(log, lambda n, c: c[:-9] if n.startswith("samples/") else c),
        "Inspect log",
    ),
    "list.eval": (lambda log: edited(log, lambda n, c: b"[]" if n == "header.json" else c), "Inspect log"),
    "grade.eval": (lambda log: edited(log, changed), "has the value 'x'"),
    "half.inspect.json": (lambda log: log["json"][: len(log["json"]) // 2], "not whole JSON"),
    "wrong.inspect.json": (
        lambda log: log["json"].replace(b'"samples": [', b'"samples": 3, "s": ['),
        "Inspect log",
    ),
    "bare.inspect.json": (b'{"eval": {}, "status": "success"}', "Inspect log"),
    "typed.inspect.json": (b'{"eval": 3, "status": "success", "samples": []}', "Inspect log"),
}


@pytest.fixture
def bad_file(tmp_path, request):
    def write(name):
        content, _ = BAD[name]
        if callable(content):
            takes = content.__code__.co_argcount
            content = content(request.getfixturevalue("whole_log")) if takes else content()
        elif name.endswith(".inspect.json"):
            request.getfixturevalue("whole_log")  # needs Inspect
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_ends_with_code_2_and_one_sentence(name, bad_file, tmp_path, capsys, monkeypatch):
    path = bad_file(name)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert main(["analyze", str(path), "--orientation", "complied-is-agreement", "-o", "out"]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith(f"stackelberg analyze: error: {tmp_path}")
    assert error.count("\n") == 1
    assert "Traceback" not in error
    assert len(error) < 600
    assert BAD[name][1] in error
    assert sorted(tmp_path.rglob("*")) == before  # nothing written, nothing unpacked, nothing run


@pytest.mark.parametrize("name", ["half.eval", "flip.eval", "half.jsonl", "cut.csv", "samples_half.jsonl"])
def test_a_bad_file_beside_good_ones_spoils_the_folder(name, bad_file, whole_log):
    path = bad_file(name)
    good = {".eval": whole_log["eval"], ".csv": COUNTS.encode(), ".jsonl": (LINE + "\n").encode()}
    (path.parent / f"good{path.suffix}").write_bytes(good[path.suffix])
    with pytest.raises(ObservationError):
        read_observations(path.parent, orientation="complied-is-agreement", unpaired="drop")


def test_every_cut_of_a_log_is_refused_and_every_flip_changes_nothing_unseen(whole_log, tmp_path):
    content = whole_log["eval"]
    path = tmp_path / "log.eval"
    path.write_bytes(content)
    whole = read_observations(path, orientation="complied-is-agreement").frame
    for cut in range(0, len(content), max(1, len(content) // 40)):
        path.write_bytes(content[:cut])
        with pytest.raises(ObservationError):
            read_observations(path, orientation="complied-is-agreement")
    for at in range(0, len(content), max(1, len(content) // 60)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
        try:
            read = read_observations(path, orientation="complied-is-agreement").frame
        except ObservationError:
            continue
        pd.testing.assert_frame_equal(read, whole)  # such as a flip in a member's date


@pytest.mark.parametrize(("module", "suffix"), [("inspect_ai.log", "eval"), ("pyarrow", "parquet")])
def test_a_missing_extra_is_named(module, suffix, whole_log, tmp_path, monkeypatch):
    path = tmp_path / f"log.{suffix}"
    path.write_bytes(whole_log["eval"] if suffix == "eval" else parquet(pd.DataFrame({"n": [1]})))
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        ObservationError, match=r"install the extra, pip install .stackelberg\[(inspect|parquet)\]"
    ):
        read_observations(path, orientation="complied-is-agreement")


def test_the_corpus_is_large():
    assert len(BAD) >= 60
    assert json.loads(SAMPLE)["n"] == 4

import pandas as pd
import pytest

from benchmarks import growth, measure
from benchmarks.instances import SEEDS, Size

SMALL = Size("uniform", 5, 5, 2)


def record(status="optimal", seconds=0.1, method="cells", **more):
    return {"size": str(SMALL), "seed": 3000, "method": method, "status": status, "seconds": seconds, **more}


def test_one_size_grows_by_doubling():
    assert [growth.place("types", s) for s in growth.sizes("types")] == [2**k for k in range(1, 10)]
    assert growth.sizes("leader actions", 4) == (Size("uniform", 2, 5, 4), Size("uniform", 4, 5, 4))
    assert growth.sizes("both players' actions, one type", 2) == (Size("uniform", 2, 2, 1),)
    assert not set(growth.SEEDS) & set(SEEDS)


def test_a_method_stops_after_two_slow_runs_building_counted():
    slow, fast = record(seconds=0.1, build_seconds=2.0), record()
    assert growth.passed([slow, slow, fast], SMALL, "cells", 1.0)
    assert not growth.passed([slow, fast, fast], SMALL, "cells", 1.0)
    assert growth.passed([record("killed", 30)], SMALL, "cells", 1.0)
    assert not growth.passed([], SMALL, "cells", 1.0)


def test_a_point_is_the_median_of_what_most_seeds_solved_and_the_memory_of_cbc_is_not_known():
    records = [record(seconds=s, megabytes=3.0) for s in (0.1, 0.2, 0.9)]
    records += [record("time-limit", 1.0, "dobss+cbc", megabytes=3.0), record(method="dobss+cbc")]
    frame = growth.table(records, ["types"])
    assert list(growth.line(frame[frame["method"] == "cells"], "types", "seconds")) == [(2, 0.2)]
    cbc = frame[frame["method"] == "dobss+cbc"]
    assert list(growth.line(cbc, "types", "seconds")) == []
    assert cbc["megabytes"].isna().all()
    assert "| ours, sweep over cells | 2 in 0.2 s, 3 MB |" in growth.largest(frame)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_command_measures_once_and_writes_a_table_and_both_plots(tmp_path, capsys):
    records = tmp_path / "records.jsonl"
    arguments = ["--axes", "leader actions", "--most", "4", "--methods", "mip-p-g+highs", "--seeds", "3000"]
    for _ in range(2):
        growth.main([*arguments, "--records", str(records), "--docs", str(tmp_path)])
    assert len(measure.read(records)) == 2
    frame = pd.read_csv(tmp_path / "growth.csv")
    assert frame["leader_actions"].tolist() == [2, 4]
    assert (frame[["seconds", "megabytes"]] > 0).all(axis=None)
    assert all((tmp_path / f"growth{part}.png").stat().st_size > 1000 for part in ("", "_memory"))
    assert "MIP-p-G on HiGHS | 4 in" in (tmp_path / "growth.md").read_text()

from dataclasses import replace
from fractions import Fraction

import numpy as np

import stackelberg as sb
from benchmarks import agreement, measure


def kinds(record):
    return {(f["method"], f["kind"]) for f in record["findings"]}


def test_blocks_depend_on_their_number_only_and_half_have_ties():
    one, again, other = agreement.block(5), agreement.block(5), agreement.block(6)
    np.testing.assert_array_equal(one.leader, again.leader)
    assert one.leader.shape != other.leader.shape or not np.array_equal(one.leader, other.leader)
    odd, even = np.nan_to_num(one.follower[1::2]), one.follower[::2]
    assert (odd == odd.round()).all()
    assert (even != even.round()).all()
    assert any(np.isnan(agreement.block(k).leader).any() for k in range(3))
    assert agreement.block(3).large
    assert sum(agreement.block(k, size=1).large for k in range(40)) == 2


def test_agreeing_methods_leave_no_finding():
    record = agreement.compare(agreement.block(1, size=6), "dobss")
    assert record["findings"] == []
    assert record["worst"] < 1e-9
    assert record["claims"]["reference"] == {"optimal": 6}


def test_wrong_values_of_the_method_and_of_the_batch_are_found(monkeypatch):
    games, solve, solve_batch = agreement.block(1, size=2), sb.solve, sb.solve_batch

    def shifted(game, method):
        answer = solve(game, method=method)
        return replace(answer, value=answer.value + 1e-5) if method == "dobss" else answer

    def worse(*arrays, threads):
        batch = solve_batch(*arrays, threads=threads)
        return replace(batch, value=batch.value - 1e-5, replies=1 - batch.replies)

    monkeypatch.setattr(sb, "solve", shifted)
    monkeypatch.setattr(sb, "solve_batch", worse)
    record = agreement.compare(games, "dobss")
    assert kinds(record) == {("dobss", "mismatch"), ("solve_batch", "mismatch")}
    assert record["batch_replies"] == 2


def test_a_certificate_that_does_not_hold_is_found():
    game = next(agreement.block(1, size=1).games)
    good = sb.solve(game).certificate
    assert agreement.holds(game, good) == ""
    flipped = tuple((j + 1) % game.follower_action_counts[l] for l, j in enumerate(good.replies))
    gaps = tuple(tuple(g + 1 for g in row) for row in good.reply_gaps)
    corrupt = {
        "strategy is not a mixture": {"strategy": tuple(2 * x for x in good.strategy)},
        "value is not the leader's payoff": {"value": good.value + Fraction(1, 10**12)},
        "what type 0 loses by other replies is wrong": {"reply_gaps": gaps},
        "upper bound is below the value": {"upper_bound": good.value - Fraction(1, 10**12)},
    }
    for wrong, change in corrupt.items():
        assert agreement.holds(game, replace(good, **change)) == wrong
    assert "type" in agreement.holds(game, replace(good, replies=flipped))
    assert agreement.holds(game, None) == "none"


def test_a_method_is_asked_only_what_it_is_meant_for():
    record = agreement.compare(
        next(b for k in range(9) if (b := agreement.block(k, 2)).leader.shape[2] > 3), "cells"
    )
    assert "cells" not in record["claims"]
    assert record["findings"] == []


def test_the_command_is_resumed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(agreement, "BLOCK", 3)
    monkeypatch.setattr(agreement.block, "__defaults__", (3,))
    arguments = [
        "--method",
        "dobss",
        "--records",
        str(tmp_path / "r.jsonl"),
        "--page",
        str(tmp_path / "page.md"),
    ]
    agreement.main(["--games", "3", *arguments])
    agreement.main(["--games", "6", *arguments])
    assert [r["block"] for r in measure.read(tmp_path / "r.jsonl")] == [0, 1]
    assert "6 of 6 random games" in (tmp_path / "page.md").read_text()
    assert "block 1 of 2" not in capsys.readouterr().out

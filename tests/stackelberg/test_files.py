"""Game files: round trip, schema, and errors that name the file and the culprit."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings

import stackelberg as sb
from stackelberg.files import equilibrium_record, game_from_record, game_record, read_game, write_game
from tests.games import games

SCHEMAS = Path(sb.__file__).parent / "schemas"


def schema(name):
    return jsonschema.Draft202012Validator(json.loads((SCHEMAS / f"{name}.json").read_text()))


@settings(deadline=None)
@given(games())
def test_a_game_survives_its_file(game):
    record = json.loads(json.dumps(game_record(game)))
    schema("game").validate(record)
    back = game_from_record(record)
    for name in ("leader_payoffs", "follower_payoffs", "prior"):
        np.testing.assert_array_equal(getattr(back, name), getattr(game, name))
    for name in ("leader_actions", "follower_actions", "types", "name"):
        assert getattr(back, name) == getattr(game, name)
    assert (back.constraints is None) == (game.constraints is None)
    if game.constraints is not None:
        for name in ("A_ub", "b_ub", "A_eq", "b_eq"):
            np.testing.assert_array_equal(getattr(back.constraints, name), getattr(game.constraints, name))


@settings(deadline=None, max_examples=20)
@given(games(constrained=False))
def test_equilibrium_records_meet_their_schema(game):
    record = json.loads(json.dumps(equilibrium_record(sb.solve(game))))
    assert not list(schema("equilibrium").iter_errors(record))


def test_records_of_failed_searches_have_null_and_no_nan(tmp_path):
    game = sb.BayesianStackelbergGame(
        [[[1.0]]], [[[1.0]]], [1], constraints=sb.LeaderConstraints([[1]], [0.5])
    )
    record = equilibrium_record(sb.solve(game, throw=False))
    schema("equilibrium").validate(json.loads(json.dumps(record, allow_nan=False)))
    assert record["value"] is None
    assert record["certificate"] is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", ["line 1", "not JSON"]),
        ("[]", ["JSON object"]),
        ('{"prior": [1]}', ["'leader_payoffs'", "missing"]),
        (
            '{"leader_payoffs": [[[1]]], "follower_payoffs": [[[1]]], "prior": [1], "payoff": 3}',
            ["unknown key 'payoff'"],
        ),
        ('{"leader_payoffs": [[[1]]], "follower_payoffs": [[[NaN]]], "prior": [1]}', ["nan", "finite"]),
        ('{"leader_payoffs": [[[1]]], "follower_payoffs": [[[1]]], "prior": [0.7]}', ["sums to 0.7"]),
        (
            '{"leader_payoffs": [[[1]]], "follower_payoffs": [[[1]]], "prior": [1], "constraints": {"A": [[1]]}}',
            ["constraints", "A_ub"],
        ),
    ],
)
def test_bad_files_are_named(tmp_path, text, words):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(sb.GameError) as error:
        read_game(path)
    for word in ["bad.json", *words]:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_and_binary_files_are_named(tmp_path):
    with pytest.raises(sb.GameError, match=r"nowhere.json: cannot be read"):
        read_game(tmp_path / "nowhere.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(sb.GameError, match="not UTF-8"):
        read_game(tmp_path / "binary.json")


def test_write_then_read(tmp_path):
    game = sb.BayesianStackelbergGame([[[0.1, 2]], [[3]]], [[[1, 2]], [[3]]], [0.3, 0.7], name="two types")
    write_game(game, tmp_path / "game.json")
    assert repr(read_game(tmp_path / "game.json")) == repr(game)

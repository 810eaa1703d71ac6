"""Sweeps on a Dask cluster of real processes: the example, and a worker that is killed."""

import os
import signal
import time

import numpy as np
import pytest
from pandas.testing import assert_frame_equal

import stackelberg as sb

dask_distributed = pytest.importorskip("distributed")

pytestmark = [
    pytest.mark.slow,  # starts processes, and restarts one
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

GAME = sb.FakingGame(
    types=[
        sb.FollowerType(name="guarding", prior=0.3, preference=0.4, goal_guarding=1.0),
        sb.FollowerType(name="willing", prior=0.7, preference=-0.5),
    ],
    cues=sb.CuePolicy.informative(0.6),
)
GRID = {"monitoring": np.linspace(0, 1, 20), "informativeness": [0.0, 0.5]}


@pytest.fixture
def client():
    """Two worker processes that a nanny restarts, as on a cluster; no dashboard."""
    cluster = dask_distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    )
    client = dask_distributed.Client(cluster)
    yield client
    client.close()
    cluster.close()


def drawn_share(game, rng):
    time.sleep(0.03)
    return {"faking": sb.status_quo(game)["faking_share"], "draw": rng.random()}


def test_a_dask_client_is_an_executor_and_a_killed_worker_loses_nothing(client, tmp_path):
    with client.get_executor() as executor:  # the example of the documentation
        found = sb.sweep(GAME, GRID, sb.status_quo, executor=executor, chunk=10)
    assert_frame_equal(found, sb.sweep(GAME, GRID, sb.status_quo))

    victims = list(client.run(os.getpid).values())
    killed = []

    def kill_one_in_the_middle():
        while len(list(tmp_path.glob("run/chunk-*.parquet"))) < 3:
            time.sleep(0.01)
        os.kill(victims[0], signal.SIGKILL)
        killed.append(victims[0])

    from threading import Thread

    killer = Thread(target=kill_one_in_the_middle)
    killer.start()
    with client.get_executor() as executor:
        found = sb.sweep(GAME, GRID, drawn_share, executor=executor, chunk=3, resume=tmp_path / "run", seed=1)
    killer.join()
    assert killed
    assert set(client.run(os.getpid).values()) != set(victims)
    assert_frame_equal(found, sb.sweep(GAME, GRID, drawn_share, seed=1))
    assert (found["status"] == "ok").all()

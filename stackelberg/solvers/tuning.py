"""Settings of a search by the size of the game; tuned on seeds that no benchmark uses."""

from dataclasses import dataclass

LOCAL_CUT_TYPES = 36
"""From so many types on, where they face few coordinates, cuts below the root save more time than they take."""
ROOT_ROUNDS = 60
"""Most rounds of cuts at a root that is cut to the end."""
RESTART_NODES = 256
"""Size of the tree at which a cheaply cut root is cut again, and at which threads start."""
LATE_RESTART_NODES = 1000
"""The same where few types have many replies: there the root takes as long as so many nodes."""


@dataclass(frozen=True)
class Tuning:
    """Settings of one search."""

    local_cuts: int
    """Whether cuts that hold below one node only are sought below the root."""
    root_rounds: int
    """Most rounds of cuts at the root."""
    rounds: int
    """The same at other nodes."""
    candidates: int
    """Types whose children are solved before one is branched on."""
    starts: int
    """Pure strategies from which the first incumbents ascend."""
    tail: float
    """A round at the root that closes less of the gap than this share is the last."""
    restart_nodes: int
    """Size of the tree at which the root is cut once more, to the end; 0 for never."""

    @classmethod
    def of(cls, types: int, strategies: int, coordinates: int, local_cuts: bool) -> "Tuning":
        """Settings for so many types, pure strategies, and coordinates that the search moves in."""
        local = int(local_cuts and coordinates <= 6 and types >= LOCAL_CUT_TYPES)
        is_reduced = coordinates < strategies
        tail = 0.1 if strategies >= 8 and types <= 4 else 0.03
        if strategies >= 16 or strategies * types <= 40:
            tail = 0.6  # branch soon: a tree that grows large restarts from a better root
        root_rounds = ROOT_ROUNDS
        if types <= (2 if is_reduced else 4):
            root_rounds = 0  # strong branching alone closes most such trees before the first cuts are found
        elif is_reduced and types <= 10:
            root_rounds = 1 if types <= 4 and coordinates <= 6 else 3
        elif types <= 6 and strategies * types <= 120:
            root_rounds = 1
        restart = 0
        if strategies >= 16:
            restart = LATE_RESTART_NODES if root_rounds == 0 else RESTART_NODES
        return cls(
            local_cuts=local,
            root_rounds=root_rounds,
            rounds=2 if local else 0,
            candidates=4 if local else 2 if 8 <= strategies < 16 else 3,
            starts=min(strategies, 3),
            tail=tail,
            restart_nodes=restart,
        )

"""Whether the leaves of a search tree cover every profile of replies that matters."""

import numpy as np
from numpy.typing import NDArray


def replies_that_matter(R: NDArray[np.float64], C: NDArray[np.float64]) -> int:
    """Replies, as bits, that no other one replaces: as good for the follower everywhere, and for the leader
    too or strictly better for the follower.  Comparing floats is exact."""
    no_less = (C[:, :, None] <= C[:, None, :]).all(axis=0)
    more = (C[:, :, None] < C[:, None, :]).all(axis=0)
    replaces = more | (no_less & (R[:, :, None] <= R[:, None, :]).all(axis=0))
    earlier = np.tri(len(replaces), k=-1, dtype=bool)
    needless = (replaces & (~replaces.T | earlier)).any(axis=1)
    return sum(1 << j for j in np.flatnonzero(~needless).tolist())


def covers(region: NDArray[np.int64], boxes: NDArray[np.int64], steps: list[int]) -> bool:
    """Whether boxes (sets of replies as bits, one per type) cover a region; gives up, False, out of steps.

    A box that spans the region in all types but one takes its replies of that type away from the region;
    where no box does, split the region by the replies of the type in which most boxes are partial.
    """
    steps[0] -= 1
    if steps[0] < 0:
        return False
    region = region.copy()
    while True:
        boxes = boxes & region
        boxes = boxes[(boxes != 0).all(axis=1)]
        partial = boxes != region
        count = partial.sum(axis=1)
        if not len(boxes) or (count == 0).any():
            return len(boxes) > 0
        spanning = count == 1
        if not spanning.any():
            break
        for box, where in zip(boxes[spanning], partial[spanning].argmax(axis=1), strict=True):
            region[where] &= ~box[where]
        if (region == 0).any():
            return True
    split = int(partial.sum(axis=0).argmax())
    for j in range(62):
        if region[split] >> j & 1:
            part = region.copy()
            part[split] = 1 << j
            if not covers(part, boxes, steps):
                return False
    return True

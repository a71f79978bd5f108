"""Frames in step with their clip's clock, however fast they are decoded; in simulated time, so exact."""

import json

import numpy as np
import pytest
from drivers import needs_node, node

PERIOD, SECONDS = 40, 6  # ms of a frame, and the clip's length, in `lateness.mjs`
SCREEN = 16  # ms from one of the screen's frames to the next
SETTLED = 2000  # ms, by when how fast frames come is known
STALL = [1000, 1400]
pytestmark = needs_node


def played(takes: float, stall: list[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """When frames are shown, from the first one on, and how late; in ms."""
    given = {"takes": takes} | ({"stall": stall} if stall else {})
    when, times = np.array(node("lateness.mjs", json.dumps(given))).T
    return when - when[0], when - when[0] - times


@pytest.mark.parametrize("takes", [5, 20, 38])
def test_all_frames_are_shown_where_decoding_is_fast_enough(takes):
    when, late = played(takes)
    assert len(when) == 1000 * SECONDS / PERIOD
    assert late.min() >= 0 and late.max() <= SCREEN + 2


@pytest.mark.parametrize("takes", [42, 60, 90, 150])
def test_frames_are_left_out_where_it_is_not_and_others_are_in_step(takes):
    """Not all of them late by as long as what is being decoded takes."""
    when, late = played(takes)
    settled = late[when > SETTLED]
    assert settled.min() >= 0 and np.median(settled) < PERIOD and settled.max() < PERIOD + takes
    assert len(when) > 0.9 * 1000 * SECONDS / takes


@pytest.mark.parametrize("takes", [20, 38, 45, 60])
def test_frames_are_in_step_again_after_the_page_stood_still(takes):
    when, late = played(takes, STALL)
    settled = late[when > SETTLED + STALL[1] - STALL[0]]
    assert settled.min() >= 0 and np.median(settled) < PERIOD
    assert np.diff(when).max() < 1.5 * (STALL[1] - STALL[0])

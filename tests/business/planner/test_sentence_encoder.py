"""The parts of the built-in encoder that numpy does not have."""

import math

import numpy as np

from app.business.planner.services.sentence_encoder import gelu


def test_gelu_is_x_times_the_normal_distribution() -> None:
    values = np.linspace(-12, 12, 48_001).astype(np.float32)
    exact = [value * 0.5 * (1 + math.erf(value / math.sqrt(2))) for value in values.tolist()]
    made = gelu(values)
    assert made.dtype == np.float32
    assert np.abs(made - exact).max() < 1e-6

"""The built-in encoder: what numpy does not have of it, and that texts do not depend on one another."""

import math

import numpy as np

from app.business.planner.services.sentence_encoder import BATCH, WIDTH, SentenceEncoder, gelu


def test_gelu_is_x_times_the_normal_distribution() -> None:
    values = np.linspace(-12, 12, 48_001).astype(np.float32)
    exact = [value * 0.5 * (1 + math.erf(value / math.sqrt(2))) for value in values.tolist()]
    made = gelu(values)
    assert made.dtype == np.float32
    assert np.abs(made - exact).max() < 1e-6


def test_a_text_has_the_same_vector_whatever_it_is_encoded_with() -> None:
    """Texts of one length and of others stand beside it, more of them than one batch holds."""
    encoder = SentenceEncoder.load()
    words = ["how", "to", "wash", "old", "running", "shoes", "for", "men", "without", "a", "machine"]
    texts = [f"{' '.join(words[:number])} {other}" for number in range(1, 12) for other in range(BATCH // 8)]
    together = encoder.embed(texts)
    for place in (0, 1, BATCH - 1, BATCH, len(texts) - 1):
        assert abs(together[place] - encoder.embed([texts[place]])[0]).max() < 1e-6, texts[place]
    assert encoder.embed([]).shape == (0, WIDTH)

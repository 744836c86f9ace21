"""Short texts as vectors: what they mean, by the built-in sentence encoder, and for other languages how they are spelt.

Importing this module loads numpy: only processes that cluster import it.
"""

from zlib import crc32

import numpy as np

from app.business.folding import fold
from app.business.planner.services.clustering_plan import SPELLING_MODEL
from app.business.planner.services.sentence_encoder import SentenceEncoder, Vectors, unit

SPELLING_WIDTH = 256
GRAMS = (3, 4)
CENTRE_WEIGHT = 50
"""From this number of texts on, most of what all of them share is subtracted; fewer texts say little about it."""


def embed(texts: list[str], model: str, encoder: SentenceEncoder | None = None) -> Vectors:
    """One unit vector for each text. encoder: where it is loaded already."""
    if not texts:
        return np.zeros((0, 0), np.float32)
    distinct = list(dict.fromkeys(texts))
    vectors = (encoder or SentenceEncoder.load()).embed(distinct)
    if model == SPELLING_MODEL:
        vectors = unit(np.hstack([vectors, _spelling(distinct)]))
    if len(distinct) == len(texts):
        return vectors
    place = {text: index for index, text in enumerate(distinct)}
    return vectors[[place[text] for text in texts]]


def _spelling(texts: list[str]) -> Vectors:
    """Parts of words counted into a fixed number of places, so that the same text always has the same vector."""
    out = np.zeros((len(texts), SPELLING_WIDTH), np.float32)
    for row, text in zip(out, texts, strict=True):
        for word in fold(text).split():
            spelt = f"<{word}>"
            grams = [spelt[at : at + size] for size in GRAMS for at in range(max(len(spelt) - size + 1, 1))]
            for gram in grams:
                mark = crc32(gram.encode())
                row[mark % SPELLING_WIDTH] += (1.0 if mark & 0x10000 else -1.0) / len(grams)
    return unit(out)

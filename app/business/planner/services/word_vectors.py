"""Short texts as vectors, from the word vectors that come with the wordllama wheel; no network.

Importing this module loads numpy and 18 MB of vectors on first use: only processes that cluster import it.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import wordllama
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

CENTRE_WEIGHT = 50
"""From this number of texts on, most of what all of them share is subtracted; fewer texts say little about it."""


def embed(texts: list[str]) -> Vectors:
    """One unit vector for each text; what all texts share (the head word of a niche) counts little."""
    vectors = _unit(_model().embed(texts))
    shared = len(texts) / (len(texts) + CENTRE_WEIGHT)
    return _unit(vectors - shared * vectors.mean(axis=0))


@cache
def _model() -> Any:
    # The wheel ships its tokenizer in `tokenizers` but looks for it in `tokenizer`, then in the cache folder's
    # `tokenizers`: with the package itself as cache folder everything is found where it was installed.
    return wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9), dtype=np.float32)

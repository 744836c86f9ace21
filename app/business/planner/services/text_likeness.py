"""How alike texts are in meaning, by the built-in vectors."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from app.business.planner.services.clustering_plan import model_of

if TYPE_CHECKING:
    from app.business.planner.services.sentence_encoder import SentenceEncoder

MOST_KEPT = 20_000


@cache
def _encoder() -> "SentenceEncoder":
    """Loaded once: processes that compare texts are children of step workers, which end soon."""
    from app.business.planner.services.sentence_encoder import SentenceEncoder

    return SentenceEncoder.load()


class TextLikeness:
    """Keeps vectors: the texts of one run's units are compared with the same pages again and again."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Any] = {}

    def __call__(self, texts: Sequence[str], others: Sequence[str], language: str) -> list[list[float]]:
        """A row for each text, with a figure for each of the others."""
        # Imported here: numpy and the encoder stay out of processes that compare nothing.
        import numpy as np

        model = model_of(language)
        self._read([*texts, *others], model)
        rows, columns = (np.stack([self._kept[model, text] for text in some]) for some in (texts, others))
        likeness: list[list[float]] = (rows @ columns.T).tolist()
        return likeness

    def prepare(self, texts: Sequence[str], language: str) -> None:
        """Encode texts that will be compared: many at once take half of what they take one after the other."""
        self._read(texts, model_of(language))

    def _read(self, texts: Sequence[str], model: str) -> None:
        from threadpoolctl import threadpool_limits

        from app.business.planner.services.text_vectors import embed

        if len(self._kept) > MOST_KEPT:
            self._kept.clear()
        missing = [text for text in dict.fromkeys(texts) if (model, text) not in self._kept]
        if missing:
            # One thread: the library's own wait for each other in a loop, which on a busy machine takes minutes.
            with threadpool_limits(1, "blas"):
                vectors = embed(missing, model, _encoder())
            self._kept.update(zip(((model, text) for text in missing), vectors, strict=True))


def nearest_clusters(own: bytes, others: dict[int, bytes], most: int) -> list[int]:
    """Ids of the clusters whose centres are nearest to `own`."""
    import numpy as np

    if not others:
        return []
    ids = list(others)
    centres = np.stack([np.frombuffer(others[key], np.float32) for key in ids])
    order = np.argsort(-(centres @ np.frombuffer(own, np.float32)), kind="stable")
    return [ids[place] for place in order[:most]]

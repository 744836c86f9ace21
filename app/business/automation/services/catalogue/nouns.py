"""Words for records, singular and plural."""


def plural(count: int, record_type: str | None) -> str:
    """A count with its noun: `1 idea`, `12 content items`."""
    word = noun(record_type)
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def plural_or_no(count: int, record_type: str | None) -> str:
    """The same for what was done: `no idea`, `1 idea`, `12 ideas`."""
    return plural(count, record_type) if count else f"no {noun(record_type)}"


def one(record_type: str) -> str:
    """`an idea`."""
    article = "an" if record_type[0] in "aeiou" else "a"
    return f"{article} {noun(record_type)}"


def noun(record_type: str | None) -> str:
    """The word for one record of that type."""
    return "content item" if record_type == "content" else record_type or "record"

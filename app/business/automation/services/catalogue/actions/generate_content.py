"""Write the content of tasks."""

from app.business.automation.services.catalogue.actions.base import ActionType, Ids, Params, RowId, started

BRIEF_PRICE = 1
"""Credits of the outline that is made where there is no AI connection, however long the article was to be."""


class GenerateContent(Params):
    task_ids: Ids | None = None
    task_id: RowId | None = None
    again: bool = False


class GenerateContentAction(ActionType[GenerateContent]):
    key = "generate_content"
    label = "Write the content"
    params = GenerateContent
    takes = ("task",)
    makes = "content"
    price_text = "1 credit for each started 100 words, 1 in all for an outline made without an AI connection"
    local = False
    seconds = 600
    ids = ("task_id", "task_ids")
    events = ("content_generated", "status_changed")

    def price(self, params: GenerateContent, amount: int = 1) -> int:
        """`amount` is the words asked for. Whether there is a connection shows when the work is done."""
        return max(words_price(amount), BRIEF_PRICE)


def words_price(words: int) -> int:
    """1 credit for each started 100 words."""
    return started(words, 100)


def article_price(words: int, asked: int, *, outline: bool) -> int:
    """What a written article costs: its words, at most those asked for; an outline of one costs BRIEF_PRICE."""
    return BRIEF_PRICE if outline else words_price(min(words, asked))


GENERATE_CONTENT = GenerateContentAction()

"""The columns of the lists of keywords, clusters and ideas."""

from collections.abc import Mapping

from app.business.planner.services.record_lists import ClusterFigures
from app.modules.display import number
from app.modules.list_columns import NOTHING, SHARED, Column, ListColumns, Row, figure, several, word

KEYWORD_COLUMNS = ListColumns(
    "columns",
    {
        "volume": Column("Volume", figure("volume"), is_figure=True, sort="volume"),
        "difficulty": Column("Difficulty", figure("difficulty"), is_figure=True, sort="difficulty"),
        "cpc": Column("CPC", figure("cpc"), is_figure=True),
        "clicks": Column("Clicks", figure("clicks"), is_figure=True, sort="clicks"),
        "impressions": Column("Impressions", figure("impressions"), is_figure=True, sort="impressions"),
        "position": Column("Position", figure("position"), is_figure=True, sort="position"),
        "traffic_potential": Column("Traffic potential", figure("traffic_potential"), is_figure=True),
        "intent": Column("Intent", lambda row: (row.intent or NOTHING).capitalize()),
        "intents": Column("All intents", several("intents")),
        "parent_keyword": Column("Parent keyword", word("parent_keyword")),
        "serp_features": Column("SERP features", several("serp_features")),
        "match_type": Column("Match type", word("match_type")),
        "country": Column("Country", word("country")),
        "language": Column("Language", word("language")),
        "url": Column("Page that ranks", word("url")),
        "cluster": Column(
            "Cluster",
            lambda row: row.cluster.name if row.cluster else NOTHING,
            link=("planner.cluster", "cluster_id"),
        ),
        **SHARED,
    },
    ("volume", "difficulty", "intent", "cluster"),
)
IDEA_COLUMNS = ListColumns(
    "idea_columns",
    {
        "cluster": Column(
            "Cluster",
            lambda row: row.cluster.name if row.cluster else NOTHING,
            link=("planner.cluster", "cluster_id"),
        ),
        "main_keyword": Column("Main keyword", word("main_keyword")),
        "kind": Column("Kind", lambda row: str(row.content_type).replace("_", " ").capitalize()),
        **SHARED,
    },
    ("cluster", "kind", "added"),
)


def cluster_columns(figures: Mapping[int, ClusterFigures]) -> ListColumns:
    """With the figures of the page's clusters."""

    def counted(row: Row) -> ClusterFigures:
        return figures.get(row.id, ClusterFigures())

    return ListColumns(
        "cluster_columns",
        {
            "keywords": Column("Keywords", lambda row: number(counted(row).keyword_count), is_figure=True),
            "volume": Column("Volume", lambda row: number(counted(row).total_volume), is_figure=True),
            "ideas": Column("Ideas", lambda row: number(counted(row).idea_count), is_figure=True),
            "main_keyword": Column("Main keyword", word("main_keyword")),
            "intent": Column("Intent", lambda row: (row.main_intent or NOTHING).capitalize()),
            **SHARED,
        },
        ("keywords", "volume", "ideas", "intent"),
    )

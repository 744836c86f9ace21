"""Clusters that nobody has built on are grouped anew as their sector grows; what people decided stays."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from random import Random

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.planner.models import Cluster, Keyword, Sector
from app.business.planner.services import loose_clusters
from app.business.planner.services.cluster_service import (
    merge_clusters,
    move_keywords,
    release_keywords,
    split_cluster,
    update_cluster,
)
from app.business.planner.services.clustering_plan import (
    ClusteringAnswer,
    ClusteringRequest,
    KeywordFacts,
    LooseCluster,
    NewCluster,
)
from app.business.planner.services.clustering_service import ClusteringService
from app.business.planner.services.loose_groups import place_loose
from app.business.planner.services.record_changes import KEYWORD, set_status
from tests.business.planner.stories import events, person, rule, sector_of_new_account
from tests.factories import make_cluster, make_idea, make_keyword

BIKES = ["electric bike battery", "e bike battery replacement", "electric bicycle batteries", "ebike battery"]
BREAD = [
    "sourdough starter recipe",
    "sourdough starter",
    "make a sourdough starter",
    "easy sourdough starter",
]
Touch = Callable[[Session, Cluster, datetime], object]


@pytest.fixture
def sector(session: Session) -> Sector:
    return sector_of_new_account(session)


def _add(session: Session, sector: Sector, texts: Sequence[str]) -> list[int]:
    return [make_keyword(session, sector, text=text).id for text in texts]


def _group(
    session: Session,
    sector: Sector,
    ids: list[int],
    now: datetime,
    unit: int = 1,
    service: ClusteringService | None = None,
) -> None:
    service = service or ClusteringService()
    request = service.read(session, sector.account_id, sector.id, ids)
    origin = rule(sector, unit_key=f"r7-s0-{unit}")
    service.save(session, service.group(request, "k"), origin=origin, now=now)


def _two_clusters(session: Session, sector: Sector, now: datetime) -> tuple[Cluster, Cluster]:
    """Made by grouping; and the sector has grown since."""
    _group(session, sector, _add(session, sector, BIKES + BREAD), now)
    bikes, bread = session.scalars(select(Cluster).order_by(Cluster.name)).all()
    assert (bikes.name in BIKES, bread.name in BREAD) == (True, True)
    return bikes, bread


def _grown(session: Session, sector: Sector, service: ClusteringService | None = None) -> ClusteringRequest:
    ids = _add(session, sector, [f"subject {number} of the day" for number in range(6)])
    return (service or ClusteringService()).read(session, sector.account_id, sector.id, ids)


def _first_keyword(session: Session, cluster: Cluster) -> int:
    return session.scalars(select(Keyword.id).where(Keyword.cluster_id == cluster.id)).first() or 0


def _rename(session: Session, cluster: Cluster, now: datetime) -> None:
    update_cluster(session, cluster, {"name": "Batteries"}, origin=person(cluster.sector), now=now)


def _note(session: Session, cluster: Cluster, now: datetime) -> None:
    update_cluster(session, cluster, {"note": "Not before May."}, origin=person(cluster.sector), now=now)


def _label_by_rule(session: Session, cluster: Cluster, now: datetime) -> None:
    update_cluster(session, cluster, {"labels": ["good"]}, origin=rule(cluster.sector, 8), now=now)


def _idea(session: Session, cluster: Cluster, now: datetime) -> None:
    make_idea(session, cluster.sector, cluster_id=cluster.id)


def _archived_idea(session: Session, cluster: Cluster, now: datetime) -> None:
    make_idea(session, cluster.sector, cluster_id=cluster.id, archived_at=now)


def _put_in(session: Session, cluster: Cluster, now: datetime) -> None:
    stray = make_keyword(session, cluster.sector, text="wedding cake")
    move_keywords(session, cluster, [stray.id], origin=person(cluster.sector), now=now)


def _take_out(session: Session, cluster: Cluster, now: datetime) -> None:
    ids = [_first_keyword(session, cluster)]
    release_keywords(session, cluster, ids, origin=person(cluster.sector), now=now)


def _ignore(session: Session, cluster: Cluster, now: datetime) -> None:
    set_status(session, KEYWORD, [_first_keyword(session, cluster)], "ignored", person(cluster.sector), now)


def _archive(session: Session, cluster: Cluster, now: datetime) -> None:
    session.get_one(Keyword, _first_keyword(session, cluster)).archived_at = now
    session.flush()


def _merge(session: Session, cluster: Cluster, now: datetime) -> None:
    other = make_cluster(session, cluster.sector)
    make_keyword(session, cluster.sector, text="car battery", status="clustered", cluster_id=other.id)
    merge_clusters(session, cluster, [other], origin=person(cluster.sector), now=now)


def _split(session: Session, cluster: Cluster, now: datetime) -> None:
    ids = [_first_keyword(session, cluster)]
    split_cluster(session, cluster, "Other", ids, origin=person(cluster.sector), now=now)


def _plan(session: Session, cluster: Cluster, now: datetime) -> None:
    update_cluster(session, cluster, {"status": "done"}, origin=person(cluster.sector), now=now)


TOUCHES: list[Touch] = [
    _rename, _note, _label_by_rule, _idea, _archived_idea, _put_in, _take_out, _ignore, _archive, _merge, _split,
]  # fmt: skip
touched = pytest.mark.parametrize("touch", TOUCHES, ids=lambda touch: touch.__name__.strip("_"))


def test_what_nobody_has_touched_is_grouped_anew(session: Session, sector: Sector, now: datetime) -> None:
    bikes, bread = _two_clusters(session, sector, now)
    by_hand = make_cluster(session, sector)
    make_keyword(session, sector, text="garden hose", status="clustered", cluster_id=by_hand.id)
    request = _grown(session, sector)
    assert set(request.loose) == {bikes.id, bread.id}
    assert sorted(keyword.text for keyword in request.loose[bikes.id].keywords) == sorted(BIKES)
    assert set(request.known) == {by_hand.id}
    assert request.size == 15


@touched
def test_what_somebody_has_touched_stays(
    session: Session, sector: Sector, now: datetime, touch: Touch
) -> None:
    bikes, bread = _two_clusters(session, sector, now)
    touch(session, bikes, now)
    session.flush()
    request = _grown(session, sector)
    assert set(request.loose) == {bread.id}
    assert bikes.id in request.known


@pytest.mark.parametrize("touch", [_put_in, _take_out, _split], ids=lambda touch: touch.__name__.strip("_"))
def test_what_people_moved_is_not_forgotten_when_more_keywords_come(
    session: Session, sector: Sector, now: datetime, touch: Touch
) -> None:
    bikes, bread = _two_clusters(session, sector, now)
    touch(session, bikes, now)
    _group(session, sector, _add(session, sector, ["ebike battery price"]), now, unit=2)
    assert set(_grown(session, sector).loose) == {bread.id}


def test_clusters_that_runs_use_stay(session: Session, sector: Sector, now: datetime) -> None:
    bikes, bread = _two_clusters(session, sector, now)
    service = ClusteringService(in_use=lambda _session, _account, ids: {bikes.id} & set(ids))
    assert set(_grown(session, sector, service).loose) == {bread.id}


@pytest.mark.parametrize("case", ["not grown", "large", "by parent keyword"])
def test_only_small_sectors_that_have_grown_are_grouped_anew(
    session: Session, sector: Sector, now: datetime, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    _two_clusters(session, sector, now)
    if case == "not grown":
        ids = _add(session, sector, ["subject of the day"])
        request = ClusteringService().read(session, sector.account_id, sector.id, ids)
    else:
        monkeypatch.setattr(
            "app.business.planner.services.clustering_service.MOST_GROUPED_ANEW",
            13 if case == "large" else 3_000,
        )
        sector.site.grouping = "parent_keyword" if case == "by parent keyword" else "meaning"
        request = _grown(session, sector)
    assert not request.loose
    assert len(request.known) == 2


def _answer(request: ClusteringRequest, bikes: Cluster, bread: Cluster) -> ClusteringAnswer:
    """One of the bikes' keywords goes to the bread, two become a cluster of their own with a new keyword; of the bread
    everything stays."""
    old, new = [keyword.id for keyword in request.loose[bikes.id].keywords], request.keywords[0].id
    answer = ClusteringAnswer(
        request.sector_id,
        groups=[NewCluster("battery", None, [old[1], old[2], new])],
        left=[keyword.id for keyword in request.keywords[1:]],
        loose={key: cluster.members for key, cluster in request.loose.items()},
        former={keyword.id: key for key, one in request.loose.items() for keyword in one.keywords},
    )
    ids = [keyword.id for keyword in request.loose[bread.id].keywords]
    return replace(answer, goes_on={bread.id: [*ids, old[0], old[3]]})


def _places(session: Session) -> dict[str, int | None]:
    session.expire_all()
    return {row.text: row.cluster_id for row in session.scalars(select(Keyword))}


def test_keywords_change_their_cluster_and_an_empty_one_ends(
    session: Session, sector: Sector, now: datetime
) -> None:
    bikes, bread = _two_clusters(session, sector, now)
    request, before, version = _grown(session, sector), events(session), bread.version
    gone = bikes.id
    answer = _answer(request, bikes, bread)
    origin = rule(sector, 9, "r9-s0-1")
    saved = ClusteringService().save(session, answer, origin=origin, now=now)
    [made] = saved.clusters
    assert (saved.placed, saved.moved, saved.joined) == (1, 4, 0)
    places = _places(session)
    found = [places[keyword.text] for keyword in request.loose[gone].keywords]
    assert found == [bread.id, made.id, made.id, bread.id]
    assert places[request.keywords[0].text] == made.id
    assert session.get(Cluster, gone) is None
    # The cluster that went on is the same for everybody who looks at it; the new one is reported.
    assert session.get_one(Cluster, bread.id).version == version
    assert events(session) - before == {("cluster_created", "cluster"): 1, ("status_changed", "keyword"): 1}
    versions = session.scalars(select(Keyword.version).where(Keyword.cluster_id == made.id))
    assert sorted(versions) == [2, 3, 3]


@touched
def test_what_is_touched_while_grouping_works_stays(
    session: Session, sector: Sector, now: datetime, touch: Touch
) -> None:
    bikes, bread = _two_clusters(session, sector, now)
    request = _grown(session, sector)
    answer = _answer(request, bikes, bread)
    touch(session, bikes, now)
    session.flush()
    before = _places(session)
    saved = ClusteringService().save(session, answer, origin=rule(sector, 9, "r9-s0-1"), now=now)
    after = _places(session)
    assert {text: after.get(text) for text in BIKES} == {text: before.get(text) for text in BIKES}
    assert session.get(Cluster, bikes.id) is not None
    assert saved.placed == 1


def test_of_two_groupings_at_once_the_later_one_takes_nothing_away(
    session: Session, sector: Sector, now: datetime
) -> None:
    bikes, bread = _two_clusters(session, sector, now)
    request = _grown(session, sector)
    answer = _answer(request, bikes, bread)
    ClusteringService().save(session, answer, origin=rule(sector, 9, "r9-s0-1"), now=now)
    places = _places(session)
    again = ClusteringService().save(session, answer, origin=rule(sector, 10, "r10-s0-1"), now=now)
    assert (again.placed, again.moved, again.clusters) == (0, 0, [])
    assert _places(session) == places


def _facts(*texts: str) -> list[KeywordFacts]:
    return [KeywordFacts(ord(text), text, 0, None) for text in texts]


def _placed(groups: Sequence[str], joins: dict[int, str]) -> tuple[dict[int, str], list[str], dict[int, str]]:
    """What becomes of the clusters 1 (named a, with a b c) and 2 (named d, with d e) when x is new."""
    request = ClusteringRequest(
        1, _facts("x"), {}, 2,
        loose={1: LooseCluster("a", _facts("a", "b", "c")), 2: LooseCluster("d", _facts("d", "e"))},
    )  # fmt: skip
    made = [NewCluster(group[0], None, [ord(text) for text in group]) for group in groups]
    joined = {key: [ord(text) for text in texts] for key, texts in joins.items()}
    answer = place_loose(request, ClusteringAnswer(1, joined, made), lambda ids: bytes(sorted(ids)))

    def texts(ids: list[int]) -> str:
        return "".join(sorted(map(chr, ids)))

    assert all(group.centre == bytes(sorted(group.keyword_ids)) for group in answer.groups)
    assert {key: size for key, (_, size) in answer.centres.items()} == {
        key: len(ids) for key, ids in answer.goes_on.items()
    }
    return (
        {key: texts(ids) for key, ids in answer.goes_on.items()},
        [texts(group.keyword_ids) for group in answer.groups],
        {key: texts(ids) for key, ids in answer.joins.items()},
    )


@pytest.mark.parametrize(
    ("groups", "joins", "found"),
    [
        (["abc", "de"], {}, ({1: "abc", 2: "de"}, [], {})),
        (["bcx", "ad"], {}, ({1: "ade"}, ["bcx"], {})),
        (["adx"], {}, ({1: "abcdex"}, [], {})),
        (["bcx"], {}, ({2: "de"}, ["abcx"], {})),
        ([], {9: "ab"}, ({2: "de"}, [], {9: "abc"})),
        ([], {}, ({1: "abc", 2: "de"}, [], {})),
        (["bd", "ce"], {}, ({2: "abd"}, ["ce"], {})),
    ],
)  # fmt: skip
def test_what_becomes_of_loose_clusters(
    groups: Sequence[str], joins: dict[int, str], found: tuple[dict[int, str], list[str], dict[int, str]]
) -> None:
    assert _placed(groups, joins) == found


@pytest.mark.parametrize("seed", range(20))
def test_no_keyword_of_a_cluster_ends_without_one(seed: int) -> None:
    random = Random(seed)
    letters = list("abcdex")
    random.shuffle(letters)
    sizes, groups = random.choices((1, 2, 3), k=6), list[str]()
    for size in sizes:
        groups.append("".join(letters[:size]))
        del letters[:size]
    several = [group for group in groups if len(group) > 1]
    joins = {9: several.pop()} if several and random.random() < 0.5 else {}
    goes_on, made, joined = _placed(several, joins)
    ends = [*goes_on.values(), *made, *joined.values()]
    every = "".join(ends)
    assert len(every) == len(set(every))
    assert set("abcde") <= set(every)
    assert all(ends)


def test_steps_rearrange_for_real(session: Session, sector: Sector, now: datetime) -> None:
    texts = [text for pair in zip(BIKES, BREAD, strict=True) for text in pair]
    for unit, start in enumerate(range(0, len(texts), 2)):
        _group(session, sector, _add(session, sector, texts[start : start + 2]), now, unit)
    places = _places(session)
    assert None not in places.values()
    assert len({places[text] for text in BIKES}) == len({places[text] for text in BREAD}) == 1
    assert set(places.values()) == set(session.scalars(select(Cluster.id)))
    assert loose_clusters.MOST_GROUPED_ANEW == 3_000

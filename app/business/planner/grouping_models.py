"""What grouping keeps of a sector, so that new keywords are placed without reading the old ones again."""

from sqlalchemy import ForeignKeyConstraint, LargeBinary, UniqueConstraint, true
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, Id, Text, owner_key


def _goes_with(column: str, table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["account_id", column], [f"{table}.account_id", f"{table}.id"], ondelete="CASCADE"
    )


class ClusterCentre(AccountOwned, Base):
    """Mean of the vectors of a cluster's keywords.

    model: whose vectors · members: fingerprint of those keywords; where it is not that of the cluster's keywords any
    more, because people moved some, the mean is made anew · settled: others than grouping have decided which keywords
    it has, so grouping takes none of them away.
    """

    __tablename__ = "cluster_centre"
    __table_args__ = owner_key(_goes_with("cluster_id", "cluster"), UniqueConstraint("cluster_id"))

    cluster_id: Mapped[int] = mapped_column(Id)
    model: Mapped[str] = mapped_column(Text(255))
    members: Mapped[str] = mapped_column(Text(100))
    vector: Mapped[bytes] = mapped_column(LargeBinary)
    settled: Mapped[bool] = mapped_column(default=True, server_default=true())


class SectorCut(AccountOwned, Base):
    """Greatest mean distance within a cluster of the sector, as it was estimated when it had `size` keywords."""

    __tablename__ = "sector_cut"
    __table_args__ = owner_key(_goes_with("sector_id", "sector"), UniqueConstraint("sector_id"))

    sector_id: Mapped[int] = mapped_column(Id)
    model: Mapped[str] = mapped_column(Text(255))
    cut: Mapped[float]
    size: Mapped[int]

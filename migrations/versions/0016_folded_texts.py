"""Store case-folded texts with the texts, so that folding does not depend on the database, and make keywords unique by
them.

Keywords of one site with the same folded text are kept: the first uses the folded text as its key, the others append
their id, and a notice lists them. Sectors of one site with the same folded name are listed too.

Revision ID: 0016
Revises: 0015
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from app.business.base import Json, Text, UtcDateTime
from app.business.folding import fold


revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None

ROWS_AT_ONCE = 500
SHARED = ('note',)
FOLDED = {
    'account': ('name',),
    'automation_rule': ('name', 'description'),
    'user': ('email', 'name'),
    'site': ('name', 'url', 'timezone', 'language'),
    'sector': ('name',),
    'keyword': ('text', 'country', 'language', 'url', *SHARED),
    'cluster': ('name', 'main_keyword', *SHARED),
    'idea': ('title', 'description', 'content_type', 'main_keyword', *SHARED),
    'task': ('title', 'brief', 'main_keyword', *SHARED),
    'content': (
        'title', 'html', 'meta_title', 'meta_description', 'main_keyword', 'published_url', *SHARED
    ),
}
LABELLED = ('keyword', 'cluster', 'idea', 'task', 'content')
NULLABLE = ('timezone',)


def upgrade() -> None:
    for table, names in FOLDED.items():
        for name in names:
            default = None if name in NULLABLE else ''
            op.add_column(
                table, sa.Column(f'{name}_folded', Text(), nullable=name in NULLABLE, server_default=default)
            )
        if table in LABELLED:
            op.add_column(table, sa.Column('labels_folded', Json(), nullable=False, server_default='[]'))
        _fill(table, names)
    op.add_column('keyword', sa.Column('text_key', Text(), nullable=False, server_default=''))
    op.execute('UPDATE keyword SET text_key = text_folded')
    doubles = _same('keyword', 'text')
    for later in [row for rows in doubles.values() for row in rows[1:]]:
        op.get_bind().execute(
            sa.text('UPDATE keyword SET text_key = :key WHERE id = :id'),
            {'key': f'{fold(later.text)}\n{later.id}', 'id': later.id},
        )
    op.create_index('uq_keyword_site_id_text_key', 'keyword', ['site_id', 'text_key'], unique=True)
    _give_notice(
        doubles, 'keywords', 'same-keywords',
        'From now on they count as the same keyword. Nothing was merged: look at them in the list of keywords, filter'
        ' “Doubles”, and ignore those that you do not need.',
    )
    _give_notice(
        _same('sector', 'name'), 'sectors', 'same-sectors',
        'From now on they count as the same name. Nothing was merged: rename one of them on the page of its site.',
    )


def downgrade() -> None:
    op.execute("DELETE FROM notice WHERE key IN ('same-keywords', 'same-sectors')")
    op.drop_index('uq_keyword_site_id_text_key', table_name='keyword')
    op.drop_column('keyword', 'text_key')
    for table, names in reversed(FOLDED.items()):
        if table in LABELLED:
            op.drop_column(table, 'labels_folded')
        for name in reversed(names):
            op.drop_column(table, f'{name}_folded')


def _fill(name: str, texts: tuple[str, ...]) -> None:
    columns = [sa.column(text) for text in texts]
    if name in LABELLED:
        columns.append(sa.column('labels', Json()))
    table = sa.table(name, sa.column('id'), *columns, *(sa.column(f'{c.name}_folded', c.type) for c in columns))
    changed = sa.update(table).where(table.c.id == sa.bindparam('row_id'))
    changed = changed.values({f'{c.name}_folded': sa.bindparam(f'{c.name}_new') for c in columns})
    for rows in _rows(table, [table.c[c.name] for c in columns]):
        values = [
            {'row_id': row[0]} | {f'{c.name}_new': _folded(value) for c, value in zip(columns, row[1:])}
            for row in rows
        ]
        op.get_bind().execute(changed, values)


def _rows(table: Any, columns: list[Any]) -> Iterator[list[Any]]:
    last = 0
    while True:
        query = sa.select(table.c.id, *columns).where(table.c.id > last).order_by(table.c.id).limit(ROWS_AT_ONCE)
        rows = list(op.get_bind().execute(query))
        if not rows:
            return
        yield rows
        last = rows[-1][0]


def _folded(value: Any) -> Any:
    if isinstance(value, list):
        return [_folded(item) for item in value]
    return fold(value) if isinstance(value, str) else value


def _same(table: str, text: str) -> dict[tuple[int, str], list[Any]]:
    """Groups of more than one row with the same site and folded text."""
    found = op.get_bind().execute(sa.text(
        f'SELECT id, account_id, site_id, {text} AS text FROM {table} WHERE (site_id, {text}_folded) IN'
        f' (SELECT site_id, {text}_folded FROM {table} GROUP BY site_id, {text}_folded HAVING count(*) > 1)'
        ' ORDER BY id'
    ))
    groups: dict[tuple[int, str], list[Any]] = {}
    for row in found:
        groups.setdefault((row.site_id, fold(row.text)), []).append(row)
    return groups


def _give_notice(groups: dict[tuple[int, str], list[Any]], what: str, key: str, advice: str) -> None:
    """One notice for each account, listing the first ten groups."""
    accounts: dict[int, list[str]] = {}
    for rows in groups.values():
        accounts.setdefault(rows[0].account_id, []).append(' = '.join(f'“{row.text}”' for row in rows))
    notice = sa.table(
        'notice', sa.column('account_id'), sa.column('level'), sa.column('title'), sa.column('body'),
        sa.column('key'), sa.column('created_at', UtcDateTime()),
    )
    for account_id, named in accounts.items():
        more = f' and {len(named) - 10:,} more' if len(named) > 10 else ''
        op.get_bind().execute(sa.insert(notice).values(
            account_id=account_id, level='warning', key=key, created_at=datetime.now(UTC),
            title=f'Some {what} differ only in letter case or in signs that cannot be seen',
            body=f'{"; ".join(named[:10])}{more}. {advice}',
        ))

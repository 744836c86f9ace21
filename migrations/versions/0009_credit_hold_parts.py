"""Record the parts of each run's hold by spend counter, charges by site, and the total of a start as a counter.

Parts are created from existing holds, as 0.3.0 counted them: on the account's day, the rule's month and the run's own
site. Earlier charges have no site, so they count for site 0; what a counter holds in addition to its runs (a retry
moved a run to another day) is its opening balance.

Revision ID: 0009
Revises: 0008
"""

from datetime import date
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text, UtcDateTime
from app.infrastructure.schema import protect_history


revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

CHUNK = 1000
SCOPES = "scope IN ('account', 'rule', 'site', 'start')"
OLD_SCOPES = "scope IN ('account', 'site', 'rule')"

account = sa.table('account', sa.column('id', Id), sa.column('timezone', Text()))
hold = sa.table(
    'credit_hold',
    sa.column('account_id', Id), sa.column('run_id', Id), sa.column('amount', sa.Integer),
    sa.column('posted', sa.Integer), sa.column('state', Text()), sa.column('created_at', UtcDateTime()),
)
run = sa.table(
    'scheduled_task',
    sa.column('id', Id), sa.column('automation_rule_id', Id), sa.column('site_id', Id),
    sa.column('budget_day', sa.Date), sa.column('counted_day', sa.Date),
)
part = sa.table(
    'credit_hold_part',
    sa.column('account_id', Id), sa.column('run_id', Id), sa.column('scope', Text()), sa.column('scope_id', Id),
    sa.column('period', Text()), sa.column('amount', sa.Integer), sa.column('posted', sa.Integer),
)


def upgrade() -> None:
    op.create_table(
        'credit_hold_part',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('run_id', Id, nullable=False),
        sa.Column('scope', Text(8), nullable=False),
        sa.Column('scope_id', Id, nullable=False),
        sa.Column('period', Text(10), nullable=False),
        sa.Column('amount', sa.Integer(), nullable=False),
        sa.Column('posted', sa.Integer(), nullable=False),
        sa.CheckConstraint(SCOPES, name=op.f('ck_credit_hold_part_scope_known')),
        sa.CheckConstraint('posted >= 0 AND posted <= amount', name=op.f('ck_credit_hold_part_posted_within_amount')),
        sa.ForeignKeyConstraint(
            ['account_id'], ['account.id'], name=op.f('fk_credit_hold_part_account_id_account'), ondelete='RESTRICT'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_credit_hold_part')),
        sa.UniqueConstraint('account_id', 'id', name=op.f('uq_credit_hold_part_account_id_id')),
        sa.UniqueConstraint(
            'run_id', 'scope', 'scope_id', 'period', name=op.f('uq_credit_hold_part_run_id_scope_scope_id_period')
        ),
    )
    with op.batch_alter_table('credit_hold_part') as batch:
        batch.create_index(
            'ix_credit_hold_part_account_id_scope_scope_id_period', ['account_id', 'scope', 'scope_id', 'period']
        )
    op.add_column('credit_entry', sa.Column('site_id', Id, nullable=True))
    with op.batch_alter_table('spend_counter') as batch:
        batch.add_column(sa.Column('opening', sa.Integer(), nullable=False, server_default='0'))
        batch.drop_constraint(op.f('ck_spend_counter_scope_known'), type_='check')
        batch.create_check_constraint(op.f('ck_spend_counter_scope_known'), SCOPES)
    _fill_parts()
    _fit_counters()
    protect_history(op.get_bind())


def downgrade() -> None:
    op.execute("DELETE FROM spend_counter WHERE scope = 'start' OR scope_id = 0")
    with op.batch_alter_table('spend_counter') as batch:
        batch.drop_column('opening')
        batch.drop_constraint(op.f('ck_spend_counter_scope_known'), type_='check')
        batch.create_check_constraint(op.f('ck_spend_counter_scope_known'), OLD_SCOPES)
    op.drop_column('credit_entry', 'site_id')
    op.drop_table('credit_hold_part')
    protect_history(op.get_bind())


def _fill_parts() -> None:
    bind = op.get_bind()
    zones = dict(bind.execute(sa.select(account.c.id, account.c.timezone)).all())
    rows = bind.execute(sa.select(hold, run).join(run, run.c.id == hold.c.run_id)).mappings().all()
    parts = [one for row in rows for one in _parts(row, zones)]
    for start in range(0, len(parts), CHUNK):
        bind.execute(sa.insert(part), parts[start:start + CHUNK])


def _parts(row: sa.RowMapping, zones: dict[int, str]) -> list[dict[str, object]]:
    day = row['budget_day'] or row['counted_day'] or _local_day(row, zones)
    month = f'{day:%Y-%m}'
    amount = row['amount'] if row['state'] == 'open' else row['posted']
    counters = [
        ('account', row['account_id'], day.isoformat(), amount, row['posted']),
        ('rule', row['automation_rule_id'], month, amount, row['posted']),
    ]
    if row['site_id'] is None:
        counters.append(('site', 0, month, amount, row['posted']))
    else:
        counters.append(('site', 0, month, row['posted'], row['posted']))
        counters.append(('site', row['site_id'], month, amount - row['posted'], 0))
    names = ('scope', 'scope_id', 'period', 'amount', 'posted')
    owner = {'account_id': row['account_id'], 'run_id': row['run_id']}
    return [owner | dict(zip(names, counter, strict=True)) for counter in counters if counter[3]]


def _local_day(row: sa.RowMapping, zones: dict[int, str]) -> date:
    return row['created_at'].astimezone(ZoneInfo(zones[row['account_id']])).date()


def _fit_counters() -> None:
    same = (
        'p.account_id = spend_counter.account_id AND p.scope = spend_counter.scope '
        'AND p.scope_id = spend_counter.scope_id AND p.period = spend_counter.period'
    )
    op.execute(
        'INSERT INTO spend_counter (account_id, scope, scope_id, period, spent, held, opening) '
        'SELECT p.account_id, p.scope, p.scope_id, p.period, SUM(p.posted), 0, 0 FROM credit_hold_part p '
        f'WHERE NOT EXISTS (SELECT 1 FROM spend_counter WHERE {same}) '
        'GROUP BY p.account_id, p.scope, p.scope_id, p.period'
    )
    of_runs = f'SELECT COALESCE(SUM(p.posted), 0) FROM credit_hold_part p WHERE {same}'
    set_aside = f'SELECT COALESCE(SUM(p.amount - p.posted), 0) FROM credit_hold_part p WHERE {same}'
    op.execute(f'UPDATE spend_counter SET opening = spent - ({of_runs}), held = ({set_aside})')

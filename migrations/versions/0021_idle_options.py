"""Reset options of rules that have no effect with their trigger to their defaults.

Such values are now refused; the effect of the rules does not change.

Revision ID: 0021
Revises: 0020
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from app.business.base import Json


revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None

TOGETHER = {'batching': 'batch'}
NEVER_LATE = {'overlap': 'skip', 'catch_up': 'latest', 'catch_up_hours': 12}


def upgrade() -> None:
    rows = op.get_bind().execute(sa.text('SELECT id, version, trigger, record_type, actions FROM automation_rule'))
    for rule in rows.mappings().all():
        _reset(rule, _usual(rule))


def _usual(rule: Any) -> dict[str, Any]:
    values: dict[str, Any] = TOGETHER if rule['trigger'] == 'schedule' else {}
    if rule['trigger'] != 'schedule':
        values = values | NEVER_LATE
    if rule['record_type'] is None:
        limit = 500 if 'cluster_keywords' in str(rule['actions']) else 50
        values = values | TOGETHER | {'record_minimum': 1, 'record_limit': limit, 'repeat': 'once', 'repeat_after_days': None}
    return values


def _reset(rule: Any, values: dict[str, Any]) -> None:
    """In the rule and in its present version."""
    connection = op.get_bind()
    sets = ', '.join(f'{name} = :{name}' for name in values)
    connection.execute(sa.text(f'UPDATE automation_rule SET {sets} WHERE id = :id'), values | {'id': rule['id']})
    key = {'id': rule['id'], 'version': rule['version']}
    of_version = 'rule_version WHERE rule_id = :id AND version = :version'
    found = connection.execute(sa.text(f'SELECT definition FROM {of_version}'), key).scalar()
    stored = json.loads(found) if isinstance(found, str) else found
    if stored is None or not any(stored.get(name, value) != value for name, value in values.items()):
        return
    changed = stored | {name: value for name, value in values.items() if name in stored}
    version = sa.table('rule_version', *map(sa.column, ('rule_id', 'version')), sa.column('definition', Json()))
    connection.execute(
        sa.update(version)
        .where(version.c.rule_id == key['id'], version.c.version == key['version'])
        .values(definition=changed)
    )


def downgrade() -> None:
    """Nothing to restore: the values had no effect."""

"""The permissions of every address, in a table that must contain every new address; and one row of everything.

Names are those of the URL map's endpoints.
"""

from datetime import UTC, datetime

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Notice, UserSession
from app.business.accounts.saved_filter_models import SavedFilter
from app.business.accounts.services import api_keys, uploads
from app.business.accounts.services.audit_log import AuditActor
from app.business.automation.calendar_models import SiteCalendar
from app.business.automation.models import RuleDraft
from app.business.automation.rule_change_models import RuleChange
from app.business.automation.services.calendars.working_calendar import WorkingCalendar
from app.business.automation.services.operations.lifecycle import begin_operation
from app.business.automation.services.rules.versions import definition_of
from app.business.outlets.models import AiConnection
from app.business.outlets.wordpress_models import WordPressConnection
from app.business.writer.services import content_shares
from app.business.writer.services.content_versions import keep_first_version
from app.business.writer.share_models import ContentShare
from tests.factories import (
    make_cluster,
    make_content,
    make_delivery,
    make_idea,
    make_incident,
    make_keyword,
    make_passkey,
    make_sector,
    make_site,
    make_task,
    make_webhook,
)
from tests.modules.automation_pages import ON_KEYWORDS, make_rule, make_run
from tests.people import People, browser_of

ROLES = ("viewer", "operator", "editor", "owner")
WITH_OWN_SIGNATURE = {"outlets.unsubscribe", "incoming_api.receive_message"}
"""Addresses whose POST needs no CSRF token, because the request is signed in another way."""

TABLE = {
    "anyone": """
        static accounts.sign_in accounts.sign_in_code accounts.passkey_sign_in accounts.passkey_options writer.shared
        accounts.sign_out accounts.welcome accounts.use_welcome
        system.healthz system.readyz outlets.ask_unsubscribe outlets.unsubscribe incoming_api.receive_message
    """,
    "viewer": """
        accounts.profile accounts.save_profile accounts.notice_choices accounts.save_notice_choices
        accounts.second_factor accounts.switch_on_second_factor accounts.switch_off_second_factor
        accounts.renew_recovery_codes
        accounts.passkeys accounts.begin_passkey accounts.add_passkey accounts.rename_passkey accounts.remove_passkey
        accounts.password accounts.sessions accounts.end_session accounts.end_other_sessions
        accounts.end_all_sessions
        accounts.settings
        billing.credits billing_api.show_credits billing_api.list_entries billing_api.export_ledger
        billing_api.show_forecast
        accounts_api.show_settings accounts_api.list_people
        automation.dashboard automation.rules automation.rule automation.versions
        automation.version automation.rule_change automation.templates automation.calendar automation.history
        automation.site_calendar automation.account_calendar
        calendars_api.show_site_calendar calendars_api.show_account_calendar
        automation.history_columns automation.export_runs automation.search automation.help automation.help_section
        automation.rule_days automation.save_filter automation.remove_filter
        automation.run automation.operation
        automation.why automation.why_rule automation.notices automation.read_notices
        automation.incidents automation.incident automation_api.list_incidents automation_api.get_incident
        automation_api.list_rules automation_api.get_rule automation_api.explain_rule automation_api.show_catalog
        automation_api.show_calendar automation_api.list_runs automation_api.export_runs automation_api.get_run
        automation_api.list_rule_changes automation_api.get_rule_change
        automation_api.get_operation automation_api.list_versions automation_api.get_version
        automation_api.list_set_aside automation_api.show_pause
        automation_api.show_summary
        automation_api.list_notices automation_api.get_notice automation_api.read_notice automation_api.read_notices
        planner.sites planner.site planner.keywords planner.keyword planner.clusters planner.cluster
        planner.ideas planner.idea
        planner_api.list_sites planner_api.get_site planner_api.list_sectors planner_api.get_sector
        planner_api.list_keywords planner_api.get_keyword planner_api.list_clusters planner_api.get_cluster
        planner_api.list_ideas planner_api.get_idea
        planner_api.export_keywords planner_api.export_clusters planner_api.export_ideas
        writer.tasks writer.task writer.contents writer.content writer.article writer.download_docx
        writer.download_md writer.download_html
        writer.download_many writer.give_approval writer.content_versions writer.content_version
        writer_api.list_tasks writer_api.get_task writer_api.list_content writer_api.get_content
        writer_api.export_tasks writer_api.export_content
        writer_api.list_content_versions writer_api.get_content_version writer_api.show_checks
        writer_api.download_content
        document_api.get_document api.docs api.call mcp_api.ask_assistant
        system.health system.moved system.header
    """,
    "operator": """
        automation.test automation.ask_run automation.run_now automation.try_past automation.begin_past
        automation.ask_retry_all automation.retry_all automation.retry automation.cancel
        automation.answer
        automation.do_left_over automation.ask_undo automation.undo automation.cancel_operation automation.my_work
        automation.decide_work automation.take_back_decision
        automation_api.preflight_rule automation_api.execute_rule automation_api.show_price
        automation_api.try_rule automation_api.back_test automation_api.show_preview automation_api.retry_run
        automation_api.cancel_run automation_api.undo_run automation_api.retry_runs automation_api.go_on
        automation_api.answer_run automation_api.cancel_operation
        planner.add_sector planner.edit_sector planner.new_keyword planner.decide_keywords planner.edit_keyword
        planner.import_keywords planner.preview_import planner.new_cluster planner.edit_cluster
        planner.merge_cluster planner.regroup_keywords planner.new_idea planner.decide_ideas planner.edit_idea
        planner_api.create_sector planner_api.change_sector planner_api.create_keyword
        planner_api.change_keyword planner_api.create_cluster planner_api.change_cluster
        planner_api.create_idea planner_api.change_idea planner_api.import_keywords
        planner_api.set_status_of_keywords planner_api.set_status_of_ideas
        planner_api.merge_clusters planner_api.split_cluster planner_api.take_keywords planner_api.release_keywords
        writer.new_task writer.decide_tasks writer.edit_task writer.edit_content writer.decide_content
        writer.share_content writer.end_share
        writer.restore_content_version writer.check_content
        writer.written_out writer.publish writer.start_over writer.mark_published writer.take_back_mark
        writer_api.publish_article writer_api.mark_published writer_api.approve_content
        writer_api.send_back_content writer_api.take_back_mark writer_api.start_over
        writer_api.set_status_of_tasks
        writer_api.restore_content_version writer_api.check_content
        writer_api.create_task writer_api.change_task writer_api.create_content writer_api.change_content
    """,
    "editor": """
        automation.pause_all automation.resume_all automation.resume_all_now automation.ask_switch_on
        automation.switch automation.take_existing automation.approve_change automation.send_back_change
        automation.withdraw_change automation.propose_anew
        automation.archive automation.restore automation.release_set_aside automation.ask_real
        automation.end_practice automation.restore_version automation.copy_rule automation.export_rule
        automation.export_rules automation.import_rules automation.look_at_import automation.take_import
        automation.use_template automation.new_rule automation.begin_rule automation.edit_rule
        automation.describe_rule automation.draft_described
        automation.try_draft automation.begin_draft_past automation.wizard automation.keep automation.preview
        automation.save automation.discard automation.go_on automation.mute_incident automation.unmute_incident
        automation_api.mute_incident automation_api.unmute_incident
        automation_api.create_rule automation_api.export_rules automation_api.import_rules
        automation_api.replace_rule automation_api.change_rule automation_api.archive_rule
        automation_api.enable_rule automation_api.disable_rule automation_api.copy_rule
        automation_api.restore_version automation_api.restore_rule automation_api.give_back
        automation_api.pause automation_api.end_pause
        automation_api.approve_rule_change automation_api.send_back_rule_change automation_api.withdraw_rule_change
        outlets.wordpress outlets.test_wordpress wordpress_api.show_wordpress wordpress_api.test_wordpress
    """,
    "owner": """
        accounts.team accounts.add_person accounts.ask_role accounts.change_role accounts.ask_sites accounts.save_sites
        accounts.ask_second_factor_off accounts.end_second_factor
        accounts.new_link
        accounts.switch_off accounts.switch_on accounts.api_keys accounts.add_key accounts.edit_key
        accounts.save_key accounts.revoke_key
        accounts.save_settings automation.audit accounts_api.list_audit accounts_api.export_audit
        accounts_api.change_settings_of_account
        outlets.ai outlets.save_ai outlets.test_ai outlets.remove_ai
        outlets.save_wordpress outlets.remove_wordpress
        wordpress_api.replace_wordpress wordpress_api.remove_wordpress
        outlets_api.show_ai outlets_api.replace_ai outlets_api.remove_ai outlets_api.test_ai
        outlets.incoming outlets.renew_incoming outlets.end_incoming
        outlets.webhooks outlets.new_webhook outlets.add_webhook outlets.webhook outlets.edit_webhook
        outlets.save_webhook outlets.test_webhook outlets.switch_webhook outlets.rotate_webhook
        outlets.remove_webhook outlets.delivery outlets.resend
        webhooks_api.list_webhooks webhooks_api.create_webhook webhooks_api.get_webhook
        webhooks_api.change_webhook webhooks_api.remove_webhook webhooks_api.rotate_secret
        webhooks_api.test_webhook webhooks_api.list_deliveries webhooks_api.resend_delivery
        planner.new_site planner.edit_site planner.grouping planner.preview_grouping
        planner.choose_grouping
        planner_api.create_site planner_api.change_site
        automation.save_site_calendar automation.remove_site_calendar
        automation.save_account_calendar automation.remove_account_calendar
        calendars_api.replace_site_calendar calendars_api.remove_site_calendar
        calendars_api.replace_account_calendar calendars_api.remove_account_calendar
    """,
}
NEEDED = {endpoint: role for role, endpoints in TABLE.items() for endpoint in endpoints.split()}

COLLECTIONS = {
    "rules": "rule", "drafts": "draft", "runs": "run", "scheduled-tasks": "run", "operations": "operation",
    "sites": "site", "sectors": "sector", "keywords": "keyword", "clusters": "cluster", "ideas": "idea",
    "tasks": "task", "content": "content", "team": "user", "sessions": "session", "passkeys": "passkey",
    "api-keys": "key", "rule": "rule", "<record_type>": "keyword", "webhooks": "webhook", "deliveries": "delivery",
    "incidents": "incident", "shares": "share", "filters": "filter", "notices": "notice",
    "changes": "change", "rule-changes": "change",
}  # fmt: skip
"""The part of an address before an id, and the row that it refers to."""
FIXED = {
    "runs.<kind>": "runs.csv",
    "<record_type>": "keyword",
    "<key>": "nightly-clusters",
    "<step>": "when",
    "<section>": "operators",
    "<int:number>": "1",
    "<int:credits>": "1",
    "<operation>": "list_rules",
    "<token>": "nobody-has-this",
    "<string:token>": "nobody-has-this",
    "<path:filename>": "nothing.css",
}
"""Variable parts of addresses that refer to no row."""
PRIVATE = ("/drafts/<int:id>", "/sessions/<int:id>", "/passkeys/<int:id>", "/import/<name>")
"""Parts of addresses whose rows belong to one person, not to the account."""
MISSING = dict.fromkeys(COLLECTIONS.values(), "987654321") | {
    "keyword file": "x" * 32,
    "rule file": "x" * 32,
}


def make_rows(app: Flask, session: Session, people: People) -> dict[str, str]:
    """One of everything in the account, committed; ids by kind."""
    now, account = datetime.now(UTC), people.account
    sector = make_sector(session, make_site(session, account))
    rule = make_rule(session, account, **ON_KEYWORDS, schedule={}, conditions={})
    rows = {
        "rule": rule, "run": make_run(session, rule, "failed", reason="action_failed"), "sector": sector,
        "keyword": make_keyword(session, sector), "cluster": make_cluster(session, sector),
        "idea": make_idea(session, sector), "task": make_task(session, sector),
        "content": make_content(session, sector), "user": people.viewer,
        "key": api_keys.issue(session, people.operator, "Import", now)[0],
        "operation": begin_operation(
            session, account_id=account.id, kind="bulk_retry", params={"runs": []}, user_id=None,
            sites={sector.site_id}, now=now
        ),
    }  # fmt: skip
    keep_first_version(session, rows["content"])
    hook = make_webhook(session, account)
    rows |= {"webhook": hook, "delivery": make_delivery(session, hook)}
    content_shares.make_share(session, rows["content"], AuditActor(people.operator.id), now)
    rows["share"] = session.scalars(select(ContentShare)).one()
    rows["filter"] = SavedFilter(
        account_id=account.id, user_id=people.editor.id, page="history", name="Failures", query="status=failed",
        is_shared=True, created_at=now,
    )  # fmt: skip
    session.add(rows["filter"])
    # Two, for the last way to sign in is not removed.
    for number in range(2):
        rows["passkey"] = make_passkey(session, people.viewer, name=f"Phone {number}")
    rows["notice"] = Notice(
        account_id=account.id,
        title="Look at this",
        body="It needs you.",
        run_id=rows["run"].id,
        about_site_id=sector.site_id,
        created_at=now,
    )
    session.add(rows["notice"])
    rows["change"] = RuleChange(
        account_id=account.id, rule_id=rule.id, base_version=rule.version, kind="change", note="Please look.",
        definition=definition_of(rule) | {"priority": 1}, proposed_by_id=people.editor.id, proposed_at=now,
    )  # fmt: skip
    session.add(rows["change"])
    rows["incident"] = make_incident(session, account, site_id=sector.site_id)
    session.add(
        AiConnection(
            account_id=account.id,
            base_url="https://ai.example/v1",
            model="small",
            created_at=now,
            updated_at=now,
        )
    )
    for site_id in (None, sector.site_id):
        session.add(
            SiteCalendar(
                account_id=account.id,
                site_id=site_id,
                definition=WorkingCalendar(country="US").as_json(),
                created_at=now,
                updated_at=now,
            )
        )
    session.add(
        WordPressConnection(
            account_id=account.id,
            site_id=sector.site_id,
            url="https://blog.example",
            username="press",
            password_sealed="",
            created_at=now,
            updated_at=now,
        )
    )
    session.commit()
    browser_of(app, session, people.editor).post(f"/rules/{rule.id}/edit")
    ids = {name: str(row.id) for name, row in rows.items()} | {"site": str(sector.site_id)}
    ids["draft"] = str(session.scalars(select(RuleDraft.id)).one())
    ids["session"] = str(
        session.scalars(select(UserSession.id).where(UserSession.user_id == people.editor.id)).one()
    )
    for purpose, data in (("keywords", b"keyword\nshoes\n"), ("rules", b"rules: []\n")):
        uploader = uploads.Uploader(account.id, people.editor.id, purpose)
        name = uploads.keep(session, uploader, uploads.pack(data), now)
        ids[f"{purpose.removesuffix('s')} file"] = name
    session.commit()
    return ids


def address(rule: str, ids: dict[str, str]) -> str:
    """An address of the URL map with the ids of these rows."""
    parts = rule.split("/")
    for at, part in enumerate(parts):
        if part in FIXED:
            parts[at] = FIXED[part]
        elif part == "<name>":
            parts[at] = ids["rule file" if parts[1] == "rules" else "keyword file"]
        elif part.startswith("<"):
            parts[at] = ids[COLLECTIONS[rule.split("/")[at - 1]]]
    return "/".join(parts)


def names_a_row(rule: str) -> bool:
    """Whether the address contains an id or the name of an upload."""
    return any(part.startswith("<") and part not in FIXED for part in rule.split("/"))

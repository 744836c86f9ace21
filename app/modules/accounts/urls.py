"""Addresses of sign-in, profile, team, keys and account."""

from flask import Blueprint

from app.modules.accounts import account_api, api
from app.modules.accounts.views import (
    account,
    api_keys,
    notice_choices,
    passkey_sign_in,
    passkeys,
    profile,
    second_factor,
    sessions,
    sign_in,
    sign_in_code,
    team,
)

blueprint = Blueprint("accounts", __name__)
add = blueprint.add_url_rule

add("/sign-in", "sign_in", sign_in.show, methods=["GET", "POST"])
add("/sign-in/code", "sign_in_code", sign_in_code.show, methods=["GET", "POST"])
add("/sign-in/passkey", "passkey_sign_in", passkey_sign_in.enter, methods=["POST"])
add("/sign-in/passkey/options", "passkey_options", passkey_sign_in.ask, methods=["POST"])
add("/sign-out", "sign_out", sign_in.leave, methods=["POST"])
add("/welcome/<token>", "welcome", sign_in.show_link)
add("/welcome/<token>", "use_welcome", sign_in.use_link, methods=["POST"])

add("/profile", "profile", profile.show)
add("/profile", "save_profile", profile.save, methods=["POST"])
add("/profile/notices", "notice_choices", notice_choices.show)
add("/profile/notices", "save_notice_choices", notice_choices.save, methods=["POST"])
add("/profile/password", "password", profile.password, methods=["GET", "POST"])
add("/profile/passkeys", "passkeys", passkeys.show)
add("/profile/passkeys", "add_passkey", passkeys.add, methods=["POST"])
add("/profile/passkeys/new", "begin_passkey", passkeys.begin, methods=["POST"])
add("/profile/passkeys/<int:id>/name", "rename_passkey", passkeys.rename, methods=["GET", "POST"])
add("/profile/passkeys/<int:id>/remove", "remove_passkey", passkeys.remove, methods=["POST"])
add("/profile/second-factor", "second_factor", second_factor.show)
add("/profile/second-factor/on", "switch_on_second_factor", second_factor.switch_on, methods=["POST"])
add("/profile/second-factor/codes", "renew_recovery_codes", second_factor.renew_codes, methods=["POST"])
add("/profile/second-factor/off", "switch_off_second_factor", second_factor.switch_off, methods=["POST"])
add("/profile/sessions", "sessions", sessions.show)
add("/profile/sessions/<int:id>/end", "end_session", sessions.end, methods=["POST"])
add("/profile/sessions/end-others", "end_other_sessions", sessions.end_others, methods=["POST"])
add("/profile/sessions/end", "end_all_sessions", sessions.end_all, methods=["POST"])

add("/team", "team", team.show)
add("/team", "add_person", team.add, methods=["POST"])
add("/team/<int:id>/role", "ask_role", team.ask_role)
add("/team/<int:id>/role", "change_role", team.change_role, methods=["POST"])
add("/team/<int:id>/sites", "ask_sites", team.ask_sites)
add("/team/<int:id>/sites", "save_sites", team.save_sites, methods=["POST"])
add("/team/<int:id>/link", "new_link", team.new_link, methods=["POST"])
add("/team/<int:id>/second-factor", "ask_second_factor_off", team.ask_second_factor_off)
add("/team/<int:id>/second-factor/off", "end_second_factor", team.end_second_factor, methods=["POST"])
add("/team/<int:id>/off", "switch_off", team.switch_off, methods=["POST"])
add("/team/<int:id>/on", "switch_on", team.switch_on, methods=["POST"])

add("/api-keys", "api_keys", api_keys.show)
add("/api-keys", "add_key", api_keys.add, methods=["POST"])
add("/api-keys/<int:id>/edit", "edit_key", api_keys.edit)
add("/api-keys/<int:id>/edit", "save_key", api_keys.save, methods=["POST"])
add("/api-keys/<int:id>/revoke", "revoke_key", api_keys.revoke, methods=["POST"])

add("/settings", "settings", account.show)
add("/settings", "save_settings", account.save, methods=["POST"])

DECLARING = (account_api,)
blueprints = (blueprint, api.api)

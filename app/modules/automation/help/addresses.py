"""Where a term is explained."""

from flask import url_for

from app.modules.automation.help.sections import section_keys


def help_address(anchor: str) -> str:
    """The place of a term on the page of its section, or the page of a section."""
    if section := section_keys().get(anchor):
        return url_for("automation.help_section", section=section, _anchor=anchor)
    return url_for("automation.help_section", section=anchor)

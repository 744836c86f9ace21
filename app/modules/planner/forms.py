"""Forms of sites, keywords, clusters and ideas, and the filters of their lists."""

from typing import Any

from flask import request
from flask_wtf.file import FileField, FileRequired
from wtforms import Field, FloatField, IntegerField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.form import BaseForm
from wtforms.validators import Optional, StopValidation

from app.business.planner.models import (
    ClusterStatus,
    Grouping,
    IdeaStatus,
    Intent,
    KeywordStatus,
    Sector,
    Site,
    SiteStatus,
    Tightness,
)
from app.business.planner.services.keyword_columns import FIELDS
from app.business.planner.services.keyword_file import ENCODINGS
from app.business.planner.services.record_lists import places
from app.business.planner.services.site_service import PROFILE_LIMIT
from app.infrastructure.database import db
from app.modules.access import current_person, owned_or_404
from app.modules.forms import FilterForm, TimezoneField, at_most, between, required
from app.modules.planner.importing import Corrections
from app.modules.record_forms import (
    LinesField,
    PlaceField,
    RecordFilterForm,
    RecordForm,
    ServiceForm,
    choice_field,
    number_field,
    options,
)

INTENTS = {intent.value: intent.value.capitalize() for intent in Intent}
NEWEST = {"newest": "Newest first"}
DECIMAL = {"inputmode": "decimal"}


class GroupingForm(ServiceForm):
    """How a site's keywords are put into clusters from now on."""

    grouping = SelectField(
        "Keywords go together by",
        choices=options(
            {
                Grouping.MEANING: "Meaning",
                Grouping.PARENT_KEYWORD: "Parent keyword of their file",
            }
        ),
        default=Grouping.MEANING,
    )
    tightness = SelectField(
        "Clusters",
        choices=options(
            {
                Tightness.LOOSE: "Wider: fewer pages",
                Tightness.USUAL: "As usual",
                Tightness.TIGHT: "Tighter: more pages",
            }
        ),
        default=Tightness.USUAL,
    )


class SiteForm(GroupingForm):
    name = StringField("Name", [required("a name"), at_most(255)])
    url = StringField(
        "Web address",
        [at_most(2000)],
        description="Such as https://example.com",
        render_kw={"inputmode": "url"},
    )
    timezone = TimezoneField(
        may_be_empty=True,
        description="Days and hours of this site's rules are those of this zone. Empty: the account's.",
    )
    language = StringField(
        "Language",
        [required("a language"), at_most(16)],
        default="en",
        description="en for English, de for German, pt-BR for Brazilian Portuguese",
    )
    status = SelectField(
        "Status",
        choices=options(
            {SiteStatus.ACTIVE: "Active", SiteStatus.PAUSED: "Paused: rules leave this site alone"}
        ),
    )
    monthly_budget = IntegerField(
        "Monthly budget",
        [Optional(), between(0, 1_000_000_000)],
        description="Most credits of all rules on this site in a month. Leave it empty for no limit.",
        render_kw={"inputmode": "numeric"},
    )
    about = TextAreaField(
        "About the site",
        [at_most(PROFILE_LIMIT)],
        description="What it offers and what it stands for. Articles are written by this and what follows.",
        render_kw={"rows": 3},
    )
    audience = TextAreaField("Readers", [at_most(PROFILE_LIMIT)], render_kw={"rows": 3})
    tone = TextAreaField("Tone", [at_most(PROFILE_LIMIT)], render_kw={"rows": 3})
    facts = TextAreaField(
        "Facts",
        [at_most(PROFILE_LIMIT)],
        description="Figures, names and addresses that articles may use. Others are marked to be checked.",
        render_kw={"rows": 4},
    )
    call_to_action = TextAreaField(
        "Call to action",
        [at_most(PROFILE_LIMIT)],
        description="What readers are asked to do at the end.",
        render_kw={"rows": 4},
    )
    words_to_avoid = LinesField(
        "Words to avoid",
        description="One word or phrase in each line. An article that uses one gets a lower score.",
        render_kw={"rows": 4},
    )


class SectorForm(ServiceForm):
    name = StringField("Name", [required("a name"), at_most(255)], description="A topic area of the site.")


class KeywordFilterForm(RecordFilterForm):
    status = choice_field(
        "Status",
        "Any status",
        {
            KeywordStatus.NEW: "New",
            KeywordStatus.CLUSTERED: "Clustered",
            KeywordStatus.IGNORED: "Ignored",
        },
    )
    intent = choice_field("Intent", "Any intent", INTENTS)
    volume_from = number_field("Volume from")
    volume_to = number_field("Volume to")
    cluster = number_field("Cluster", 2**63 - 1)
    doubles = choice_field("Doubles", "All keywords", {"yes": "Same as another but for case or hidden signs"})
    sort = SelectField(
        "Sort by",
        choices=options(
            NEWEST
            | {
                "volume": "Highest volume",
                "difficulty": "Most difficult",
                "clicks": "Most clicks",
                "impressions": "Most impressions",
                "position": "Best position",
                "text": "A to Z",
            }
        ),
    )


class KeywordForm(RecordForm):
    """Figures of a keyword; they come from an import as a rule."""

    volume = number_field("Volume", description="Searches a month")
    difficulty = FloatField(
        "Difficulty", [Optional(), between(0, 100)], description="0 to 100", render_kw=DECIMAL
    )
    cpc = FloatField(
        "CPC", [Optional(), between(0, 1_000_000)], description="Cost per click", render_kw=DECIMAL
    )
    intent = choice_field("Intent", "Not known", INTENTS)
    country = StringField("Country", [at_most(64)])
    language = StringField("Language", [at_most(64)])
    position = FloatField(
        "Position", [Optional(), between(0, 1_000_000)], description="In search results", render_kw=DECIMAL
    )
    clicks = number_field("Clicks")
    impressions = number_field("Impressions")
    url = StringField("Page that ranks", [at_most(2000)], render_kw={"inputmode": "url"})
    parent_keyword = StringField("Parent keyword", [at_most(255)])
    traffic_potential = number_field("Traffic potential", description="Visits a month of the best page on it")


class NewKeywordForm(KeywordForm):
    text = StringField("Keyword", [required("a keyword"), at_most(255)])
    place = PlaceField()


class ImportPlaceField(SelectField):
    """Where imported keywords go: a sector (`3-7`), a site with its sectors named in the file (`3-`), or
    nothing: the file names the sites too.
    """

    def __init__(self, label: str = "Put the keywords into", **kwargs: Any) -> None:
        super().__init__(label, choices=_import_places, **kwargs)

    def chosen(self) -> tuple[Site | None, Sector | None]:
        """The site and sector. Only after validation."""
        site_id, _, sector_id = str(self.data or "").partition("-")
        site = owned_or_404(Site, int(site_id)) if site_id else None
        return site, owned_or_404(Sector, int(sector_id)) if sector_id else None


def _import_places() -> list[SelectChoice]:
    known = places(db.session(), current_person().scope)
    choices = []
    for site, sectors in known:
        choices.append(SelectChoice(f"{site.id}-", "Sector from the file, else General", optgroup=site.name))
        choices += [SelectChoice(f"{site.id}-{one.id}", one.name, optgroup=site.name) for one in sectors]
    return [*choices, SelectChoice("", "A column of the file names the site", optgroup="Several sites")]


class FileOrList(FileRequired):
    """A file must be chosen where no list is pasted."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        # Else the page marks the file as required.
        self.field_flags: dict[str, Any] = {}

    def __call__(self, form: BaseForm, field: Field) -> None:
        if form.file.data or not (form.pasted.data or "").strip():
            super().__call__(form, field)
            return
        field.errors[:] = []
        raise StopValidation


class ImportForm(ServiceForm):
    file = FileField(
        "File",
        [FileOrList("Choose a file, or paste a list.")],
        description="CSV, TSV, Excel (.xlsx, .xls), OpenDocument (.ods) or a list; at most 5 MB and 50,000 rows.",
    )
    pasted = TextAreaField(
        "Or paste keywords",
        description="One keyword in each line, or rows copied from a spreadsheet.",
        render_kw={"rows": 6, "spellcheck": "false"},
    )
    place = ImportPlaceField()


class PreviewForm(FilterForm):
    """Corrections of what was recognised; they are part of the address."""

    place = ImportPlaceField()
    encoding = choice_field("Encoding", "Recognise it", {name: name for name in ENCODINGS})
    header_row = IntegerField(
        "Line with the names",
        [Optional(), between(0, 1_000_000)],
        description="0: no line names the columns",
        render_kw={"inputmode": "numeric"},
    )

    def corrections(self) -> Corrections:
        """All that was corrected by hand. Of another sheet, neither its names nor their line are known yet."""
        encoding, sheet = self.chosen().get("encoding"), request.args.get("sheet", "")
        is_same_sheet = sheet == request.args.get("sheet-before", sheet)
        header_row = self.header_row.data if is_same_sheet and not self.header_row.errors else None
        return Corrections(self.columns() if is_same_sheet else {}, encoding, sheet or None, header_row)

    def columns(self) -> dict[str, str]:
        """Columns chosen by hand: field -> header, or empty for none. Those of another header line do not count."""
        line = request.args.get("header_row", "")
        if line != request.args.get("line-before", line):
            return {}
        given = {field: request.args.get(f"column-{field}") for field in FIELDS}
        return {field: header for field, header in given.items() if header is not None}


class ClusterFilterForm(RecordFilterForm):
    status = choice_field(
        "Status",
        "Any status",
        {ClusterStatus.NEW: "New", ClusterStatus.PLANNED: "Planned", ClusterStatus.DONE: "Done"},
    )
    sort = SelectField("Sort by", choices=options(NEWEST | {"name": "A to Z"}))


class ClusterForm(RecordForm):
    name = StringField("Name", [required("a name"), at_most(255)])
    main_keyword = StringField("Main keyword", [required("the main keyword"), at_most(255)])
    main_intent = choice_field("Intent", "Not known", INTENTS)


class NewClusterForm(RecordForm):
    name = StringField("Name", [required("a name"), at_most(255)])
    place = PlaceField()


class IdeaFilterForm(RecordFilterForm):
    status = choice_field(
        "Status",
        "Any status",
        {
            IdeaStatus.NEW: "New",
            IdeaStatus.ACCEPTED: "Accepted",
            IdeaStatus.REJECTED: "Rejected",
            IdeaStatus.USED: "Used",
        },
    )
    cluster = number_field("Cluster", 2**63 - 1)
    sort = SelectField("Sort by", choices=options(NEWEST | {"title": "A to Z"}))


class IdeaForm(RecordForm):
    title = StringField("Title", [required("a title"), at_most(255)])
    description = TextAreaField("Description", [at_most(20_000)], render_kw={"rows": 6})
    content_type = StringField("Kind of page", [required("a kind of page"), at_most(32)], default="article")
    main_keyword = StringField("Main keyword", [at_most(255)])


class NewIdeaForm(IdeaForm):
    place = PlaceField()

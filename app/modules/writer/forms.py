"""Forms of tasks and content, and the filters of their lists."""

from wtforms import DateField, IntegerField, SelectField, StringField, TextAreaField
from wtforms.validators import Optional

from app.business.writer.models import TASK_TYPES, ContentStatus, TaskStatus
from app.business.writer.services.task_service import WORDS_LIMIT
from app.modules.forms import at_most, between, required
from app.modules.record_forms import PlaceField, RecordFilterForm, RecordForm, choice_field, options
from app.modules.writer.article_field import ArticleField

NEWEST = {"newest": "Newest first"}


class TaskFilterForm(RecordFilterForm):
    status = choice_field(
        "Status",
        "Any status",
        {
            TaskStatus.DRAFT: "Not ready",
            TaskStatus.QUEUED: "Queued",
            TaskStatus.WRITING: "Writing",
            TaskStatus.DONE: "Done",
            TaskStatus.FAILED: "Failed",
        },
    )
    task_type = choice_field("Kind", "Any kind", TASK_TYPES)
    due_before = DateField("Due by", [Optional()])
    sort = SelectField("Sort by", choices=options(NEWEST | {"due": "Due first", "title": "A to Z"}))


class TaskForm(RecordForm):
    title = StringField("Title", [required("a title"), at_most(255)])
    brief = TextAreaField(
        "Brief",
        [at_most(20_000)],
        description="What the article says, for whom, and what it must not miss.",
        render_kw={"rows": 7},
    )
    task_type = SelectField("Kind", choices=options(TASK_TYPES))
    main_keyword = StringField("Main keyword", [at_most(255)])
    word_count = IntegerField(
        "Words", [between(1, WORDS_LIMIT)], default=1000, render_kw={"inputmode": "numeric"}
    )
    due_on = DateField("Due on", [Optional()])


class NewTaskForm(TaskForm):
    place = PlaceField()


class ContentFilterForm(RecordFilterForm):
    status = choice_field(
        "Status",
        "Any status",
        {
            ContentStatus.DRAFT: "To check",
            ContentStatus.REVIEW: "In review",
            ContentStatus.APPROVED: "Approved",
            ContentStatus.PUBLISHED: "Published",
        },
    )
    sort = SelectField("Sort by", choices=options(NEWEST | {"title": "A to Z"}))


class ContentForm(RecordForm):
    title = StringField("Title", [required("a title"), at_most(255)])
    html = ArticleField("Article", [at_most(1_000_000)], render_kw={"rows": 24, "spellcheck": "true"})
    meta_title = StringField("Title for search engines", [at_most(255)])
    meta_description = StringField("Description for search engines", [at_most(512)])
    main_keyword = StringField("Main keyword", [at_most(255)])

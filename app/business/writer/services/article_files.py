"""Articles as files: a document, Markdown with front matter, HTML with its metas; several in one archive."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

import yaml

from app.business.writer.models import Content
from app.business.writer.services.article_html import clean_html
from app.business.writer.services.article_markdown import to_markdown
from app.business.writer.services.sent_article import slug_of


@dataclass(frozen=True)
class FileKind:
    """One way to write an article. `mimetype` without parameters; `ending` without its dot."""

    label: str
    ending: str
    mimetype: str
    write: Callable[[Content], bytes]

    def name(self, content: Content) -> str:
        """The name of the article's file: readable, and its own among many."""
        return f"{slug_of(content.title)}-{content.id}.{self.ending}"


def as_document(content: Content) -> bytes:
    """A Word document."""
    # Imported here: its library takes eight megabytes, and few processes ever need it.
    from app.business.writer.services.article_document import to_document

    return to_document(content)


def as_markdown(content: Content) -> bytes:
    """Markdown after front matter, as static site generators read it."""
    cluster = content.task.idea.cluster if content.task and content.task.idea else None
    values = {
        "title": content.title,
        "slug": slug_of(content.title),
        "description": content.meta_description,
        "seo_title": content.meta_title,
        "keyword": content.main_keyword,
        "cluster": cluster.name if cluster else "",
        "status": content.status,
        "published_url": content.published_url,
    }
    kept = {name: value for name, value in values.items() if value}
    front = yaml.safe_dump(kept, allow_unicode=True, sort_keys=False, width=10_000)
    return f"---\n{front}---\n\n{to_markdown(content.html)}\n".encode()


def as_page(content: Content) -> bytes:
    """A whole HTML document with title and description for search engines."""
    metas = {"description": content.meta_description, "keywords": content.main_keyword}
    head = "\n".join(f'<meta name="{name}" content="{escape(text)}">' for name, text in metas.items() if text)
    title = escape(content.meta_title or content.title)
    return (
        f'<!doctype html>\n<html lang="{escape(content.site.language)}">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{title}</title>\n{head}\n</head>\n<body>\n<h1>{escape(content.title)}</h1>\n"
        f"{clean_html(content.html)}\n</body>\n</html>\n"
    ).encode()


FILE_KINDS = {
    "docx": FileKind(
        "Word document",
        "docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        as_document,
    ),
    "md": FileKind("Markdown", "md", "text/markdown", as_markdown),
    "html": FileKind("HTML", "html", "text/html", as_page),
}


def as_archive(contents: Iterable[Content], kind: FileKind) -> bytes:
    """One zip file with a file for each article."""
    file = BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for content in contents:
            archive.writestr(kind.name(content), kind.write(content))
    return file.getvalue()

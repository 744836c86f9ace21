"""Twenty articles that an editor would keep, and one fault for each: the order of every pair is fixed here."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from app.business.writer.services.article_checks.facts import CheckFacts, Draft
from app.business.writer.services.article_html import count_words, from_markdown

ENGLISH = """A good {x} pays for itself when you know what to look for before you buy.

## What a {x} is made of

Most of them are built from oak or pine. Oak lasts longer and weighs more, while pine is easier to repair at home.
Look at the joints first: glue alone gives way after a few winters.

## How to choose a {x}

Measure the room, then leave a hand's width on every side. A dealer who knows the trade will ask about damp walls
before he talks about colours.

### Size and weight

Heavy pieces stay where they are put. Lighter ones follow you when you move house.

## How to care for a {x}

Wipe it with a dry cloth each week. Once a year some oil keeps the surface from cracking, and that is all the work
there is."""
TRAVEL = """Few weekends are as easy to plan as one {x}, and few are as rewarding in the rain.

## When to go

Spring is quiet and the paths are dry. In August families fill the inns, so book early or come midweek.

## How to plan a weekend {x}

Start with the trains, because the last bus leaves before dinner. Choose one valley and stay there; people who try to
see three of them spend their days in traffic.

## What to pack

Take boots with a firm sole, a paper map and a lamp. A second pair of socks is worth more than a second coat.

## Where to eat

Small kitchens close on Mondays. Ask at the bakery: whoever sells the bread knows where it is served."""
GERMAN = """Wer {x} richtig plant, spart später viel Ärger und kommt mit wenigen Geräten aus.

## Was vor dem Start zu klären ist

Zuerst gehört eine Liste auf den Tisch, in der alle Aufgaben stehen. Danach wird entschieden, wer welche davon
übernimmt und bis wann sie erledigt sind.

## {x} Schritt für Schritt

Am ersten Tag wird der Platz geräumt, am zweiten geht es an die Arbeit selbst. Niemand muss alles allein machen, denn
zu zweit ist man nicht doppelt, sondern dreimal so schnell.

## Welche Fehler häufig sind

Viele beginnen zu spät im Jahr. Auch billiges Werkzeug ist selten eine gute Idee, weil es nach kurzer Zeit ersetzt
werden muss."""
FRENCH = """Bien choisir {x} demande un peu de méthode, mais le résultat dure des années.

## Ce qu'il faut savoir avant l'achat

Le prix ne dit pas tout sur la qualité. Regardez les finitions, puis demandez au vendeur où la pièce est fabriquée et
comment elle se répare.

## Comment entretenir {x}

Un chiffon sec suffit dans la plupart des cas. Les produits du commerce sont souvent trop forts et laissent des traces
sur les surfaces claires.

## Les questions que l'on nous pose

Peut-on le laisser dehors en hiver ? Oui, à condition de le couvrir et de ne pas le poser sur la terre."""
SPANISH = """Aprender a cuidar {x} no es difícil si se empieza por lo más sencillo.

## Qué hace falta para empezar

Basta con un rincón con luz y algo de paciencia. Las herramientas caras pueden esperar hasta que se sepa para qué
sirven.

## Cómo cuidar {x} durante el año

En verano hay que regar por la tarde, cuando el sol ya está bajo. En invierno es mejor no tocar nada y dejar que la
tierra descanse.

## Errores que se repiten

El más común es regar demasiado. También se suele olvidar que las raíces necesitan aire tanto como agua."""
SUBJECTS = (
    ("en", ENGLISH, ("oak dining table", "garden bench", "pine wardrobe", "kitchen cupboard")),
    ("en", TRAVEL, ("hiking in Snowdonia", "walking in the Dales", "cycling in Kerry", "camping in Exmoor")),
    ("de", GERMAN, ("Gartenpflege", "Umzugsplanung", "Kellersanierung", "Dachausbau")),
    (
        "fr",
        FRENCH,
        ("une table en chêne", "un banc de jardin", "un fauteuil en cuir", "une armoire ancienne"),
    ),
    ("es", SPANISH, ("plantas de interior", "un huerto urbano", "rosales antiguos", "un limonero en maceta")),
)
OTHER_PAGE = "The surveyor walked along the old canal twice before he marked the stones that were to stay."


@dataclass(frozen=True)
class Good:
    """An article with what was asked for."""

    language: str
    subject: str
    body: str

    def draft(self) -> Draft:
        return self.of(self.body)

    def of(self, body: str) -> Draft:
        title = f"{self.subject[0].upper()}{self.subject[1:]}"
        description = f"{title}: what to know, how to begin and what to leave alone."
        return Draft(title, from_markdown(body), title, description)

    def facts(self) -> CheckFacts:
        return CheckFacts(
            language=self.language,
            site_url="https://example.com",
            word_count=count_words(self.draft().html),
            main_keyword=self.subject.casefold(),
            avoid=("synergy",),
            links=("https://example.com/care",),
            pages=(("Canals", f"<p>{OTHER_PAGE}</p>"),),
        )


GOOD = [
    Good(language, subject, body.format(x=subject))
    for language, body, subjects in SUBJECTS
    for subject in subjects
]
FOREIGN = {
    "en": "Wer das liest, versteht sofort, dass der Absatz nicht in der Sprache der Seite steht und hier auch nichts "
    "zu suchen hat.",
    "other": "Whoever reads this will see at once that the paragraph is not in the language of the site and that it "
    "has no place here.",
}


def _after_first_heading(good: Good, text: str) -> str:
    start = good.body.index("\n\n", good.body.index("\n## ") + 1)
    return f"{good.body[:start]}\n\n{text}{good.body[start:]}"


def _shorter(good: Good) -> str:
    return good.body[: good.body.rindex("\n## ")]


def _headings(good: Good) -> str:
    return good.body.replace("\n## ", "\n#### ", 1)


def _foreign(good: Good) -> str:
    return _after_first_heading(good, FOREIGN.get(good.language, FOREIGN["other"]))


def _stuffed(good: Good) -> str:
    return _after_first_heading(good, " ".join(f"{good.subject}," for _ in range(6)))


Plant = Callable[[Good], str]
FAULTS: tuple[tuple[str, Plant], ...] = (
    ("length", _shorter),
    ("headings", _headings),
    ("placeholder", lambda good: _after_first_heading(good, "[Insert statistic here]")),
    ("keywords", lambda good: re.sub(re.escape(good.subject), "it", good.body, flags=re.IGNORECASE)),
    ("links", lambda good: _after_first_heading(good, "[More](https://made-up.example.net/guide)")),
    ("copied", lambda good: _after_first_heading(good, OTHER_PAGE)),
    ("stuffing", _stuffed),
    ("language", _foreign),
    ("ai_talk", lambda good: _after_first_heading(good, "As an AI language model, I cannot browse the web.")),
    ("banned_words", lambda good: _after_first_heading(good, "Synergy.")),
)
PAIRS = [(good, *FAULTS[place % len(FAULTS)]) for place, good in enumerate(GOOD)]
"""The article, the fault that is put into it, and how."""


def reworded(good: Good) -> Good:
    """The same article in nothing that is checked: its sections in another order."""
    first, *sections = re.split(r"\n(?=## )", good.body)
    parts = [first, *reversed(sections)]
    return replace(good, body="\n\n".join(part.strip("\n") for part in parts))

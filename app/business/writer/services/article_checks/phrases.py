"""Wording that no article may hold: gaps left to fill in, and models that talk of themselves."""

import re
from functools import cache

_I = re.IGNORECASE
_TO_FILL_IN = (
    r"insert|add|enter|your|name|company|brand|product|link|url|source|citation|statistic|date|number|image|todo|tbd|"
    r"placeholder|einfügen|hier|ihr|ihre|name|firma|insérer|votre|nom|insertar|su|nombre|inserire|inserisci|nome|tuo|"
    r"inserir|seu|invoegen|uw|naam|wstaw|twoja|nazwa"
)


@cache
def placeholders() -> tuple[re.Pattern[str], ...]:
    """Gaps that are left to be filled in. Compiled at the first article: most processes check none."""
    return (
        re.compile(rf"\[\s*(?:{_TO_FILL_IN})\b[^\]\n]*\]", _I),
        re.compile(r"\[[^\W\d_][^\]\n]*\s[^\]\n]+\]"),
        re.compile(r"\[[A-Z][A-Z _-]{2,}\]"),
        re.compile(r"\[[^\]\n]*(?:挿入|ここに|入力|插入|填写)[^\]\n]*\]"),
        re.compile(r"\{\{.*?\}\}|\{[A-Za-z_ ]{3,40}\}|<<.*?>>"),
        re.compile(rf"<\s*(?:{_TO_FILL_IN})\b[^>\n]*>", _I),
        re.compile(r"\blorem ipsum\b|\bdolor sit amet\b", _I),
        re.compile(r"\b(?:TODO|TBD|FIXME|XX+)\b(?!-)"),
        re.compile(r"_{4,}"),
        re.compile(r"\((?:insert|add) [^)\n]+\)", _I),
        re.compile(r"\b(?:product|company|brand) name here\b|\byour text here\b", _I),
    )


@cache
def ai_talk() -> tuple[re.Pattern[str], ...]:
    """How models speak of themselves."""
    return tuple(
        re.compile(pattern, _I)
        for pattern in (
            r"\bas an? (?:helpful |large )?(?:ai|artificial intelligence|language model|chatbot|virtual assistant)\b",
            r"\bi(?:'m| am) (?:just |only )?an? (?:ai|artificial intelligence|(?:large )?language model|chatbot)\b",
            r"\bi (?:cannot|can't|can not|don't|do not|am unable to|am not able to) (?:browse|access|have (?:access|"
            r"personal|real-time)|provide real-time|fulfill|fulfil|assist with|write that)",
            r"\bmy (?:knowledge|training)(?: data)? (?:cut-?off|only|goes|ends|data)",
            r"\bas of my last (?:update|knowledge|training)",
            r"\bi(?:'m| am) sorry,? but i\b|\bi apologi[sz]e,? but i\b",
            r"^(?:sure|certainly|of course|absolutely|great)[,!.]+ (?:here|i|below)\b",
            r"^(?:here(?:'s| is| are)|below is) (?:the|your|a|an|my) (?:\w+ ){0,3}(?:article|section|draft|version|"
            r"introduction|paragraph|outline|text|rewrite)\b",
            r"\bi hope this (?:helps|article|section)|\blet me know if you(?:'d| would| need| want)",
            r"\b(?:in )?this (?:section|article), i (?:will|have)\b|\bword count:? \d",
            r"\bals (?:eine? )?(?:ki(?:-\w+)?|künstliche intelligenz)\b[^.]{0,40}\b(?:kann|habe|bin) ich\b",
            r"\bals (?:ki-)?sprachmodell\b|\bich bin (?:eine|nur eine) ki\b",
            r"\ben tant qu(?:'une |'|e )(?:ia|intelligence artificielle|modèle de langage)",
            r"\bje suis (?:une ia|un modèle de langage)\b",
            r"\bcomo (?:un |una )?(?:modelo de lenguaje|inteligencia artificial|ia)\b,",
            r"\bcomo modelo de (?:lenguaje|linguagem)\b|\bsoy un modelo de lenguaje\b",
            r"\bcome (?:un |una )?(?:modello linguistico|modello di linguaggio|intelligenza artificiale)\b|\bcome ia,",
            r"\bcomo (?:um |uma )?(?:modelo de linguagem|inteligência artificial|ia)\b,|\bsou um modelo de linguagem\b",
            r"\bals (?:een )?(?:ai|taalmodel|ai-taalmodel|kunstmatige intelligentie)\b[^.]{0,40}\b(?:kan|heb|ben) ik\b",
            r"\bals (?:ai-)?taalmodel\b",
            r"\bjako (?:model językowy|sztuczna inteligencja|ai)\b|\bjestem modelem językowym\b",
            r"(?:ai|人工知能|大規模)?言語モデル(?:として|である|なので)|aiとして|私はai",
            r"作为(?:一个|一名)?(?:ai|人工智能|语言模型|大型语言模型)",
        )
    )


def found(patterns: tuple[re.Pattern[str], ...], text: str) -> list[str]:
    """What of the text fits any of the patterns."""
    return [match.group(0).strip() for pattern in patterns for match in pattern.finditer(text)]

"""Languages by their most frequent words and by their script: enough to see that a paragraph is in another one."""

import unicodedata
from collections.abc import Sequence

FREQUENT: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the of and to in a is that it for on with as are this be by or from at an which was not have you your "
        "can will if how what when more their they its but has than so do we most all one into about our there",
        "de": "der die das und in den von zu mit sich des auf für ist im dem nicht ein eine als auch es an werden aus "
        "er hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum haben oder aber wenn man ihr "
        "sie kann wir was nur diese dieser dieses mehr können",
        "fr": "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont avec ou "
        "son cette aux comme vous votre vos leur elle mais on peut si tout nous ces être très sans même",
        "es": "de la que el en y a los se del las un por con no una su para es al lo como más o pero sus le ha si "
        "cuando muy sin sobre este ya entre también esta son puede tu está hay qué cómo todo desde",
        "it": "di e il la che in a per un è del della le dei con non una i si da al nel come più o ma sono gli anche "
        "alla delle lo se ha questo questa essere può dal nella sua tuo ogni dalla cui quando molto",
        "pt": "de a o que e do da em um para é com não uma os no se na por mais as dos como mas ao das à seu sua ou "
        "ser quando muito nos já também pelo pela até isso são você este esta pode tem sem entre",
        "nl": "de het een van en in is dat op te zijn met voor niet aan er om ook als dan maar bij uit of deze die "
        "wordt door naar heeft je wat kan over nog worden meer hebben zo u uw we jouw welke veel kunt tot",
        "pl": "i w na z do się nie to że jest o jak a po za od dla oraz być przez są czy ale może tym które który "
        "która jego jej tego ten ta te już tylko lub aby przy ich można warto także bardzo co więc jeśli",
        "sv": "och i att det som en på är av för med till den har de inte om ett men var så från kan du man eller "
        "vid när ska din också mer vi ut än efter sin alla",
        "da": "og i at det som en på er af for med til den har de ikke om et men var så fra kan du man eller ved når "
        "skal din også mere vi ud end efter sin alle",
        "tr": "ve bir bu için de da ile çok daha olarak olan en gibi ne ya her kadar sonra değil veya ama var olur "
        "ise hem göre şekilde",
        "cs": "a se v na je to že s z do o jako i ve by pro po od za ale jsou které nebo který si při může jeho jejich "
        "tak už jen také více být co když",
    }.items()
}
SCRIPTS = {
    "ja": ("HIRAGANA", "KATAKANA", "CJK"), "zh": ("CJK",), "ko": ("HANGUL",), "ru": ("CYRILLIC",),
    "uk": ("CYRILLIC",), "bg": ("CYRILLIC",), "sr": ("CYRILLIC", "LATIN"), "el": ("GREEK",), "ar": ("ARABIC",),
    "fa": ("ARABIC",), "ur": ("ARABIC",), "he": ("HEBREW",), "th": ("THAI",), "hi": ("DEVANAGARI",),
}  # fmt: skip
"""Languages that are not written in Latin letters."""
_CLEAR = 0.18
"""The part of frequent words that shows a language beyond doubt."""
_FEWEST_WORDS, _FEWEST_LETTERS = 10, 30


def base_of(language: str) -> str:
    """`pt` of `pt-BR`."""
    return language.replace("_", "-").split("-")[0].casefold()


def other_language(text: str, words: Sequence[str], language: str) -> str | None:
    """The language or script that a paragraph is in, where that is another one than `language`; None where it is in
    that one, or too short to be sure."""
    base = base_of(language)
    if found := _other_script(text, base):
        return found
    if base in SCRIPTS or len(words) < _FEWEST_WORDS:
        return None
    shares = {name: sum(word in frequent for word in words) for name, frequent in FREQUENT.items()}
    best = max(shares, key=lambda name: shares[name])
    is_known = base in FREQUENT
    # Of a language without a list only the one that models fall back to can be told apart.
    if best == base or not (is_known or best == "en") or shares[best] < _CLEAR * len(words):
        return None
    return best if shares.get(base, 0) <= shares[best] / 2 else None


def _other_script(text: str, base: str) -> str | None:
    letters = [sign for sign in text if sign.isalpha()]
    expected = SCRIPTS.get(base, ("LATIN",))
    if len(letters) < _FEWEST_LETTERS:
        return None
    foreign = [sign for sign in letters if not unicodedata.name(sign, "").startswith(expected)]
    if len(foreign) * 2 <= len(letters):
        return None
    return f"{unicodedata.name(foreign[0], 'another').split()[0].title()} letters"

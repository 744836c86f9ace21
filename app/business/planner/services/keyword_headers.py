"""The names that tools, and people in nine languages, give the columns of a keyword table.

English names cover Keyword Planner, Google Ads, Search Console, Bing Webmaster Tools, Microsoft Advertising, Ahrefs,
Semrush, Moz, Mangools, Ubersuggest, SE Ranking, Serpstat, SpyFu, Sistrix, Similarweb, Keywords Everywhere, Keyword
Surfer, Keyword Tool, AnswerThePublic, AlsoAsked, LowFruits, KWFinder, WordStream and DataForSEO.
"""

ALIASES: dict[str, tuple[str, ...]] = {
    "keyword": (
        # What people searched stands before the keyword that was bid on.
        "search term", "search terms", "search query", "search queries", "top queries", "top query", "query",
        "queries", "matched search term", "keyword", "keywords", "search keyword", "key phrase", "keyphrase",
        "focus keyword", "focus keyphrase", "focus phrase", "seed keyword", "keyword idea", "keyword ideas",
        "keyword phrase", "phrase", "term", "terms", "search phrase", "kw", "kws", "primary keyword",
        "target keyword", "main keyword", "suggestion", "suggestions", "keyword suggestion", "question",
        "questions", "people also ask", "text",
        # de
        "suchbegriff", "suchbegriffe", "suchanfrage", "suchanfragen", "häufigste suchanfragen", "schlüsselwort",
        "schlagwort", "keyword suchbegriff",
        # fr
        "terme de recherche", "termes de recherche", "requête", "requêtes", "requêtes les plus fréquentes",
        "principales requêtes", "mot clé", "mots clés", "mot clef", "expression",
        # es
        "término de búsqueda", "términos de búsqueda", "consulta", "consultas", "consultas principales",
        "palabra clave", "palabras clave", "frase clave",
        # it
        "termine di ricerca", "termini di ricerca", "query principali", "query più frequenti", "parola chiave",
        "parole chiave",
        # pt
        "termo de pesquisa", "termos de pesquisa", "principais consultas", "consultas mais frequentes",
        "palavra chave", "palavras chave",
        # nl
        "zoekterm", "zoektermen", "zoekopdracht", "populairste zoekopdrachten", "meest voorkomende zoekopdrachten",
        "zoekwoord", "zoekwoorden", "trefwoord",
        # pl
        "wyszukiwane hasło", "wyszukiwane hasła", "najczęstsze zapytania", "zapytanie", "zapytania", "słowo kluczowe",
        "słowa kluczowe", "fraza", "frazy", "hasło",
        # ja
        "検索語句", "上位のクエリ", "クエリ", "検索キーワード", "キーワード",
    ),
    "volume": (
        "volume", "search volume", "search vol", "volume search", "avg monthly searches", "average monthly searches",
        "monthly searches", "monthly volume", "monthly vol", "monthly search volume", "avg monthly search volume",
        "average monthly search volume", "avg search volume", "local volume", "local search volume", "searches",
        "search demand", "vol", "volume us", "volume uk", "sv", "msv", "exact volume", "volume exact",
        "searches month", "searches per month", "searches mo", "monthly",
        "suchvolumen", "durchschnittl suchanfragen pro monat", "durchschnittliche suchanfragen pro monat",
        "monatliche suchanfragen", "monatliches suchvolumen",
        "volume de recherche", "volume de recherches", "recherches mensuelles moyennes",
        "nombre moyen de recherches mensuelles",
        "recherches mensuelles",
        "volumen", "volumen de búsqueda", "volumen de búsquedas", "promedio de búsquedas mensuales",
        "promedio búsquedas mensuales", "búsquedas mensuales",
        "volume di ricerca", "media ricerche mensili", "ricerche mensili", "ricerche mensili medie", "volume ricerca",
        "volume de pesquisa", "volume de buscas", "média de pesquisas mensais", "média pesquisas mensais",
        "pesquisas mensais", "volume de busca",
        "zoekvolume", "gem maandelijkse zoekopdrachten", "gemiddeld aantal zoekopdrachten per maand",
        "maandelijkse zoekopdrachten", "gem aantal zoekopdrachten per maand",
        "popularność", "liczba wyszukiwań", "śr liczba wyszukiwań miesięcznie", "średnia liczba wyszukiwań miesięcznie",
        "średnia miesięczna liczba wyszukiwań", "wolumen", "miesięczna liczba wyszukiwań",
        "月間平均検索ボリューム", "月間検索数", "検索ボリューム", "月間検索ボリューム",
    ),
    "difficulty": (
        "difficulty", "keyword difficulty", "keywords difficulty", "kd", "keyword difficulty index", "kd index",
        "seo difficulty", "sd", "search difficulty", "organic difficulty", "ranking difficulty", "difficulty score",
        "keyword difficulty score", "serp difficulty", "difficulty kd", "diff",
        "schwierigkeit", "keyword schwierigkeit", "schwierigkeitsgrad",
        "difficulté", "difficulté du mot clé", "difficulté des mots clés", "difficulté seo",
        "dificultad", "dificultad de la palabra clave", "dificultad de palabra clave", "dificultad seo",
        "difficoltà", "difficoltà parola chiave", "difficoltà della parola chiave",
        "dificuldade", "dificuldade da palavra chave", "dificuldade de seo",
        "moeilijkheid", "moeilijkheidsgraad", "zoekwoordmoeilijkheid",
        "trudność", "trudność słowa kluczowego", "trudność słów kluczowych", "trudność frazy",
        "難易度", "キーワード難易度", "seo難易度",
    ),
    "cpc": (
        "cpc", "avg cpc", "average cpc", "cost per click", "suggested bid", "estimated cpc", "cpc avg",
        "kosten pro klick", "durchschn cpc", "durchschnittl cpc", "coût par clic", "cpc moy", "cpc moyen",
        "coste por clic", "costo por clic", "cpc medio", "prom cpc", "costo per clic", "cpc médio",
        "custo por clique", "kosten per klik", "gem cpc", "koszt kliknięcia", "śr cpc",
        "クリック単価", "平均クリック単価",
    ),
    "intent": (
        "intent", "intents", "search intent", "search intents", "keyword intent", "keyword intents", "user intent",
        "main intent", "l2 intent", "search intent type",
        "suchintention", "intention", "nutzerintention", "suchabsicht",
        "intention de recherche", "intentions", "intención", "intención de búsqueda", "intento",
        "intento di ricerca", "intenzione di ricerca", "intenção", "intenção de pesquisa", "intenção de busca",
        "zoekintentie", "intentie", "intencja", "intencja wyszukiwania", "検索意図", "検索インテント", "インテント",
    ),
    "country": (
        "country", "country code", "database", "land", "pays", "país", "paese", "kraj", "国",
    ),
    "language": (
        "language", "language code", "lang", "sprache", "langue", "idioma", "lingua", "taal", "język", "言語",
    ),
    "position": (
        "position", "avg position", "average position", "current position", "organic average position", "ranking",
        "rank", "current rank", "current ranking", "google position", "google rank", "serp position", "avg pos", "pos",
        "rank absolute", "organic position",
        "durchschnittliche position", "aktuelle position", "position moyenne", "position actuelle",
        "posición", "posición media", "posición actual", "posizione", "posizione media", "posizione attuale",
        "posição", "posição média", "posição atual", "positie", "gemiddelde positie", "huidige positie",
        "pozycja", "średnia pozycja", "aktualna pozycja", "掲載順位", "平均掲載順位", "順位",
    ),
    "clicks": (
        "clicks", "organic clicks", "url clicks", "klicks", "clics", "clic", "cliques", "klikken", "kliks",
        "kliknięcia", "クリック数",
    ),
    "impressions": (
        "impressions", "organic impressions", "impr", "impressionen", "impressions totales", "impresiones",
        "impressioni",
        "impressões", "vertoningen", "wyświetlenia", "表示回数",
    ),
    "url": (
        "url", "landing page", "current url", "ranking url", "top page", "page", "target url", "ranking page",
        "page url", "landing page url", "seite", "zielseite", "página", "página de destino", "page de destination",
        "pagina", "pagina di destinazione", "bestemmingspagina", "strona", "strona docelowa", "ページ",
    ),
    "parent_keyword": (
        "parent keyword", "parent topic", "parent", "topic keyword", "group keyword",
        "übergeordnetes keyword", "übergeordnetes thema", "oberthema", "mot clé parent", "sujet parent",
        "tema principal", "argomento principale", "tema pai", "hoofdonderwerp", "bovenliggend onderwerp",
        "temat nadrzędny",
        "nadrzędne słowo kluczowe", "親トピック", "親キーワード",
    ),
    "traffic_potential": (
        "traffic potential", "tp", "potential traffic", "organic traffic potential", "traffic potenzial",
        "traffic potential tp", "potentiel de trafic", "potencial de tráfico", "potenziale di traffico",
        "potencial de tráfego", "verkeerspotentieel", "potencjał ruchu", "トラフィックポテンシャル",
    ),
    "serp_features": (
        "serp features", "serp feature", "serp features by keyword", "features", "serp elements",
        "serp funktionen", "fonctionnalités serp", "fonctionnalités de la serp", "funciones serp", "funciones de serp",
        "funzioni serp", "funzionalità serp", "recursos de serp", "recursos serp", "serp functies",
        "funkcje serp", "serp特徴", "serp 特徴", "serp機能",
    ),
    "match_type": (
        "match type", "search term match type", "keyword match type", "keyword option", "übereinstimmungstyp",
        "type de correspondance", "tipo de concordancia", "tipo di corrispondenza", "tipo de correspondência",
        "zoektype", "typ dopasowania", "マッチタイプ",
    ),
    "sector": ("sector", "topic area", "topic sector"),
    "site": ("site", "website"),
}  # fmt: skip
"""Field -> names of its column, best first."""

INTENT_COLUMNS: dict[str, tuple[str, ...]] = {
    "informational": ("informational", "is informational", "intent informational"),
    "navigational": ("navigational", "is navigational", "intent navigational"),
    "commercial": ("commercial", "is commercial", "intent commercial"),
    "transactional": ("transactional", "is transactional", "intent transactional"),
}
"""Intent -> names of a column that says yes or no to it."""

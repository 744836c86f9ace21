"""Words by which a search shows what it is, in each language that briefs are written in.

question, how_to: what a search begins with · comparison, choice, purchase: words anywhere in it · figure: words of
searches whose answer is a number · minor: words that do not tell two searches apart · endings: of plural and case ·
apart: for whom, colours and opposites, each with its other spellings and synonyms: they tell searches apart that mean
nearly the same to an encoder. Japanese has no spaces: its words are looked for anywhere.
"""

from dataclasses import dataclass
from functools import cache

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl", "pl", "ja")


@dataclass(frozen=True)
class SearchWords:
    """One language's words; see the module."""

    question: tuple[str, ...] = ()
    how_to: tuple[str, ...] = ()
    comparison: tuple[str, ...] = ()
    choice: tuple[str, ...] = ()
    purchase: tuple[str, ...] = ()
    figure: tuple[str, ...] = ()
    minor: frozenset[str] = frozenset()
    endings: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()


def _of(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


_WORDS = {
    "en": SearchWords(
        _of("how,what,whats,what's,why,when,where,which,who,can,could,is,are,do,does,did,should,will"),
        _of("how to,how do i,how do you"),
        _of("vs,versus,or,compare,compared,comparison,difference,alternative,alternatives"),
        _of("best,top,review,reviews,rated,recommended"),
        _of("buy,price,prices,pricing,cost,costs,cheap,cheapest,sale,deal,deals,near me,shop"),
        _of("how much,how long,how many,how often,how old,how big"),
        frozenset(_of("a,an,the,of,for,to,in,on,at,with,and,from,by,your,my,you,i,it,me,is,are,do,does,can")),
        _of("ies,y,s"),
        apart=_of(
            "man/men/mens/male/males/gents,woman/women/womens/female/females/ladies/lady,boy/boys,"
            "girl/girls,kid/kids/child/children/childrens,baby/babies/infant/newborn,"
            "toddler/toddlers,dog/dogs,cat/cats,black,white,grey/gray,red,blue,navy,green,yellow,"
            "pink,purple,orange,brown,beige,gold/golden,silver,"
            "coloured/colored/colorful/colourful/multicoloured,cheap/affordable/inexpensive/budget,"
            "expensive/luxury,small/little/mini,large/big/xl,short,long,summer,"
            "winter,indoor/indoors,outdoor/outdoors,new,used/secondhand,left,right,hot,cold,gain,"
            "loss"
        ),
    ),
    "de": SearchWords(
        _of(
            "wie,was,warum,wieso,weshalb,wann,wo,woher,wohin,welche,welcher,welches,wer,wem,kann,können,ist,sind,"
            "darf,soll,muss,hat"
        ),
        _of("wie kann,wie macht,wie mache,wie baut,wie baue,anleitung"),
        _of("vs,versus,oder,unterschied,vergleich,alternative,alternativen"),
        _of("beste,bester,bestes,besten,test,testsieger,empfehlung,erfahrungen,bewertung"),
        _of("kaufen,preis,preise,kosten,kostet,günstig,billig,angebot,angebote,shop"),
        _of("wie viel,wie viele,wie lange,wie oft,wie groß,wie hoch"),
        frozenset(
            _of(
                "der,die,das,den,dem,des,ein,eine,einen,einem,einer,für,zu,zum,zur,in,im,an,am,auf,mit,und,von,vom,bei,"
                "ist,sind,man,kann"
            )
        ),
        _of("en,er,es,e,n,s"),
        apart=_of(
            "herren/männer/mann/herr,damen/frauen/frau/dame,jungen/junge,mädchen,kinder/kind,"
            "baby/babys/säugling,hund/hunde,katze/katzen,"
            "schwarz/schwarze/schwarzer/schwarzes/schwarzen,weiß/weiße/weißer/weißes/weißen,"
            "grau/graue/grauer/graues,rot/rote/roter/rotes,blau/blaue/blauer/blaues,"
            "grün/grüne/grüner/grünes,gelb/gelbe/gelber/gelbes,rosa/pink,lila,orange,"
            "braun/braune/brauner/braunes,beige,bunt/bunte/bunter/buntes,"
            "günstig/günstige/billig/billige/preiswert/preiswerte,teuer/teure,"
            "klein/kleine/kleiner/kleines,groß/große/großer/großes,kurz/kurze,lang/lange,sommer,"
            "winter,neu/neue,gebraucht/gebrauchte"
        ),
    ),
    "fr": SearchWords(
        _of(
            "comment,pourquoi,quand,où,quel,quelle,quels,quelles,qui,que,quoi,combien,est-ce,qu'est-ce,"
            "peut-on,faut-il"
        ),
        _of("comment"),
        _of("vs,versus,ou,différence,comparatif,comparaison,alternative"),
        _of("meilleur,meilleure,meilleurs,meilleures,avis,test,top"),
        _of("acheter,achat,prix,tarif,tarifs,coût,pas cher,promo,soldes"),
        _of("combien,quel prix,quelle taille,quelle durée"),
        frozenset(_of("le,la,les,l,un,une,des,de,du,d,pour,à,au,aux,en,dans,sur,avec,et,par,est,ce,on")),
        _of("s,x"),
        apart=_of(
            "homme/hommes/masculin,femme/femmes/féminin,garçon/garçons,fille/filles,enfant/enfants,"
            "bébé/bébés,chien/chiens,chat/chats,noir/noire/noirs/noires,"
            "blanc/blanche/blancs/blanches,gris/grise/grises,rouge/rouges,bleu/bleue/bleus/bleues,"
            "vert/verte/verts/vertes,jaune/jaunes,rose/roses,violet/violette,marron/marrons,"
            "coloré/colorée/colorés/colorées,économique/abordable,cher/chère/luxe,"
            "petit/petite/petits/petites,grand/grande/grands/grandes,court/courte/courts/courtes,"
            "long/longue/longs/longues,été,hiver,neuf/neuve,occasion"
        ),
    ),
    "es": SearchWords(
        _of(
            "cómo,como,qué,que,por qué,cuándo,cuando,dónde,donde,cuál,cual,cuáles,quién,quien,cuánto,cuanto,"
            "cuánta,cuántos,cuántas,se puede"
        ),
        _of("cómo,como"),
        _of("vs,versus,o,diferencia,diferencias,comparativa,comparación,alternativa,alternativas"),
        _of("mejor,mejores,opiniones,reseña,reseñas,recomendado"),
        _of("comprar,precio,precios,coste,costo,barato,barata,baratos,baratas,oferta,ofertas,tienda"),
        _of("cuánto,cuanto,cuánta,cuántos,cuántas"),
        frozenset(_of("el,la,los,las,un,una,unos,unas,de,del,para,a,al,en,con,y,por,es,se")),
        _of("es,s,e"),
        apart=_of(
            "hombre/hombres/caballero/masculino,mujer/mujeres/femenino/señora,niño/niños,niña/niñas,"
            "bebé/bebés,perro/perros,gato/gatos,negro/negra/negros/negras,"
            "blanco/blanca/blancos/blancas,gris/grises,rojo/roja/rojos/rojas,azul/azules,"
            "verde/verdes,amarillo/amarilla/amarillos/amarillas,rosa/rosas,morado/morada,"
            "marrón/marrones,barato/barata/baratos/baratas/económico/económica/económicos/económicas,"
            "caro/cara/caros/caras/lujo,pequeño/pequeña/pequeños/pequeñas,grande/grandes,"
            "corto/corta/cortos/cortas,largo/larga/largos/largas,verano,invierno,"
            "nuevo/nueva/nuevos/nuevas,usado/usada/usados/usadas"
        ),
    ),
    "it": SearchWords(
        _of("come,cosa,che cosa,che,perché,quando,dove,quale,quali,chi,quanto,quanta,quanti,quante,si può"),
        _of("come"),
        _of("vs,versus,o,differenza,differenze,confronto,alternativa,alternative"),
        _of("migliore,migliori,recensione,recensioni,opinioni"),
        _of(
            "comprare,acquistare,prezzo,prezzi,costo,costi,costa,economico,economici,offerta,offerte,negozio"
        ),
        _of("quanto,quanta,quanti,quante"),
        frozenset(
            _of("il,lo,la,i,gli,le,l,un,uno,una,di,del,della,dei,per,a,al,alla,in,nel,con,e,da,dal,su,è,si")
        ),
        _of("hi,he,a,e,i,o"),
        apart=_of(
            "uomo/uomini/maschile,donna/donne/femminile,ragazzo/ragazzi,ragazza/ragazze,"
            "bambino/bambini,bambina/bambine,neonato/neonati,cane/cani,gatto/gatti,"
            "nero/nera/neri/nere,bianco/bianca/bianchi/bianche,grigio/grigia/grigi/grigie,"
            "rosso/rossa/rossi/rosse,blu,verde/verdi,giallo/gialla/gialli/gialle,rosa,viola,"
            "marrone/marroni,economico/economica/economici/economiche,costoso/costosa/lusso,"
            "piccolo/piccola/piccoli/piccole,grande/grandi,corto/corta/corti/corte,"
            "lungo/lunga/lunghi/lunghe,estate/estivo/estivi,inverno/invernale/invernali,"
            "nuovo/nuova/nuovi/nuove,usato/usata/usati/usate"
        ),
    ),
    "pt": SearchWords(
        _of("como,o que,que,por que,porque,quando,onde,qual,quais,quem,quanto,quanta,quantos,quantas,pode"),
        _of("como"),
        _of("vs,versus,ou,diferença,diferenças,comparação,comparativo,alternativa,alternativas"),
        _of("melhor,melhores,avaliação,avaliações,opiniões,recomendado"),
        _of("comprar,preço,preços,custo,custa,barato,barata,baratos,baratas,promoção,loja"),
        _of("quanto,quanta,quantos,quantas"),
        frozenset(
            _of("o,a,os,as,um,uma,uns,umas,de,do,da,dos,das,para,ao,à,em,no,na,nos,nas,com,e,por,é,se")
        ),
        _of("es,s,e"),
        apart=_of(
            "homem/homens/masculino/masculina,mulher/mulheres/feminino/feminina,menino/meninos,"
            "menina/meninas,criança/crianças/infantil,bebê/bebé/bebês/bebés,"
            "cão/cães/cachorro/cachorros,gato/gatos,preto/preta/pretos/pretas,"
            "branco/branca/brancos/brancas,cinza,vermelho/vermelha/vermelhos/vermelhas,azul/azuis,"
            "verde/verdes,amarelo/amarela,rosa,roxo/roxa,marrom,barato/barata/baratos/baratas,"
            "caro/cara/caros/caras/luxo,pequeno/pequena/pequenos/pequenas,grande/grandes,curto/curta,"
            "longo/longa,verão,inverno,novo/nova/novos/novas,usado/usada/usados/usadas"
        ),
    ),
    "nl": SearchWords(
        _of("hoe,wat,waarom,wanneer,waar,welke,welk,wie,kan,kun,is,zijn,mag,moet,hoeveel,hoelang"),
        _of("hoe maak,hoe kan,hoe bouw,hoe doe,hoe moet"),
        _of("vs,versus,of,verschil,vergelijken,vergelijking,alternatief,alternatieven"),
        _of("beste,test,review,reviews,ervaringen,aanbevolen"),
        _of("kopen,prijs,prijzen,kosten,kost,goedkoop,goedkope,aanbieding,aanbiedingen,winkel"),
        _of("hoeveel,hoelang,hoe lang,hoe vaak,hoe groot,hoe oud"),
        frozenset(_of("de,het,een,voor,te,in,op,aan,met,en,van,bij,is,zijn,je,kan,kun")),
        _of("en,s,e"),
        apart=_of(
            "heren/mannen/man,dames/vrouwen/vrouw,jongens/jongen,meisjes/meisje,kinderen/kind/kinder,"
            "baby/babys,hond/honden,kat/katten,zwart/zwarte,wit/witte,grijs/grijze,rood/rode,"
            "blauw/blauwe,groen/groene,geel/gele,roze,paars/paarse,bruin/bruine,gekleurd/gekleurde,"
            "goedkoop/goedkope,duur/dure/luxe,klein/kleine,groot/grote,kort/korte,lang/lange,zomer,"
            "winter,nieuw/nieuwe,tweedehands/gebruikt/gebruikte"
        ),
    ),
    "pl": SearchWords(
        _of("jak,co,dlaczego,kiedy,gdzie,który,która,które,jaki,jaka,jakie,kto,ile,czy,czym,po co"),
        _of("jak"),
        _of("vs,czy,lub,różnica,różnice,porównanie,alternatywa,alternatywy"),
        _of("najlepszy,najlepsza,najlepsze,opinie,ranking,test,polecane"),
        _of("kupić,kup,cena,ceny,koszt,kosztuje,tani,tania,tanie,promocja,sklep"),
        _of("ile"),
        frozenset(_of("w,we,z,ze,na,do,dla,i,a,o,od,po,przy,za,jest,są,się,to")),
        _of("ami,ach,ów,om,ej,ie,a,e,i,y,ę,ą,u"),
        apart=_of(
            "męski/męskie/męska/mężczyzn/mężczyzna/mężczyźni,"
            "damski/damskie/damska/kobiet/kobieta/kobiety,chłopiec/chłopca/chłopców/chłopięce,"
            "dziewczynka/dziewczynki/dziewczynek/dziewczęce,dziecko/dzieci/dziecka/dziecięce,"
            "niemowlę/niemowląt/niemowlęta,pies/psa/psów,kot/kota/kotów,"
            "czarny/czarne/czarna/czarnych,biały/białe/biała/białych,szary/szare/szara,"
            "czerwony/czerwone/czerwona,niebieski/niebieskie/niebieska,zielony/zielone/zielona,"
            "żółty/żółte/żółta,różowy/różowe/różowa,brązowy/brązowe/brązowa,"
            "kolorowy/kolorowe/kolorowa,tani/tanie/tania/niedrogi/niedrogie,"
            "drogi/drogie/droga/luksusowy/luksusowe,mały/małe/mała,duży/duże/duża,"
            "krótki/krótkie/krótka,długi/długie/długa,letni/letnie/letnia,zimowy/zimowe/zimowa,"
            "nowy/nowe/nowa,używany/używane/używana"
        ),
    ),
    "ja": SearchWords(
        _of("とは,なぜ,どう,いつ,どこ,どれ,どの,何,いくら,ですか,ますか,誰"),
        _of("方法,やり方,作り方,仕方,手順"),
        _of("比較,違い,vs,代わり"),
        _of("おすすめ,人気,ランキング,口コミ,評判,レビュー"),
        _of("価格,値段,購入,通販,安い,費用,料金,相場"),
        _of("いくら,何日,何時間,何個,何年,費用,相場"),
        apart=_of(
            "メンズ/男性/紳士,レディース/女性/婦人,男の子,女の子,子供/子ども/キッズ,赤ちゃん/ベビー,犬,猫,黒/ブラック,白/ホワイト,グレー/灰色,赤/レッド,青/ブルー,"
            "緑/グリーン,黄色/イエロー,ピンク,茶色/ブラウン,安い/格安/激安,高級,小さい/小型,大きい/大型,夏,冬,新品,中古"
        ),
    ),
}
_NONE = SearchWords()


@cache
def base_language(language: str) -> str:
    """`de` of `de-AT`."""
    return language.lower().replace("_", "-").split("-")[0]


def words_of(language: str) -> SearchWords:
    """The words of that language; none of one that is not known."""
    return _WORDS.get(base_language(language), _NONE)

"""Tells cheaply whether a text is probably not English, which the shipped models do not know.

Letters of another script, or more function words of another language than of English; of a short
text also words that only another language has, insults first of all. A name or a code tells nothing
and passes: the mark is for a reader, not for a decision.
"""

import re
import unicodedata
from functools import lru_cache

READ = 2_000
"""Characters that are looked at."""
FOREIGN_LETTERS = 0.3
"""The share of letters of other scripts from which on a text counts as foreign."""
ENOUGH_WORDS = 4

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")

_ENGLISH_WORDS = """
a about after again all am an and any are as at back be because been before but by can
can't come could day did didn't do doesn't don't down each ever for from get go good got
great had has hate have he he's her here hey hi him his how i i'll i'm i've if im in into
is isn't it it's its just know let's like lol look love made make many me more most much
my need never night no not now of off ok omg on one only or other our out over people
please really said see she she's should so some still take than thanks that that's the
their them then there these they they're think this time to today too u up ur us very want
was way we were what what's when where which who why will with won't would wtf yes you
you're your
"""
_FOREIGN_WORDS = """
der das und ist nicht ein eine einen einem einer mit auf für sich auch ich du wir ihr sie
es von zu den dem des dass wie aber nach bei aus wenn nur noch schon mal kein keine haben
hatte wird werden sind bist mein dein sein euch uns über doch ja nein immer mehr sehr het
een van niet dat dit zijn voor met aan ook maar nog naar heeft deze wij jij hij geen wel
kan
les un une et est pas que qui dans pour sur avec ce cette je tu il elle nous vous ils mais
ou où ne se au aux par plus son sa ses mon mes être fait tout très c'est j'ai n'est d'un
d'une qu'il comme bien quand sans
el los las una uno en por con para lo como más pero sus yo esta este entre cuando muy sin
sobre también hay mi qué porque os não um uma em com dos na eu você ele ela isso foi tem
muito já está são gli che di del della non è sono più anche questo quella hai nel alla
perché
ve bir bu için ile çok ben sen değil var yok nie się jest że jak tak ale już och att det
som är på inte jag av för yang dan ini itu tidak dengan untuk saya kamu ada akan și nu ang
ng mga ako ka hain nahi kya aur tum yeh woh bhi
"""
"""Of twelve languages of Europe, of Indonesian and Tagalog, and of romanised Hindi."""
_SHARED_WORDS = """
a i am an as at be come do for had has he her him hi if in is like made me most no of off on one
or over so some take to time up us want was we will u
"""
"""English words that other languages have too: beside words of theirs they tell nothing."""
_TELLING_WORDS = """
ich nicht und dich mich dir mir euch bist habe haben hast wird werden kein keine keinen mein dein
deine meine eine einen einem einer ist sind dass weil wenn oder aber auch für über nichts gegen
diese alles noch seine wurde hätte könnte wegen zum muss sollten jetzt geht kann einfach machen
sehen können wir nach seit leider würde durch viele viel hier unser warum heute wieder bitte
scheiße scheisse scheiß scheiss arschloch hurensohn fotze wichser ficken fickt fick verpiss fresse
hure schlampe hasse dumm blöd blöde missgeburt spast schwuchtel kanake ausländer stirb sterben
töten gehört leute menschen deutschland hijo hija hijos puta puto putas putos mierda joder coño
cabrón cabron cabrones pendejo pendeja gilipollas maricón maricon zorra vete cállate callate chinga
chingada verga culo tonto tonta estúpido estúpida estupido feo imbécil imbecil odio matar muere
muérete voy estoy estás está eres somos tengo tienes tiene quiero quieres puede hola gracias mucho
mucha muchas nunca siempre también porque cuando donde quien ahora ayer mañana bueno mejor puedo
día pero muy algo tanto cosa así suis êtes sommes sont nous vous c'est j'ai t'es qu'il mais avec
dans très contre merci bonjour merde putain connard connasse salope salopes pute putes enculé
encule enculer foutre niquer mère gueule pédé bâtard batard déteste haine tuer crève dégage faire
être avoir fils veux rien toi tout sono della delle cazzo stronzo stronza vaffanculo merda puttana
figlio troia coglione coglioni bastardo frocio schifo muori ammazzo grazie perché anche questo
questa molto sempre niente sei posso quanto tutti dopo tutto fatto ancora puoi siamo voglio nella
così oggi você não porra caralho foda foder filho viado otário odeio vou estou obrigado obrigada
muito pra hoje gente ele ela fazer coisa melhor aqui jij niet ook hoer klootzak godverdomme siktir
orospu çocuğu piç aptal bir için çok değil kurwa jebać pierdol spierdalaj chuj jesteś anjing
bangsat kontol goblok tolol kamu aku opo piye putang ulol kwa watu njia kwamba mtu không madarchod
behenchod bhosdike chutiya nahi nhi hai aaj raha rahe baat bahut liye mera hota karna kaise kya toh
phir jävla fitta inte
"""
"""Words that English has no use for, insults among them: one may tell a whole text."""
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
_SURE = _ENGLISH - frozenset(_SHARED_WORDS.split())
_TELLING = frozenset(_TELLING_WORDS.split())
_FOREIGN = frozenset(_FOREIGN_WORDS.split()) | _TELLING
_ACCENTED = re.compile("[\u00c0-\u024f\u1e00-\u1eff]")


def is_foreign(text: str) -> bool:
    """Whether the text is probably in a language other than English."""
    start = text[:READ]
    if start.isascii():
        return _is_foreign_latin(start)
    letters = [character for character in start if character.isalpha()]
    other = sum(not _is_latin(letter) for letter in letters)
    if letters and other > FOREIGN_LETTERS * len(letters):
        return True
    return _is_foreign_latin(start)


def _is_foreign_latin(text: str) -> bool:
    words = _WORD.findall(text.lower().replace("’", "'"))
    if sum(map(_TELLING.__contains__, words)) > sum(map(_SURE.__contains__, words)):
        return True
    if len(words) < ENOUGH_WORDS:
        return False
    english = sum(map(_ENGLISH.__contains__, words))
    if 2 <= sum(map(_FOREIGN.__contains__, words)) > english:
        return True
    return not english and 4 * sum(map(_is_accented, words)) >= len(words)


def _is_accented(word: str) -> bool:
    return _ACCENTED.search(word) is not None


@lru_cache(maxsize=4096)
def _is_latin(letter: str) -> bool:
    name = unicodedata.name(letter, "")
    return name.startswith(("LATIN", "FULLWIDTH LATIN", "MATHEMATICAL", "FEMININE", "MASCULINE"))

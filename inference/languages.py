"""Tells cheaply whether a text is probably not English, which the shipped models do not know.

Letters of another script, or more function words of another language than of English. A short
text, a name or a code tells nothing and passes: the mark is for a reader, not for a decision.
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
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
_FOREIGN = frozenset(_FOREIGN_WORDS.split())
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
    words = [word.lower().replace("’", "'") for word in _WORD.findall(text)]
    if len(words) < ENOUGH_WORDS:
        return False
    english = sum(word in _ENGLISH for word in words)
    foreign = sum(word in _FOREIGN for word in words)
    if foreign >= 2 and foreign > english:
        return True
    accented = sum(_ACCENTED.search(word) is not None for word in words)
    return english == 0 and accented * 4 >= len(words)


@lru_cache(maxsize=4096)
def _is_latin(letter: str) -> bool:
    name = unicodedata.name(letter, "")
    return name.startswith(("LATIN", "FULLWIDTH LATIN", "MATHEMATICAL", "FEMININE", "MASCULINE"))

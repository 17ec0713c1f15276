"""Texts that the shipped models do not know are told from English, and chat is not mistaken."""

import pytest

from inference.languages import READ, is_foreign


@pytest.mark.parametrize(
    "text",
    [
        "Привет, как дела?",
        "你今天好吗",
        "كيف حالك اليوم",
        "오늘 날씨가 좋네요",
        "สวัสดีครับ",
        "आप कैसे हैं",
        "Γειά σου, τι κάνεις;",
        "Das ist doch nicht dein Ernst, oder?",
        "je ne sais pas ce que tu veux dire",
        "no sé qué quieres decir con eso",
        "non so che cosa vuoi dire con questo",
        "eu não sei o que você quer dizer",
        "ben bunu çok sevdim ama bir daha gelmem",
        "nie wiem co to jest i się boję",
        "tôi không biết bạn đang nói gì",
        "mein Bruder said that das ist nicht gut für uns",
        "hijo de puta",
        "vete a la mierda",
        "te voy a matar",
        "ich hasse dich",
        "verpiss dich",
        "halt die Fresse",
        "va te faire foutre",
        "ta gueule",
        "fils de pute",
        "vaffanculo",
        "kurwa mać",
        "siktir git",
    ],
)
def test_another_language_is_noticed(text: str) -> None:
    assert is_foreign(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ok",
        "lol",
        "1234567890",
        "😂😂😂",
        "gg wp",
        "ha ha ha you made me laugh",
        "Señor Müller ordered a café crème",
        "I met José and Zoë at the fiancée's place in São Paulo",
        "The word Привет means hello in Russian, and it is said among friends.",
        "git push --force origin main",
        "fuk u m8",
        "da man is in da house",
        "die in a fire",
        "naïve façade",
        "y u no listen",
        "la la land",
        "el paso texas",
        "robert de niro",
        "pas de deux",
        "soy sauce",
        "piñata",
        "crème brûlée please",
        "hola my friend",
        "you are my amigo, gracias for all the fish",
    ],
)
def test_english_names_codes_and_slang_are_not_taken_for_another_language(text: str) -> None:
    assert not is_foreign(text)


def test_only_the_start_of_a_long_text_is_read() -> None:
    assert not is_foreign("the cat sat on the mat. " * 100 + "Привет, как дела? " * 1000)
    assert is_foreign("Привет, как дела? " * (READ // 17) + "the cat sat on the mat. " * 1000)

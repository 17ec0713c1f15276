"""What must hold after any failure, and how to make processes fail."""

import asyncio

import psutil

from tests.chatter import Seen
from tests.product import Product


def a_victim(product: Product, word: str) -> psutil.Process:
    """The only child whose command line has this word."""
    victim, *others = product.children(word)
    assert others == []
    return victim


async def kill(product: Product, word: str) -> None:
    """Kills a child, and waits until another has taken its place."""
    victim = a_victim(product, word)
    victim.kill()
    await replaced(product, word, victim.pid, within_s=30)


async def replaced(product: Product, word: str, pid: int, within_s: float) -> None:
    """Waits until another process has taken the place of `pid`."""
    async with asyncio.timeout(within_s):
        while [child.pid for child in product.children(word)] in ([], [pid]):
            await asyncio.sleep(0.05)


async def ready(product: Product, within_s: float = 90) -> None:
    """Waits until messages are judged again."""
    async with asyncio.timeout(within_s):
        while not await asyncio.to_thread(product.is_ready):
            await asyncio.sleep(0.1)


def check(author: Seen, reader: Seen, sent: int) -> None:
    """Every accepted message has one verdict, none was shown twice, offsets have no gap."""
    check_verdicts(author, sent)
    for seen in (author, reader):
        check_order(seen)
    allowed = {id for id, actions in author.verdicts.items() if actions == {"allow"}}
    assert set(reader.shown) == allowed


def check_verdicts(author: Seen, sent: int) -> None:
    """Every message was accepted and has one verdict."""
    assert len(author.accepted) == sent
    assert set(author.accepted.values()) == set(author.verdicts), "a message without a verdict"
    assert {id: each for id, each in author.verdicts.items() if len(each) > 1} == {}


def check_order(seen: Seen) -> None:
    """Frames came once and in order, in one epoch, with offsets that rise by one."""
    assert seen.view.faults == []
    assert seen.lost == 0
    assert len(seen.epochs) == 1
    assert max(seen.shown.values()) == 1, "a message was shown twice"
    first = seen.offsets[0]
    assert seen.offsets == list(range(first, first + len(seen.offsets)))


def allowed(seen: Seen) -> int:
    """How many of an author's messages were let through."""
    return sum(actions == {"allow"} for actions in seen.verdicts.values())

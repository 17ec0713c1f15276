"""An assistant answers a stream's message that called it."""

from generation.asking import Asked, Composer
from generation.generations import Generation
from generation.store import Requester
from inference.generator import Role, Turn
from policy.messages import Message


def answer_to(message: Message, composer: Composer) -> tuple[Generation, Requester]:
    """The generation that answers a published message, in the name of its author.

    The same message is always answered under the same `ref`. Raises as Composer.compose.
    """
    asked = Asked(
        ref=f"answer:{message.id}",
        turns=(Turn(Role.USER, message.text),),
        stream=message.stream,
        judged_before=True,
    )
    who = Requester(message.site, message.author.id, message.session)
    return composer.compose(asked, who, message.author), who

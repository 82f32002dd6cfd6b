"""Mail sent by way of a content filter, whoever it is for."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from twistedmail_mta.model import (
    Address,
    Claim,
    Delivered,
    Envelope,
    Failed,
    InlineBody,
    Message,
    Origin,
    Recipient,
    Reply,
    Settlement,
    Via,
)
from twistedmail_mta.policy.content_filter import ContentFilter
from twistedmail_mta.policy.observing import Observation
from twistedmail_mta.stages import IMessagePolicy, SetNextHop
from twistedmail_mta.tasks import TaskGroup
from twistedmail_mta.testing.rig import Rig
from twistedmail_mta.testing.site import Site
from twistedmail_mta.testing.values import arriving, client


def asked(text: str = "Subject: hi\n\ntext\n", **options: Any) -> Any:
    return Rig(ContentFilter, options).ask(IMessagePolicy, client(), arriving(text))


@pytest.mark.parametrize(
    "via", ["lmtp://127.0.0.1:10024", "smtp://[::1]:10024", "smtps://filter.example.org", "lmtp+unix:/run/amavis/l"]
)
def test_by_way_of_the_filter(via: str) -> None:
    """All recipients, and the queue is told that it is a filter."""
    assert asked(via=via) == (SetNextHop(f"filter+{via}", "opportunistic"),)


def test_where_it_usually_is() -> None:
    """As amavisd listens; TLS as the site file says."""
    assert asked() == (SetNextHop("filter+lmtp://127.0.0.1:10024", "opportunistic"),)
    assert asked(tls="required")[0].tls == "required"


def test_what_is_too_large() -> None:
    """It goes on as if there were no filter."""
    text = "Subject: hi\n\n" + "x" * 1100 + "\n"

    assert asked(text, max_size="1KB") is None
    assert asked(text, max_size="2KB") is not None


@pytest.mark.parametrize(
    "via",
    [
        "mx",
        "discard",
        "maildir:/var/mail/{local}",
        "error:550 no",
        "filter+lmtp://127.0.0.1:10024",
        "lmtp://h:25",
        "x",
        "",
    ],
)
def test_what_is_no_filter(via: str) -> None:
    """The server doesn't start."""
    with pytest.raises(ValidationError):
        Rig(ContentFilter, {"via": via})


def test_everybodys_copy_goes_there() -> None:
    """That of who has a mailbox here, too, which isn't filled before."""
    site = Site(Rig(ContentFilter))

    assert site.connect().mail("ann@sender.test", "bob@home.test", "eve@relayed.test").startswith("250")

    (accepted,) = site.accepted
    assert set(accepted.recipients) == {"bob@home.test", "eve@relayed.test"}
    assert accepted.mailboxes == {}


class Told:
    """Notes what becomes of mail."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def asks(self, _: Any) -> bool:
        return True

    def tell_soon(self, _: Any, stage: Any, *__: Any) -> None:
        self.stages.append(stage.__name__)


@pytest.mark.parametrize(
    ("via", "outcome", "stages"),
    [
        (Via("filter+lmtp://127.0.0.1:10024"), Delivered(Reply(250, "", "")), []),
        (Via("filter+lmtp://127.0.0.1:10024"), Failed(Reply(550, "", "")), ["IBouncedObserver"]),
        (Via("lmtp://127.0.0.1:10024"), Delivered(Reply(250, "", "")), ["IDeliveredObserver"]),
        (None, Delivered(Reply(250, "", "")), ["IDeliveredObserver"]),
    ],
)
def test_who_hears_of_it(via: Via | None, outcome: Any, stages: list[str]) -> None:
    """What a filter took isn't delivered yet; what it refused has failed."""
    told, ann, bob = Told(), Address("ann", "sender.test"), Recipient(Address("bob", "home.test"), via=via)
    message = Message(1, Envelope(ann, (bob,)), b"", InlineBody(b""), Origin("ESMTP"), 0.0)

    Observation(told, TaskGroup()).attempted(  # type: ignore[arg-type]
        message, Settlement(Claim(1, 0, 1, bob, 0, 0.0, 0), outcome, 0.0)
    )

    assert told.stages == stages

"""Rules about headers and footers at a running server: what comes of them in mailboxes, in the queue, at next hops."""

from __future__ import annotations

import email
import json
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage, Message
from imaplib import IMAP4
from itertools import count

import pytest
from mail_sink import Sink
from running_site import PASSWORD, RunningSite, wait_until

ANN, BEN, LOG = (f"{name}@home.test" for name in ("ann", "ben", "log"))
STRANGER = "joe@strangers.test"
_NUMBERS = count()

PLUGINS = """
[domains."home.test"]

[[route]]
match = {{}}
via   = "smtp://127.0.0.1:{sink}"

[plugins.rules]
use               = "headers"
always_bcc        = ["archive@elsewhere.test"]
may_send_anywhere = true

[[plugins.rules.rules]]
strangers = true
field     = "Subject"
matches   = '^\\[extern\\]'
unless    = true
replace   = {{ Subject = "[extern] {{value}}" }}

[[plugins.rules.rules]]
field   = "Subject"
matches = 'you (have )?won|\\blottery\\b'
refuse  = "550 5.7.1 We don't play"

[[plugins.rules.rules]]
field     = "List-Id"
recipient = "ben@home.test"
file      = "Lists"

[[plugins.rules.rules]]
field  = "X-Odd"
hold   = "odd"
remove = "X-Odd"

[[plugins.rules.rules]]
sender = "ann@home.test"
bcc    = "log@home.test"

[plugins.imprint]
use    = "footer"
sender = "*@home.test"
text   = '''
Home Ltd, 1 Home Street
'''
[plugins.imprint.domains."brand.test"]
text = "A brand"
html = "<b>A brand</b>"

[listen.mx]
endpoint = "tcp:0:interface=127.0.0.1"
role     = "mx"
plugins  = ["rules"]

[listen.submission]
endpoint        = "tcp:0:interface=127.0.0.1"
role            = "submission"
plugins         = ["rules", "imprint"]
plaintext_login = ["127.0.0.0/8"]

[listen.imap]
endpoint        = "tcp:0:interface=127.0.0.1"
role            = "imap"
plaintext_login = ["127.0.0.0/8"]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[RunningSite]:
    """A site with rules."""
    site = RunningSite(tmp_path_factory.mktemp("rules"), PLUGINS.format(sink=sink.port), "")
    for address in (ANN, BEN, LOG):
        site.add_account(address, PASSWORD)
    site.start()
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


def send(site: RunningSite, *fields: str, to: tuple[str, ...] = (BEN,), login: bool = False, **said: str) -> str:
    """Send a message; return its id."""
    token = f"ruled{next(_NUMBERS)}@strangers.test"
    sender = ANN if login else STRANGER
    subject = said.get("subject", "hello")
    header = [f"From: {sender}", f"To: {BEN}", f"Subject: {subject}", f"Message-ID: <{token}>", *fields]
    with smtplib.SMTP("127.0.0.1", site.ports["submission" if login else "mx"]) as client:
        if login:
            client.login(ANN, PASSWORD)
        client.sendmail(sender, to, "\r\n".join([*header, "", "text", ""]).encode())
    return token


def found(site: RunningSite, token: str, user: str = BEN, mailbox: str = "INBOX") -> Message | None:
    """Return a message from a mailbox, if it is there."""
    with IMAP4("127.0.0.1", site.ports["imap"]) as client:
        client.login(user, PASSWORD)
        if client.select(mailbox, readonly=True)[0] != "OK":
            return None
        numbers = client.search(None, "HEADER", "Message-ID", token)[1][0].split()
        return email.message_from_bytes(client.fetch(numbers[0], "(BODY[])")[1][0][1]) if numbers else None


def arrived(sink: Sink, token: str, recipient: str) -> bytes:
    """Wait for a message at the next hop."""

    def look() -> list[bytes]:
        return [
            bytes(each.data)
            for each in sink.messages
            if token.encode() in each.data and f"<{recipient}>" in each.recipients
        ]

    wait_until(look)
    return look()[0]


def test_subjects(site: RunningSite, sink: Sink) -> None:
    """Strangers' are marked, once; the copy for the archive goes out with it."""
    token = send(site)
    message = found(site, token)
    assert message is not None
    assert message.get_all("Subject") == ["[extern] hello"]
    assert b"\nSubject: [extern] hello\r\n" in arrived(sink, token, "archive@elsewhere.test")

    message = found(site, send(site, subject="[extern] hello"))
    assert message is not None
    assert message["Subject"] == "[extern] hello"
    message = found(site, send(site, login=True))
    assert message is not None
    assert message["Subject"] == "hello"


@pytest.mark.parametrize("subject", ["You won!", "the LOTTERY", "=?utf-8?b?bG90dGVyeQ==?="])
def test_refusal(site: RunningSite, subject: str) -> None:
    with pytest.raises(smtplib.SMTPDataError) as caught:
        send(site, subject=subject)
    assert (caught.value.smtp_code, caught.value.smtp_error) == (550, b"5.7.1 We don't play")


def test_filing(site: RunningSite) -> None:
    """The copy of the one whom the rule means."""
    token = send(site, "List-Id: <some.list>", to=(ANN, BEN))
    assert found(site, token, BEN, "Lists") is not None
    assert found(site, token, BEN) is None
    assert found(site, token, ANN) is not None


def test_holding(site: RunningSite) -> None:
    """Until an operator releases it; the field is gone."""
    token = send(site, "X-Odd: yes")
    assert found(site, token) is None
    (held,) = json.loads(site.mta("--json", "queue", "list", "--to", BEN).stdout)
    assert {each["state"] for each in held["recipients"]} == {"held"}

    site.mta("queue", "release", held["id"])
    wait_until(lambda: found(site, token))
    message = found(site, token)
    assert message is not None
    assert "X-Odd" not in message


def test_copies(site: RunningSite) -> None:
    """Of what ann sends, for the log."""
    assert found(site, send(site, login=True), LOG) is not None
    assert found(site, send(site), LOG) is None


def test_footer(site: RunningSite) -> None:
    """Behind the text of whoever has logged in."""
    message = found(site, send(site, login=True))
    assert message is not None
    assert message.get_payload() == "text\r\n\r\nHome Ltd, 1 Home Street\r\n"
    message = found(site, send(site))
    assert message is not None
    assert message.get_payload() == "text\r\n"


def test_footer_of_a_domain(site: RunningSite) -> None:
    """That of whom From names, in both texts of a message; its attachment stays, and IMAP knows where all lies."""
    site.mta("account", "set", ANN, "--send-as", "sales@brand.test")
    message = EmailMessage()
    message["From"], message["To"], message["Message-ID"] = "sales@brand.test", BEN, "<both@brand.test>"
    message.set_content("text\n")
    message.add_alternative("<html><body>text</body></html>\n", subtype="html")
    message.add_attachment(bytes(range(256)), "application", "octet-stream", filename="x")

    with smtplib.SMTP("127.0.0.1", site.ports["submission"]) as client:
        client.login(ANN, PASSWORD)
        client.send_message(message, ANN, [BEN])

    found_ = found(site, "both@brand.test")
    assert found_ is not None
    texts = [each.get_payload(decode=True) for each in found_.walk() if not each.is_multipart()]
    assert texts == [
        b"text\r\n\r\nA brand",
        b"<html><body>text\r\n<b>A brand</b>\r\n</body></html>\r\n",
        bytes(range(256)),
    ]
    with IMAP4("127.0.0.1", site.ports["imap"]) as client:
        client.login(BEN, PASSWORD)
        client.select("INBOX", readonly=True)
        number = client.search(None, "HEADER", "Message-ID", "both@brand.test")[1][0].decode()
        parts = client.fetch(number, "(BODY.PEEK[1.1] BODY.PEEK[1.2])")[1]
    assert [each[1] for each in parts if isinstance(each, tuple)] == texts[:2]

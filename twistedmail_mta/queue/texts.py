"""What reports say to people: every sentence is here, so that another language is another `Texts`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Wording:
    """The frame of one kind of report.

    Attributes:
        subject: the subject line.
        opening: what happened; {mail} and {sender} are filled in.
        ending: what to do.
    """

    subject: str
    opening: str
    ending: str


@dataclass(frozen=True, slots=True)
class Texts:
    """The sentences of one language; braces are filled in.

    Attributes:
        failure: tells senders of a failure.
        delay: tells senders of a delay.
        admin: tells the administrator of a failure that its sender isn't told.
        greeting: the first line of every report; {host}.
        mail: names the message; {date}.
        mail_with_subject: the same; {date}, {subject}.
        answer: what the other host said; {remote}, {reply}.
        found: what this host found; {reply}.
        retried: until when a delayed recipient is tried; {date}.
        advice: what a status means and what to do about it, by its last two
            numbers, or by the first of these alone.
    """

    failure: Wording
    delay: Wording
    admin: Wording
    greeting: str
    mail: str
    mail_with_subject: str
    answer: str
    found: str
    retried: str
    advice: Mapping[str, str]

    def advice_for(self, status: str) -> str:
        """Return what an enhanced status code (RFC 3463) means to its reader; may be empty."""
        _, _, detail = status.partition(".")
        return self.advice.get(detail) or self.advice.get(detail.partition(".")[0], "")


_ATTACHED: Final = "The technical part of this report and the header of {whose} mail are attached."

ENGLISH: Final = Texts(
    failure=Wording(
        subject="Your mail could not be delivered",
        opening="Your mail {mail}\ncould not be delivered to the following, and will not be tried again:",
        ending=_ATTACHED.format(whose="your") + "\nShow them to your mail administrator if you need help.",
    ),
    delay=Wording(
        subject="Your mail is delayed",
        opening=(
            "Your mail {mail}\nhas not been delivered yet to the following.  It is still tried; this is\n"
            "only to let you know, and you need not send it again:"
        ),
        ending="You will be told if it can't be delivered in the end.",
    ),
    admin=Wording(
        subject="A mail that was accepted could not be delivered",
        opening=(
            "The mail from {sender} {mail}\n"
            "was accepted, but could not be delivered to the following, and will not be\n"
            "tried again.  Its sender did not log in here, so the address may be forged:\n"
            "nobody but you is told."
        ),
        ending=_ATTACHED.format(whose="the"),
    ),
    greeting="This is the mail system at {host}.",
    mail="of {date}",
    mail_with_subject='of {date}\nwith the subject "{subject}"',
    answer="The answer of {remote} was:\n{reply}",
    found="The reason:\n{reply}",
    retried="It is tried until {date}.",
    advice={
        "1.1": "There is no such address at the other end.  Check its spelling.",
        "1.2": "The domain, what stands behind the @, does not exist.  Check its spelling.",
        "1.3": "The address is not a valid one.  Check its spelling.",
        "1.6": "The person has moved, and the address is no longer in use.",
        "1.10": "That domain says that it takes no mail at all.",
        "1": "The other end does not accept the address.  Check its spelling.",
        "2.1": "The mailbox is closed.  Reach the person in another way.",
        "2.2": "The mailbox is full.  Try again later, or reach the person in another way.",
        "2.3": "Your mail is too large for that mailbox.  Send it without large attachments.",
        "3.4": "Your mail is too large for the other end.  Send it without large attachments.",
        "4.1": "The host of that domain does not answer.",
        "4.4": "No way to that domain was found.  Check its spelling, or try again later.",
        "4.6": "The mail goes round in a loop between hosts.  An administrator must end that.",
        "4.7": "It was tried for as long as mail is kept here.  You may send it again.",
        "4": "The host of that domain could not be reached, or did not answer properly.",
        "6.3": "The other end takes only plain 7-bit text.  Send it without special characters.",
        "6.7": "The other end can't take addresses with letters beyond A to Z.",
        "6": "The other end can't take the form or the content of your mail.",
        "7": (
            "The other end refuses your mail as a matter of policy.  What it says may tell\n"
            "you why; otherwise reach the person in another way."
        ),
    },
)

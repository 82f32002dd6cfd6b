"""Reports in English."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.queue.texts.form import Dates, Texts, Wording

ENGLISH: Final = Texts(
    failure=Wording(
        subject="Your mail could not be delivered",
        opening="Your mail {mail} could not be delivered to the following, and will not be tried again:",
        ending="The technical details are attached. Show them to your mail administrator if you need help.",
    ),
    delay=Wording(
        subject="Your mail is delayed",
        opening=(
            "Your mail {mail} has not been delivered yet to the following. It is still tried; "
            "this is only to let you know, and you need not send it again:"
        ),
        ending="You will be told if it can't be delivered in the end.",
    ),
    success=Wording(
        subject="Your mail was passed on",
        opening="You asked to be told what became of your mail {mail}. This was done:",
        ending="There is nothing that you need to do.",
    ),
    admin=Wording(
        subject="A mail that was accepted could not be delivered",
        opening=(
            "The mail from {sender} {mail} was accepted, but could not be delivered to the following, "
            "and will not be tried again. Its sender did not log in here, so the address may be forged: "
            "nobody but you is told."
        ),
        ending="The technical details and the header of the mail are attached.",
    ),
    greeting="This is the mail system at {host}.",
    mail="of {date}",
    mail_with_subject='of {date} with the subject "{subject}"',
    answer="The answer of {remote} was:",
    found="The reason:",
    retried="It is tried until {date}.",
    done={
        "relayed": (
            "It was handed over to {remote}, which does not report what becomes of it. "
            "You will hear of it again only if something goes wrong there."
        ),
        "delivered": "It was delivered.",
        "expanded": (
            "The address stands for several others. It was sent on to them; "
            "you will hear of it again only if something goes wrong there."
        ),
    },
    by_status={
        "1.2": "The domain, what stands behind the @, does not exist. Check its spelling.",
        "1.3": "The address is not a valid one. Check its spelling.",
        "1.6": "The person has moved, and the address is no longer in use.",
        "1.10": "That domain says that it takes no mail at all. Check its spelling.",
        "2.1": "The mailbox is closed. Reach the person in another way.",
        "2.3": "Your mail is too large for that mailbox. Send it without large attachments.",
        "4.4": "No way to that domain was found. Check its spelling, or try again later.",
        "4.6": "The mail goes round in a loop between hosts. An administrator must end that.",
        "4.7": "It was tried for as long as mail is kept here. You may send it again.",
        "6.3": "The other end takes only plain 7-bit text. Send it without special characters.",
        "6.7": "The other end can't take addresses with letters beyond A to Z.",
    },
    by_kind={
        "throttled": "The other end limits how much mail it takes in a while. Send it again later.",
        "blocked": (
            "The other end does not trust the mail of this server, or of your domain. "
            "Show this to your mail administrator."
        ),
        "greylisted": "The other end makes first mails wait. Nothing is wrong.",
        "full": "The mailbox is full. Try again later, or reach the person in another way.",
        "unknown": "There is no such address at the other end. Check its spelling.",
        "content": (
            "The other end does not like something in your mail, such as an attachment, a link, or its form. "
            "Change it, or reach the person in another way."
        ),
        "size": "Your mail is too large for the other end. Send it without large attachments.",
        "authentication": (
            "The other end could not verify that the mail really comes from your domain. "
            "Show this to your mail administrator."
        ),
        "policy": (
            "The other end refuses your mail by a rule of its own. What it says may tell you why; "
            "otherwise reach the person in another way."
        ),
        "tls": "No safe connection to the other end was possible. Show this to your mail administrator.",
        "unreachable": "The host of that domain could not be reached. Check its spelling, or try again later.",
        "trouble": "The other end has a problem of its own. Try again later.",
    },
    dates=Dates(
        "{day} {month} {year}, {time} ({zone})",
        (
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ),
    ),
)

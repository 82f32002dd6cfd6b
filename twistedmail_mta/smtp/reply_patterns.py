"""What known mail hosts mean by their replies: enhanced status codes and phrases, by kind.

To teach it another reply:

- Find the kind that fits in `Kind`, and a phrase of the reply that holds no
  address, domain, number or date: lower case, as short as it can be without
  fitting anything else.  `first & second` needs both, anywhere.
- A reply is compared as "code status text" in lower case, its lines joined by
  spaces, so a phrase may begin with a code: "450 4.3.2 service currently".
- The first phrase that fits decides, so add it to the first group of its kind
  that stands before everything that must not win.
- A status code goes into `BY_STATUS` only where hosts mean one thing by it:
  there it decides before any phrase.  "7.0", "7.1", "2.1" and the like mean
  whatever the text says; they are in `FALLBACK`.
- Add the reply to the table in the tests, and set `VERSION` to the day.

Sources: RFC 3463, RFC 5248 and the IANA registry of enhanced status codes,
RFC 7372 and RFC 7505, the documentation that providers publish for senders,
and the texts that free software sends as shipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

VERSION: Final = "2026-11-21"

Kind = Literal[
    "throttled",
    "blocked",
    "greylisted",
    "full",
    "unknown",
    "content",
    "size",
    "authentication",
    "policy",
    "tls",
    "unreachable",
    "trouble",
    "other",
]
"""What a reply that doesn't accept is about.

throttled: too much or too fast from here, or for this recipient.
blocked: our address or domain has a bad name there, or is on a block list.
greylisted: what comes for the first time has to come again later.
full: the mailbox has no room.
unknown: there is no such user or domain, or not any more.
content: what the message holds, such as spam, a virus, a malformed header.
size: the message is too large.
authentication: SPF, DKIM, DMARC, reverse DNS or a login prove too little.
policy: any other rule of the other end.
tls: encryption failed, or is demanded.
unreachable: no connection, no DNS, or the connection broke.
trouble: something is wrong there that passes.
other: nothing of it is known.
"""

BY_STATUS: Final[Mapping[str, Kind]] = {
    "1.1": "unknown",
    "1.2": "unknown",
    "1.3": "unknown",
    "1.4": "unknown",
    "1.6": "unknown",
    "1.7": "policy",  # these two speak of the sender's address
    "1.8": "policy",
    "1.10": "unknown",
    "2.2": "full",
    "2.3": "size",
    "2.4": "trouble",
    "3.1": "trouble",
    "3.4": "size",
    "3.5": "trouble",
    "4.4.1": "unreachable",  # whereas Microsoft says 5.4.1 of unknown users
    "4.2": "unreachable",
    "4.3": "unreachable",
    "4.4": "unreachable",
    "4.5": "throttled",
    "4.6": "trouble",
    "5.3": "throttled",
    "6.1": "content",
    "6.2": "content",
    "6.3": "content",
    "6.6": "content",
    "6.7": "content",
    "7.2": "policy",
    "7.4": "tls",
    "7.5": "tls",
    "7.6": "tls",
    "7.7": "tls",
    "7.8": "authentication",
    "7.9": "authentication",
    "7.10": "tls",
    "7.11": "tls",
    "7.13": "unknown",
    "7.17": "unknown",  # the mailbox has another owner by now (RFC 7293)
    "7.18": "unknown",
    "7.20": "authentication",  # RFC 7372 and after it
    "7.21": "authentication",
    "7.22": "authentication",
    "7.23": "authentication",
    "7.24": "authentication",
    "7.25": "authentication",
    "7.26": "authentication",
    "7.27": "authentication",
    "7.28": "throttled",
    "7.31": "authentication",  # Gmail, to 7.40
    "7.32": "authentication",
    "7.40": "authentication",
    "7.57": "authentication",  # Microsoft, to the end
    "7.321": "tls",
    "7.322": "tls",
    "7.323": "tls",
    "7.324": "tls",
    "7.501": "blocked",
    "7.502": "blocked",
    "7.503": "blocked",
    "7.509": "authentication",
    "7.511": "blocked",
    "7.512": "content",
    "7.515": "authentication",
    **{f"7.{number}": "blocked" for number in range(606, 650)},
    **{f"7.{number}": "throttled" for number in range(650, 660)},
    "7.705": "throttled",
    "7.708": "blocked",
    "7.750": "blocked",
}
"""What a status code means, or every one with these last two numbers, whatever the text."""

FALLBACK: Final[Mapping[str, Kind]] = {
    "1": "unknown",
    "2.1": "unknown",
    "3": "trouble",
    "4": "unreachable",
    "4.7": "other",
    "5": "trouble",
    "6": "content",
    "7": "policy",
    "7.29": "authentication",
    "7.30": "authentication",
    "7.500": "throttled",
}
"""What a status code means by its last two numbers, or the first of them, when no phrase is known."""

BY_CODE: Final[Mapping[int, Kind]] = {
    421: "trouble",
    450: "trouble",
    451: "trouble",
    452: "trouble",
    454: "trouble",
    521: "unknown",
    530: "authentication",
    534: "authentication",
    535: "authentication",
    538: "tls",
    551: "unknown",
    552: "full",
    553: "unknown",
    556: "unknown",
}
"""What is left when neither status nor phrase says anything (RFC 5321 section 4.2.3, RFC 7504, RFC 4954)."""

PHRASES: Final[tuple[tuple[Kind, tuple[str, ...]], ...]] = (
    (
        "greylisted",
        (
            "greylist",
            "graylist",
            "grey-list",
            "gray-list",
            "grey list",
            "gray list",
            "postgrey",
            "450 4.3.2 service currently unavailable",  # postscreen's tests of new clients
            "4.7.1 try again later",  # rspamd
            "451 temporary failure, please try again later",  # spamd of OpenBSD
            "internal resource & temporarily unavailable & mimecast",
            "451 internal resources are temporarily unavailable",  # Mimecast
            "service is currently unavailable. please come back later",  # Yandex
            "[gl01]",  # Yahoo
        ),
    ),
    (
        "throttled",
        (
            "unusual rate of",  # Gmail, and the next three
            "421 4.7.0 try again later, closing",
            "too quickly",
            "at a rate that",
            "sending limit",
            "sending quota",
            "sender quota",
            "ip reputation & rate limited",  # Microsoft
            "rp-001",
            "rp-002",
            "rp-003",
            "[ts01]",  # Yahoo
            "[ts02]",
            "[tss",
            "unexpected volume",
            "4.16.5",  # Yahoo: too many in one connection
            "ofr_10",  # Orange
            "lpn007_",  # La Poste
            "rl00000",  # Comcast
            "ratelimit",
            "rate limit",
            "rate-limit",
            "throttl",
        ),
    ),
    (
        "authentication",
        (
            "dmarc",
            "dkim",
            "unauthenticated",
            "spf fail",
            "spf check",
            "spf record",
            "spf policy",
            "spf validation",
            "spf softfail",
            "spf permerror",
            "fails spf",
            "failed spf",
            "(spf)",
            "spf:",
            "openspf",
            "sender policy framework",
            "authentication level",  # Microsoft 5.7.515
            "authentication requirements",
            "authentication check",
            "authentication required",
            "authentication failed",
            "must authenticate",
            "reverse dns",
            "reverse lookup",
            "reverse hostname",
            "cannot find your hostname",
            "ptr record",
            "ptr resource record",
            "no ptr",
            "rdns",
            "anti-spoofing",  # Mimecast
            "spoofed",
        ),
    ),
    (
        "content",
        (
            "likely unsolicited",  # Gmail
            "surbl",
            "uribl",
            "blacklisted url",
            "dbl.spamhaus & url",
            "bad url",
            "[ph01]",  # Yahoo
            "(ph01)",
            "permanent failure for one or more recipients & :blocked",  # Barracuda
            "envelope blocked - ",  # Mimecast, by the sender or the text
            "under suspicion of spam",  # Yandex
            "notspam-support",  # Mail.ru
            "spam message rejected",  # rspamd, Mail.ru
            "blocked because its content",  # Gmail
            "content presents",
            "illegal attachment",
        ),
    ),
    (
        "policy",
        (
            "sender address rejected",
            "sender verify failed",
            "domain of sender address",
            "sender domain & not exist",
            "administrative prohibition",
        ),
    ),
    (
        "blocked",
        (
            "spamhaus",
            "spamcop",
            "barracudacentral",
            "barracudanetworks.com/reputation",
            "barracuda reputation",
            "abuseat.org",
            "uceprotect",
            "sorbs.net",
            "mailspike",
            "invaluement",
            "dnsbl",
            " rbl",
            ".rbl.",
            "blocked using",
            "blacklist",
            "black list",
            "blocklist",
            "block list",
            "denylist",
            "blocked list",
            "(s3140)",  # Microsoft
            "(s3150)",
            "sc-001",
            "sc-002",
            "sc-003",
            "sc-004",
            "dy-001",
            "dy-002",
            "ou-001",
            "ou-002",
            "banned send",
            "spam abuse detected",
            "traffic not accepted from this ip",
            "permanently deferred",  # Yahoo, TS03
            "[bl2",
            "connections not accepted from",
            "ipcheck.proofpoint",  # Proofpoint
            "dynamic reputation",
            "csi.cloudmark",  # Cloudmark
            "cloudmark sender intelligence",
            "sms.symantec.com",
            "senderbase",
            "talosintelligence",
            "senderscore",
            "ers.trendmicro",
            "tosa@rx.t-online.de",
            "no smtp service",  # GMX and web.de
            "low reputation",
            "poor reputation",
            "bad reputation",
            "reputation",
            "spam source",
            "too much spam",
            "open relay",
            "open proxy",
            "dynamic ip",
            "dynamic address",
            "dial-up",
            "dialup",
            "client host rejected",
            "your ip",
            "ip address & blocked",
            "ip & has been blocked",
            "server & is blocked",
            "temporarily blocked",
        ),
    ),
    (
        "trouble",
        (
            "insufficient system",
            "insufficient disk",
            "no space left on device",
            "temporary local problem",  # Exim
            "temporary lookup failure",  # Postfix
            "temporary server error",  # Microsoft
            "local error",
        ),
    ),
    (
        "full",
        (
            "mailbox full",
            "mailbox is full",
            "mailbox & is full",
            "mailbox size",
            "inbox is full",
            "inbox full",
            "over quota",
            "overquota",
            "over its quota",
            "over the quota",
            "out of storage",
            "quota exceeded",
            "quota is exceeded",
            "quota has been exceeded",
            "exceeded quota",
            "exceeds quota",
            "exceeded storage",
            "exceeded its storage",
            "exceeds & quota",
            "exceeded & quota",
            "disk quota",
            "storage full",
            "storage limit",
            "insufficient storage",
        ),
    ),
    (
        "size",
        (
            "message too large",
            "message too big",
            "message is too large",
            "message is too big",
            "message size",
            "message exceeds",
            "exceeds & size",
            "size & exceeds",
            "size limit",
            "maximum size",
        ),
    ),
    (
        "throttled",
        (
            "too many",
            "too fast",
            "too frequent",
            "too much mail",
            "too busy",
            "slow down",
            "server busy",
            "server is busy",
            "ports are busy",  # Postfix's postscreen
            "rate exceeded",
            "exceeded the rate",
            "exceeded & connections",
            "maximum number of",
            "connection limit",
            "concurrent connection",
            "connection rate",
            "message rate",
            "limit exceeded",
            "exceeded & limit",
            "overloaded",
            "resources restricted",
            "mail flood",
        ),
    ),
    (
        "unknown",
        (
            "user unknown",
            "unknown user",
            "no such",
            "no mailbox",
            "unknown recipient",
            "recipient unknown",
            "unknown mailbox",
            "unknown address",
            "address unknown",
            "unknown local",
            "unknown account",
            "not found",
            "recipientnotfound",
            "not exist",
            "n't exist",
            "invalid mailbox",
            "invalid recipient",
            "invalid user",
            "not a valid mailbox",
            "not a valid user",
            "no valid recipients",
            "doesn't have a",  # Yahoo: an account
            "550 & mailbox unavailable",  # GMX, Outlook.com
            "is disabled",
            "been disabled",
            "account disabled",
            "mailbox disabled",
            "inactive",
            "account closed",
            "account suspended",
            "no longer",
            "unrouteable address",  # Exim
            "unrouteable mail domain",
            "unverified address",  # Postfix
            "undeliverable address",
            "recipient address rejected: access denied",  # Microsoft
            "user reject",  # NetEase
        ),
    ),
    (
        "content",
        (
            "spam",
            "unsolicited",
            "bulk mail",
            "virus",
            "malware",
            "malicious",
            "infected",
            "phish",
            "attachment",
            "content",
            "malformed",
            "rfc 5322",
            "rfc5322",
            "rfc 2822",
            "missing & header",
            "multiple & header",
        ),
    ),
    (
        "tls",
        (
            "starttls",
            "tls required",
            "tls is required",
            "requires tls",
            "require tls",
            "tls connection",
            "encryption",
        ),
    ),
    (
        "policy",
        (
            "policy",
            "relay access denied",
            "relay denied",
            "relaying",
            "unable to relay",
            "not permitted",
            "access denied",
            "not authorized",
            "not authorised",
            "not allowed",
            "prohibited",
            "blocked",
        ),
    ),
    (
        "trouble",
        (
            "temporarily unavailable",
            "temporary failure",
            "temporary error",
            "temporary problem",
            "maintenance",
            "shutting down",
            "try again later",
            "try later",
        ),
    ),
)
"""The phrases that are known, in the order in which they are looked for."""

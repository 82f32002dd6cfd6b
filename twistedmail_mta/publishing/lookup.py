"""Whom the DNS is asked through, and what nothing else asks for as a value."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol

from twistedmail_mta.dane.records import TLSA
from twistedmail_mta.model import Answer
from twistedmail_mta.spf.questions import Lookup as MailLookup


class NotFetched(Exception):
    """There was nothing to be had from a web server; the text says why."""


@dataclass(frozen=True, slots=True)
class SRVRecord:
    """Where a service is (RFC 2782); the target is in lower case, without the final dot, "" for none at all."""

    priority: int
    weight: int
    port: int
    target: str


class Lookup(MailLookup, Protocol):
    """What `ISecureResolver` has, and more; each raises TemporaryError where the DNS gives no answer."""

    def cname(self, name: str) -> Awaitable[Answer[str]]:
        """Return what a name itself is an alias of."""

    def tlsa(self, name: str) -> Awaitable[Answer[TLSA]]:
        """Return TLSA records."""

    def services(self, name: str) -> Awaitable[Answer[SRVRecord]]:
        """Return SRV records."""

    def policy_text(self, domain: str) -> Awaitable[bytes]:
        """Fetch a domain's MTA-STS policy, as senders do; raises `NotFetched`."""

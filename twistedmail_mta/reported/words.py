"""What reports mean, in sentences for whoever runs a mail server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from twistedmail_mta.reported.entry import SUCCESS, UNEXPLAINED
from twistedmail_mta.reported.summary import Source

RESULTS: Final[Mapping[str, str]] = {
    SUCCESS: "as the policy demands",
    UNEXPLAINED: "failed, and the report doesn't say why",
    "starttls-not-supported": "your host didn't offer STARTTLS: a listener without a certificate, or something between"
    " that takes it out",
    "certificate-host-mismatch": "your certificate isn't for the name that the MX record has, or the policy names",
    "certificate-expired": "your certificate had expired: see what renews it",
    "certificate-not-trusted": "no authority that they trust stands behind your certificate: it is self-signed, or the"
    " certificates between aren't sent with it",
    "validation-failure": "something else was wrong with your certificate, or with the session",
    "tlsa-invalid": "no TLSA record fits the certificate that your host showed: it was renewed with another key, and"
    " the records weren't; or none of them is of use",
    "dnssec-invalid": "the signatures of your zone couldn't be validated: they have expired, or the DS record is"
    " another key's",
    "dane-required": "they send with DANE alone, and found no TLSA records that they could use",
    "sts-policy-fetch-error": "your MTA-STS policy couldn't be fetched from https://mta-sts.<domain>",
    "sts-policy-invalid": "your MTA-STS policy isn't one, or names no host",
    "sts-webpki-invalid": "the web server of your MTA-STS policy showed a certificate that isn't good for its name",
}
"""What was wrong with sessions, by RFC 8460 section 4.3."""

PROOFS: Final[Mapping[str, str]] = {
    "pass": "signed by {signer}",
    "fail": "no signature of the sender's domain verifies: anybody may have sent it",
    "none": "not signed: anybody may have sent it",
    "unknown": "the DNS didn't tell whether the signature is theirs: anybody may have sent it",
}


def result_in_words(result: str) -> str:
    """Return what a result of sessions means."""
    return RESULTS.get(result, "something that RFC 8460 doesn't know")


def source_in_words(source: Source) -> str:
    """Return what is to be made of a client that sends in a domain's name."""
    if source.passed == source.messages:
        if source.dkim == source.messages and source.spf == source.messages:
            return "yours"
        if source.dkim == source.messages:
            return "signed by you; SPF fails or is another domain's, as behind a forwarder"
        if source.spf == source.messages:
            return "sent by a host of yours, without a good signature: does it sign?"
        return "each message is signed by you, or sent by a host of yours"
    if not source.passed:
        return "neither signed by you nor sent by a host of yours: forged, or a service that isn't set up"
    return f"{source.messages - source.passed} of {source.messages} fail: some of it isn't set up, or forged"


def proof_in_words(proof: str, signer: str) -> str:
    """Return whether a report is from whom it says."""
    return PROOFS[proof].format(signer=signer)

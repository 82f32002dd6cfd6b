"""Aggregate reports for tests: one that is easy to read, and all that there can be."""

from __future__ import annotations

from hypothesis import strategies as st

from twistedmail_mta.dmarc.report import (
    AggregateReport,
    Case,
    Metadata,
    Override,
    Published,
    Row,
    SenderResult,
    SignatureResult,
)

METADATA = Metadata("Receiver", "postmaster@mx.test", "r1", 1_796_083_200, 1_796_169_599)
PUBLISHED = Published("example.org", "reject", "reject", "reject", "r", "r", "treewalk", "0", testing=False)
CASE = Case(
    "192.0.2.1",
    "pass",
    "pass",
    "fail",
    "example.org",
    "bounces.example.net",
    signatures=(SignatureResult("example.org", "s1", "pass"),),
    sender=SenderResult("bounces.example.net", "softfail"),
)
REPORT = AggregateReport(METADATA, PUBLISHED, (Row(CASE, 3),))

LETTERS = "aZ09.-@&<>\"'];\u00fc\u4e2d\U0001f389 \t\r\n\x00\x0b\x1f\x7f\udc80\udcff\ufffe\uffff"
texts = st.text(st.sampled_from(LETTERS), max_size=30)
"""Also what XML has to escape, and has no way to say: octets that are no UTF-8, and control characters."""
policies = st.sampled_from(["none", "quarantine", "reject"])
words = ["none", "pass", "fail", "policy", "neutral", "temperror", "permerror"]
modes = st.sampled_from(["r", "s"])
evaluations = st.sampled_from(["pass", "fail"])
kinds = st.sampled_from(
    [
        "local_policy",
        "mailing_list",
        "other",
        "policy_test_mode",
        "trusted_forwarder",
        "forwarded",
        "sampled_out",
    ]
)
metadata = st.builds(Metadata, texts, texts, texts, st.integers(0, 2**40), st.integers(0, 2**40), texts, texts, texts)
published = st.builds(
    Published,
    texts,
    policies,
    st.none() | policies,
    st.none() | policies,
    st.none() | modes,
    st.none() | modes,
    st.sampled_from(["", "psl", "treewalk"]),
    texts,
    st.none() | st.booleans(),
)
signatures = st.builds(SignatureResult, texts, texts, st.sampled_from(words), texts)
senders = st.builds(
    SenderResult, texts, st.sampled_from([*words, "softfail"]), texts, st.sampled_from(["", "mfrom", "helo"])
)
cases = st.builds(
    Case,
    texts,
    st.sampled_from(["none", "pass", "quarantine", "reject"]),
    evaluations,
    evaluations,
    texts,
    st.none() | texts,
    st.none() | texts,
    st.lists(st.builds(Override, kinds, texts), max_size=3).map(tuple),
    st.lists(signatures, max_size=3).map(tuple),
    st.none() | senders,
)
rows = st.builds(Row, cases, st.integers(1, 2**40))
reports = st.builds(AggregateReport, metadata, published, st.lists(rows, min_size=1, max_size=3).map(tuple))

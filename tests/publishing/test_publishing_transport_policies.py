"""What is published of MTA-STS policies, and what is found when senders wouldn't take them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from published_zone import SITE, World, findings, printed, published

from twistedmail_mta.mta_sts.policy import Policy, policy_text
from twistedmail_mta.mta_sts.record import id_of
from twistedmail_mta.publishing.finding import Finding, exit_status

POLICY = Policy("enforce", 604800, ("mail.example.org",))
OTHER = replace(POLICY, mode="testing")
HANDED_OUT = replace(SITE, policies={"example.org": POLICY})
NAME, HOST = "_mta-sts.example.org", "mta-sts.example.org"
WRONG_RECORD = [
    (['"v=STSv1; id=1;"'], "its id is that of another policy, so senders keep that; publish"),
    (['"v=STSv1; id=1;"', '"v=STSv1; id=2;"'], "there are several, so none counts (RFC 8461 section 3.1); leave one"),
    (['"v=STSv1; id=;"'], "it can't be understood, so the policy is as good as none; publish"),
]


def only(found: list[Finding]) -> Finding:
    assert len(found) == 1, "\n".join(map(str, found))
    return found[0]


def serving(policy: bytes | None) -> World:
    """Return the DNS of that site, whose web server says something else, or nothing."""
    world = published(HANDED_OUT)
    world.policies = {} if policy is None else {"example.org": policy}
    return world


def test_records() -> None:
    """Where it is, by the name of this host, and its id; for the domains that have one."""
    lines = printed(HANDED_OUT).splitlines()

    assert f"{HOST}. 3600 IN CNAME mail.example.org." in lines
    assert f'{NAME}. 3600 IN TXT "v=STSv1; id={id_of(POLICY)};"' in lines
    assert "mta-sts" not in printed(SITE)


def test_what_is_printed_is_right() -> None:
    """Together with the policy, which is fetched."""
    assert findings(published(HANDED_OUT), HANDED_OUT) == []


@pytest.mark.parametrize("key", [(NAME, "TXT"), (HOST, "CNAME")])
def test_missing(key: tuple[str, str]) -> None:
    """Each record is needed, and told as printed."""
    found = only(findings(published(HANDED_OUT).without(key), HANDED_OUT))

    assert (found.state, found.name, found.rdtype) == ("missing", *key)
    assert found.publish[0].text in printed(HANDED_OUT)


@pytest.mark.parametrize(("texts", "words"), WRONG_RECORD)
def test_wrong_record(texts: list[str], words: str) -> None:
    """Senders would go by another policy, or by none."""
    found = only(findings(published(HANDED_OUT).with_(NAME, "TXT", *texts), HANDED_OUT))

    assert (found.state, found.name, found.text) == ("wrong", NAME, words)
    assert found.publish[0].text in printed(HANDED_OUT)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (None, "the policy can't be fetched from here: the answer is 404"),
        (b"<html>", "what is fetched there is no policy: a line of it is no field"),
        (
            policy_text(OTHER),
            (
                "another policy is fetched there (testing, for 604800 seconds, mail.example.org) than the site file's"
                " (enforce, for 604800 seconds, mail.example.org): reload the server, or let the name lead to it"
            ),
        ),
    ],
)
def test_wrong_policy(policy: bytes | None, words: str) -> None:
    """What senders would fetch is looked at, not what should be there."""
    found = only(findings(serving(policy), HANDED_OUT))

    assert (found.state, found.name, found.text) == ("wrong", HOST, words)


@pytest.mark.parametrize(("mode", "count"), [("enforce", 1), ("testing", 1), ("none", 0)])
def test_mail_host_that_is_not_named(mode: str, count: int) -> None:
    """Senders would give it no mail, though the MX records name it."""
    presence = replace(SITE, policies={"example.org": replace(POLICY, mode=mode)})
    world = published(presence).with_("example.org", "MX", "10 mail.example.org.", "20 backup.example.net.")

    found = [each for each in findings(world, presence) if "MTA-STS" in each.text]

    assert [(each.state, each.name) for each in found] == [("wrong", "example.org")] * count
    assert all("doesn't name backup.example.net, so senders" in each.text for each in found)


@pytest.mark.parametrize("key", [(NAME, "TXT"), (HOST, "A")])
def test_silence(key: tuple[str, str]) -> None:
    """Is not absence."""
    world = published(HANDED_OUT)
    world.silent.add(key)

    found = only(findings(world, HANDED_OUT))

    assert (found.state, found.name) == ("unknown", key[0])
    assert exit_status([found]) == 2


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (POLICY, ""),
        (replace(POLICY, patterns=("*.example.org",)), ""),
        (Policy("none", 86400), ""),
        (replace(POLICY, patterns=("mx.elsewhere.example",)), "doesn't name mail.example.org, so senders that know it"),
        (None, "it tells of a policy that can't be had: the answer is 404"),
    ],
)
def test_policy_of_another_web_server(policy: Policy | None, words: str) -> None:
    """Where this host hands out none, what the DNS tells of must name it all the same."""
    world = published().with_(NAME, "TXT", '"v=STSv1; id=7;"')
    world.policies = {} if policy is None else {"example.org": policy_text(policy)}

    found = findings(world)

    assert [each.state for each in found] == (["wrong"] if words else [])
    assert all(words in each.text for each in found)


def test_domain_that_is_sent_on() -> None:
    """What it needs is for who keeps its mail to say, but for the policy."""
    presence = replace(SITE, domains=("relayed.example",), sent_on=frozenset({"relayed.example"}))
    presence = replace(presence, policies={"relayed.example": POLICY})
    world = published(presence).with_("relayed.example", "MX", "10 mail.example.org.")

    assert printed(presence).partition("; relayed.example\n")[2].count(" 3600 IN ") == 2
    assert "dkim" not in printed(presence).partition("; relayed.example\n")[2]
    assert findings(world, presence) == []
    assert {each.name for each in findings(World(), presence)} >= {"_mta-sts.relayed.example"}
    assert "relayed.example" not in {each.name for each in findings(World(), presence)}

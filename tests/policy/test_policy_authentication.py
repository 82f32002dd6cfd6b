"""`authentication` in sessions: what is told, what is refused, what is filed, and what strangers can't do to it."""

from __future__ import annotations

import pytest
from authentication_kit import (
    BANK,
    BANK_HOST,
    EVIL_HOST,
    LIST_HOST,
    TEXT,
    chain_with,
    results,
    rig,
    sent,
    signed,
    surroundings,
)
from dkim_made import rsa_record
from pydantic import ValidationError

from twistedmail_mta.dmarc.tree import MOST_QUESTIONS
from twistedmail_mta.model import MXRecord
from twistedmail_mta.policy.authentication import MOST_FIELDS, forged
from twistedmail_mta.stages import AddHeader, IMessagePolicy, RemoveHeader
from twistedmail_mta.testing.rig import Rig
from twistedmail_mta.testing.surroundings import Surroundings
from twistedmail_mta.testing.values import arriving, client, header

CHANGED = TEXT.replace(b"your account", b"[list] your account")
GENUINE = b"mx.example.org; dmarc=pass header.from=bank.test"


def test_genuine() -> None:
    """All four are told in one field, those of the envelope first, and later stages see them."""
    said, accepted = sent(rig(), signed(), BANK_HOST, f"ann@{BANK}", helo=BANK)

    assert said.startswith("250")
    found = results(accepted)
    assert accepted is not None
    assert found == [
        "mail.example.org",
        f"spf=pass smtp.mailfrom=ann@{BANK}",
        f"spf=pass smtp.helo={BANK}",
        f"dkim=pass header.d={BANK} header.i=@{BANK} header.s=r header.a=rsa-sha256",
        f"dmarc=pass header.from={BANK} polrec.domain={BANK} polrec.p=reject",
    ]
    assert accepted.mailboxes == {"bob@home.test": "INBOX"}
    assert dict(accepted.tags) == {
        "auth.spf": f"pass {BANK}",
        "auth.dkim": f"pass {BANK}",
        "auth.dmarc": f"pass {BANK}",
    }


@pytest.mark.parametrize(
    ("text", "host", "sender"),
    [
        (signed(), EVIL_HOST, "eve@evil.test"),
        (TEXT, BANK_HOST, f"ann@{BANK}"),
        (signed(TEXT, "evil.test", BANK), EVIL_HOST, "eve@evil.test"),
    ],
)
def test_one_that_is_aligned_is_enough(text: bytes, host: str, sender: str) -> None:
    """A signature whoever brings the mail, or SPF though nobody has signed it."""
    said, accepted = sent(rig(), text, host, sender)

    assert said.startswith("250")
    assert results(accepted)[-1].startswith("dmarc=pass")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (TEXT, "what SPF or DKIM vouch for isn't the author's domain"),
        (signed(TEXT, "evil.test"), "what SPF or DKIM vouch for isn't the author's domain"),
        (signed() + b"and more\r\n", "what SPF or DKIM vouch for isn't the author's domain"),
        (signed().replace(b"your account", b"give money"), "what SPF or DKIM vouch for isn't the author's domain"),
    ],
)
def test_forged(text: bytes, why: str) -> None:
    """It is refused, with words that name the domain and say what to do."""
    said, accepted = sent(rig(), text)

    assert said == (
        f"550-5.7.1 Refused by the DMARC policy of {BANK}: {why}\r\n"
        f"550 5.7.1 Send it by a server of {BANK}, or with another address in From; who runs its mail can tell more\r\n"
    )
    assert accepted is None


def test_nothing_vouches() -> None:
    """The client may not even send for the domain that it names."""
    said, _ = sent(rig(), TEXT, "192.0.2.99")

    assert "neither SPF nor DKIM vouches for any domain" in said


@pytest.mark.parametrize(
    ("policy", "options", "mailbox", "done"),
    [
        ("p=quarantine", {}, "Junk", "p=quarantine dis=quarantine"),
        ("p=quarantine", {"mailbox": "Suspect"}, "Suspect", "p=quarantine dis=quarantine"),
        ("p=quarantine", {"quarantine": "tag"}, "INBOX", "p=quarantine dis=none override=local"),
        ("p=reject", {"reject": "junk"}, "Junk", "p=reject dis=quarantine"),
        ("p=reject", {"reject": "tag"}, "INBOX", "p=reject dis=none override=local"),
        ("p=reject; t=y", {}, "Junk", "p=reject t=y dis=quarantine"),
        ("p=quarantine; t=y", {}, "INBOX", "p=quarantine t=y dis=none"),
        ("p=none", {}, "INBOX", "p=none dis=none"),
    ],
)
def test_what_becomes_of_it(policy: str, options: dict[str, str], mailbox: str, done: str) -> None:
    """What the domain wants, as far as the site wants it; while it only tests (t=y), one level less."""
    said, accepted = sent(rig(surroundings(policy), **options))

    assert said.startswith("250")
    assert accepted is not None
    assert accepted.mailboxes == {"bob@home.test": mailbox}
    assert results(accepted)[-1].startswith(f"dmarc=fail ({done}) reason=")
    assert accepted.tags["auth.dmarc"] == f"fail {BANK} {done}"


@pytest.mark.parametrize("options", [{"quarantine": "quarantine"}, {"reject": "quarantine"}])
def test_kept_for_an_operator(options: dict[str, str]) -> None:
    """In quarantine, with the reason."""
    policy = "p=" + ("quarantine" if "quarantine" in options else "reject")

    _, accepted = sent(rig(surroundings(policy), **options))

    assert accepted is not None
    assert accepted.quarantined == f"DMARC: not by {BANK}, whose policy is {policy[2:]}"


def test_policy_of_an_organization() -> None:
    """A refusal names it, too."""
    said, _ = sent(rig(), TEXT.replace(b"ann@", b"ann@mail."))

    assert said.startswith(f"550-5.7.1 Refused by the DMARC policy of mail.{BANK}, given by {BANK}: ")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (b"From: ann@bank.test\r\nFrom: eve@evil.test\r\n", "there are 2 From fields"),
        (b"From: ann@bank.test, eve@evil.test\r\n", "From names 2 domains"),
        (b"From: ann@bank.test <<\r\n", "From can't be understood"),
    ],
)
def test_unclear_author(fields: bytes, why: str) -> None:
    """What people see may be the bank, so it is refused, unless the site wants it told only."""
    text = fields + b"Subject: x\r\n\r\nx\r\n"

    said, accepted = sent(rig(), text)
    assert said.startswith(f"550-5.7.1 Nobody can tell whose mail this is: {why}\r\n550 5.7.1 Send it with one From")
    assert accepted is None

    said, accepted = sent(rig(unclear_author="tag"), text)
    assert said.startswith("250")
    assert results(accepted)[-1] == f'dmarc=permerror reason="{why}"'


def test_no_author() -> None:
    """A message without From is taken: there is nobody to be taken for."""
    said, accepted = sent(rig(), b"Subject: x\r\n\r\nx\r\n")

    assert said.startswith("250")
    assert results(accepted)[-1] == 'dmarc=none reason="there is no From"'


def test_fail_of_spf_alone() -> None:
    """Is told; it is refused only where the site wants that, and never if DMARC passes."""
    text = b"From: eve@evil.test\r\n\r\nx\r\n"

    said, accepted = sent(rig(), text, LIST_HOST)
    assert said.startswith("250")
    assert results(accepted)[1:] == [
        "spf=fail smtp.mailfrom=eve@evil.test",
        "dkim=none",
        'dmarc=none reason="no policy is published" header.from=evil.test',
    ]

    said, accepted = sent(rig(spf_fail="refuse"), text, LIST_HOST)
    assert said == (
        f"550-5.7.23 {LIST_HOST} may not send for evil.test, says its SPF record\r\n"
        "550 5.7.23 Send it by a server of evil.test\r\n"
    )

    said, accepted = sent(rig(spf_fail="refuse"), signed(), LIST_HOST, f"ann@{BANK}")
    assert said.startswith("250")


def broken(*names: str, silent: bool = False) -> Surroundings:
    """The DNS, where some names give no answer."""
    around = surroundings()
    (around.names.silent if silent else around.names.broken).update(names)
    return around


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize(
    ("name", "text", "host", "sender"),
    [
        (f"_dmarc.{BANK}", TEXT, EVIL_HOST, "eve@evil.test"),
        (BANK, TEXT, BANK_HOST, f"ann@{BANK}"),
        (f"r._domainkey.{BANK}", signed(), EVIL_HOST, "eve@evil.test"),
        ("_dmarc.test", signed(TEXT, "news.bank.test"), EVIL_HOST, f"ann@{BANK}"),
    ],
)
def test_trouble_of_the_dns(name: str, text: bytes, host: str, sender: str, *, silent: bool) -> None:
    """It is never a failure: the message is taken and the trouble told, or comes again where the site wants that."""
    around = broken(name, silent=silent)
    around.names.add("r._domainkey.news.bank.test", "TXT", rsa_record())

    said, accepted = sent(rig(around), text, host, sender)
    assert said.startswith("250")
    assert results(accepted)[-1].startswith('dmarc=temperror reason="the DNS doesn\'t answer"')
    assert accepted is not None
    assert accepted.mailboxes == {"bob@home.test": "INBOX"}

    said, _ = sent(rig(around, on_temperror="defer"), text, host, sender)
    assert said.startswith("451 4.4.3 The DNS doesn't say whether this mail is its author's; please try again")


def test_trouble_that_matters_to_nobody() -> None:
    """A forger's own zone can't make anything unknown about the bank, however slow it is."""
    around = broken("evil.test", "r._domainkey.evil.test", silent=True)

    said, _ = sent(rig(around), signed(TEXT, *["evil.test"] * 4))

    assert said.startswith("550-5.7.1 Refused by the DMARC policy")
    assert around.clock.seconds() < 11


def test_a_slow_signer_keeps_nobody_waiting() -> None:
    """All keys are asked for at the same time, so that of the bank is there."""
    around = broken("r._domainkey.evil.test", silent=True)
    text = signed(TEXT, "evil.test", BANK, "evil.test")

    asked = rig(around).begin(IMessagePolicy, client(EVIL_HOST), arriving(text))
    assert not asked.done
    assert f"r._domainkey.{BANK} TXT" in around.names.asked

    _, accepted = sent(rig(around), text)
    words = [each.split()[0] for each in results(accepted)[2:]]
    assert words == ["dkim=temperror", "dkim=pass", "dkim=temperror", "dmarc=pass"]


def test_trouble_beside_a_pass() -> None:
    """What is known is enough."""
    said, accepted = sent(rig(broken("evil.test")), signed())

    assert said.startswith("250")
    assert results(accepted)[1].startswith("spf=temperror")
    assert results(accepted)[-1].startswith("dmarc=pass")


@pytest.mark.parametrize(
    "forwarders", [LIST_HOST, "192.0.2.0/25", "list.test", "*.test", ["example.net", "2001:db8::/32", "list.test"]]
)
def test_trusted_forwarder(forwarders: object) -> None:
    """By network, or by a domain that SPF or a signature passes for."""
    said, accepted = sent(rig(trusted_forwarders=forwarders), CHANGED, LIST_HOST, "news@list.test")

    assert said.startswith("250")
    assert "(p=reject dis=none override=trusted_forwarder)" in results(accepted)[-1]
    said, _ = sent(rig(trusted_forwarders="list.test"), CHANGED, EVIL_HOST, "news@list.test")
    assert said.startswith("550")


def test_trusted_sealer() -> None:
    """One that found that the bank vouched for it; not others, nor one that found nothing, nor with a broken chain."""
    text = chain_with(CHANGED, GENUINE)
    trusting = {"trusted_sealers": "example.org"}

    said, accepted = sent(rig(**trusting), text)
    assert said.startswith("250")
    assert results(accepted)[-2] == f"arc=pass (sealed by example.org) smtp.remote-ip={EVIL_HOST}"
    assert "(p=reject dis=none override=arc)" in results(accepted)[-1]

    assert sent(rig(), text)[0].startswith("550")
    assert sent(rig(trusted_sealers="example.net"), text)[0].startswith("550")
    assert sent(rig(**trusting), text.replace(b"your account", b"give money"))[0].startswith("550")
    for found in (b"mx; dmarc=fail header.from=bank.test", b"mx; dmarc=pass header.from=evil.test", b"mx; none"):
        assert sent(rig(**trusting), chain_with(CHANGED, found))[0].startswith("550")


def test_a_sealer_that_saw_a_signature() -> None:
    """Lists seal what their servers found, which may be no DMARC."""
    text = chain_with(CHANGED, b"mx; dkim=pass header.d=bank.test header.i=@bank.test; spf=fail")

    assert sent(rig(trusted_sealers="example.org"), text)[0].startswith("250")


def test_sets_by_others() -> None:
    """What somebody invents before a trusted sealer counts for nothing; what is sealed by two who are trusted does."""
    around = surroundings()
    invented = chain_with(chain_with(CHANGED, GENUINE, "evil.test"), b"mx; arc=pass; dmarc=fail header.from=bank.test")
    genuine = chain_with(chain_with(CHANGED, GENUINE, "list.test"), b"mx; arc=pass")
    resealed = chain_with(chain_with(CHANGED, GENUINE), b"mx; arc=pass", "evil.test")
    trusting = {"trusted_sealers": ["example.org", "list.test"]}

    assert sent(rig(around, **trusting), invented)[0].startswith("550")
    assert sent(rig(around, **trusting), genuine)[0].startswith("250")
    assert sent(rig(around, trusted_sealers="example.org"), genuine)[0].startswith("550")
    assert sent(rig(around, **trusting), resealed)[0].startswith("550")


FORGERIES = [
    "mail.example.org; dmarc=pass header.from=bank.test",
    "MAIL.Example.ORG; dmarc=pass",
    '(x) "mail.example.org" 1; none',
    "mail.example.org.; none",
    "mail.example.org/1; none",
    "\r\n mail.example.org; none",
    "; dmarc=pass",
    "(never closed mail.example.org; dmarc=pass",
    "mail.\uff45xample.org; dmarc=pass",
    "mail.example.org\0; dmarc=pass",
    "\0mail.example.org; dmarc=pass",
    "mail.example.org\xa0; dmarc=pass",
    "\u200bmail.example.org; dmarc=pass",
    "mail.\xadexample.org; dmarc=pass",
    "mail .example.org; dmarc=pass",
    "mail.(x)example.org; dmarc=pass",
    "mail.example.org: dmarc=pass",
    "mail.example.org= ; dmarc=pass",
    "mail.example.org, dmarc=pass",
]


@pytest.mark.parametrize("value", FORGERIES)
def test_what_others_say_in_our_name(value: str) -> None:
    """Goes, and what others say in their own name stays, in its place (RFC 8601 section 5)."""
    text = f"Authentication-Results: mx.other.test; spf=pass\r\nauthentication-results: {value}\r\n".encode()
    _, accepted = sent(rig(), text + b"From: eve@evil.test\r\n\r\nx\r\n")

    assert accepted is not None
    ours, other = accepted.header.get_all(b"Authentication-Results")
    assert ours.startswith(b"mail.example.org;\r\n\tspf=pass smtp.mailfrom=eve@evil.test")
    assert other == b"mx.other.test; spf=pass"


@pytest.mark.parametrize(
    "value",
    [
        "mail.example.org.test; spf=pass",
        "mail.example.org-2; spf=pass",
        "notmail.example.org; spf=pass",
        "example.org; none",
    ],
)
def test_names_that_are_only_alike(value: str) -> None:
    """What is said in another name stays, however much of ours is in it."""
    text = f"Authentication-Results: {value}\r\nFrom: eve@evil.test\r\n\r\nx\r\n".encode()
    _, accepted = sent(rig(), text)

    assert accepted is not None
    assert accepted.header.get_all(b"Authentication-Results")[1:] == [value.encode()]


def test_ours_stands_above() -> None:
    """Below our own trace field, above everything that came."""
    _, accepted = sent(rig(), b"From: eve@evil.test\r\n\r\nx\r\n")

    assert accepted is not None
    assert [name for name, _ in accepted.header.fields()][:3] == [b"Received", b"Authentication-Results", b"From"]


def test_many_forgeries() -> None:
    """Fields in our name go wherever other plugins have moved them; of very many all go, unlooked at."""
    few = header("Authentication-Results: mail.example.org; none\r\n" * 3 + "\r\n")
    assert forged(few, "mail.example.org") == (RemoveHeader("Authentication-Results", value="mail.example.org; none"),)
    many = header("Authentication-Results: mx.test; none\r\n" * (MOST_FIELDS + 1) + "\r\n")
    assert forged(many, "mail.example.org") == (RemoveHeader("Authentication-Results"),)


def test_own_name() -> None:
    """`authserv_id` is what the field begins with, and what is removed of others'."""
    text = b"Authentication-Results: mail.example.org; x=y\r\nAuthentication-Results: example.org; x=y\r\n"
    _, accepted = sent(rig(authserv_id="example.org"), text + b"From: eve@evil.test\r\n\r\nx\r\n")

    assert accepted is not None
    ours, other = accepted.header.get_all(b"Authentication-Results")
    assert ours.startswith(b"example.org;")
    assert other.startswith(b"mail.example.org;")


def test_logins_and_own_hosts() -> None:
    """Are asked for no proof; but nobody who logs in speaks in our name, either."""
    forgery = b"Authentication-Results: mail.example.org; dmarc=pass\r\n" + TEXT
    plugin = rig()

    login = plugin.ask(IMessagePolicy, client(account="ann@home.test"), arriving(forgery))
    assert login == (RemoveHeader("Authentication-Results", value="mail.example.org; dmarc=pass"),)
    for host in ("127.0.0.1", "::1", ""):
        assert plugin.ask(IMessagePolicy, client(host), arriving(forgery)) is None
    for role in ("lmtp", "reinject"):
        assert plugin.ask(IMessagePolicy, client(role=role), arriving(forgery)) is None
    assert rig(exempt_networks=["192.0.2.0/24"]).ask(IMessagePolicy, client(), arriving(TEXT)) is None
    assert plugin.surroundings.names.asked == []


def test_a_report() -> None:
    """Of the null sender the name in HELO is checked, once."""
    text = b"From: postmaster@bank.test\r\n\r\nx\r\n"

    said, accepted = sent(rig(), text, BANK_HOST, "", helo=BANK)

    assert said.startswith("250")
    assert results(accepted)[1:3] == [f"spf=pass smtp.helo={BANK}", "dkim=none"]
    assert results(accepted)[-1].startswith("dmarc=pass")


@pytest.mark.parametrize("helo", ["[192.0.2.1]", "a\u0085b.\u00fc", 'x";.test', "x" * 200, "\u00e9"])
def test_odd_names(helo: str) -> None:
    """Whatever a client calls itself, the field is one, and ASCII; so are the tags."""
    answer = rig().ask(IMessagePolicy, client(EVIL_HOST, helo=helo), arriving(b"From: e@evil.test\r\n\r\n", sender=""))

    (field,) = (each for each in answer if isinstance(each, AddHeader))
    assert field.value.isascii()


def test_a_large_message() -> None:
    """A large message is read in pieces, and hashed to its end."""
    body = b"line of text\r\n" * 100_000
    text = TEXT.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + body

    said, accepted = sent(rig(), signed(text), "2001:db8::1", "eve@evil.test")

    assert said.startswith("250")
    assert results(accepted)[-1].startswith("dmarc=pass")


def test_how_much_is_asked() -> None:
    """Of a plain message: two records of SPF, a key and a policy."""
    around = surroundings()

    sent(rig(around), signed(), BANK_HOST, f"ann@{BANK}", helo=BANK)

    assert sorted(around.names.asked) == sorted(
        [f"{BANK} TXT", f"{BANK} TXT", f"r._domainkey.{BANK} TXT", f"_dmarc.{BANK} TXT"]
    )


def test_hostile_message() -> None:
    """Hundreds of signatures, a long chain and a deep author cost a bounded number of questions."""
    around = surroundings()
    deep = "a." * 60 + BANK
    text = signed(TEXT, *(f"{number}.evil.test" for number in range(100)))
    text = text.replace(b"ann@bank.test", f"ann@{deep}".encode())
    for _ in range(3):
        text = chain_with(text, GENUINE)

    sent(rig(around), text, helo="evil.test")

    assert len(around.names.asked) <= 2 + 5 + 1 + MOST_QUESTIONS * 2


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"reject": "no"}, "reject"),
        ({"authserv_id": "a b"}, "authserv_id"),
        ({"trusted_forwarders": ["192.0.2.1/x"]}, "trusted_forwarders"),
        ({"trusted_forwarders": ["192.0.2.1/24"]}, "trusted_forwarders"),
        ({"trusted_forwarders": ["192.0.2.999"]}, "trusted_forwarders"),
        ({"trusted_forwarders": ["2001:db8::1/200"]}, "trusted_forwarders"),
        ({"trusted_forwarders": ["lists.example.net/24"]}, "trusted_forwarders"),
        ({"trusted_forwarders": [7]}, "trusted_forwarders"),
        ({"trusted_sealers": "a b"}, "trusted_sealers"),
        ({"patience": "0s"}, "patience"),
        ({"mailbox": ""}, "mailbox"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_mistakes(options: dict[str, object], key: str) -> None:
    """Each is told with its key."""
    with pytest.raises(ValidationError) as caught:
        rig(**options)

    assert caught.value.errors()[0]["loc"][0] == key


def test_found_by_name() -> None:
    """As site files call it; what fails delays mail, and never lets it through unexamined."""
    plugin = Rig("authentication", surroundings=surroundings())

    assert not plugin.running.abstains
    assert plugin.running.timeout == 30.0


def test_a_domain_that_has_no_address() -> None:
    """It exists if the DNS knows anything of it, so it isn't `np` that counts (RFC 8020)."""
    around = surroundings("p=none; sp=quarantine; np=reject")
    text = TEXT.replace(b"@bank.test", b"@news.bank.test")
    assert sent(rig(around), text)[0].startswith("550")

    around.names.add("news.bank.test", "MX", MXRecord(10, "mx.bank.test"))

    said, accepted = sent(rig(around), text)
    assert said.startswith("250")
    assert "(sp=quarantine dis=quarantine)" in results(accepted)[-1]

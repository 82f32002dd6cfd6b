"""Whatever files hold: an import ends with a site that can be used, or with an error in words."""

from __future__ import annotations

from contextlib import suppress

from hmailserver_dumps import BACKUP, mysql
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from imported import MASTER, dovecot, hmailserver, postfix
from test_migrating_dovecot import ISP as DOVECOT
from test_migrating_dovecot import OTHERS
from test_migrating_postfix import FILTERED, FILTERED_MASTER, ISP, ISP_TABLES, SMART, SMART_TABLES

FUZZ = settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
ODD = st.sampled_from(
    ["$", "${", "}", "{", "\\", '"', "'", "=", "\n", " ", "[", "]", ":", "@", ",", "\0", "é", "\ud7ff", "0", "%", "/"]
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=40) | st.lists(ODD, max_size=12).map("".join)
NAMES = (
    "relayhost mynetworks mydestination myhostname myorigin relay_domains recipient_delimiter content_filter"
    " smtpd_milters message_size_limit always_bcc virtual_mailbox_domains inet_interfaces smtp_bind_address"
    " transport_maps smtpd_recipient_restrictions smtpd_tls_cert_file smtpd_tls_chain_files canonical_maps"
    " masquerade_domains minimal_backoff_time compatibility_level virtual_alias_maps sender_bcc_maps mailbox_size_limit"
)


@st.composite
def mutated(draw: st.DrawFn, text: str) -> str:
    """A text with some pieces of it left out, doubled, or replaced by something odd."""
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(text)))
        end = min(len(text), begin + draw(st.integers(0, 60)))
        text = text[:begin] + draw(TEXT | st.just(text[begin:end] * 2)) + text[end:]
    return text


@FUZZ
@given(st.data())
def test_postfix(data: st.DataObject) -> None:
    """Any main.cf, master.cf and tables."""
    main = data.draw(mutated(data.draw(st.sampled_from([ISP, SMART, FILTERED]))))
    tables = {**ISP_TABLES, **SMART_TABLES, "/etc/postfix/senders": "x@y.example REJECT\n"}
    some = data.draw(st.sampled_from(sorted(tables)))
    tables[some] = data.draw(mutated(tables[some]))

    done = postfix(main, data.draw(mutated(FILTERED_MASTER)), tables)

    assert all(each.advice for each in done.draft.findings if each.outcome == "unmapped")


@FUZZ
@given(st.dictionaries(st.sampled_from(NAMES.split()), TEXT | st.text("abc.@:[]0123/$ ", max_size=20), max_size=6))
def test_values(values: dict[str, str]) -> None:
    """Any values of the settings that are looked at."""
    main = "".join(f"{name} = {value.replace(chr(10), ' ')}\n" for name, value in values.items())

    assert postfix(main, MASTER).site.listen


@FUZZ
@given(st.data())
def test_dovecot(data: st.DataObject) -> None:
    """Any dovecot.conf and passwd-file."""
    others = {**OTHERS, "/etc/dovecot/users": data.draw(mutated(OTHERS["/etc/dovecot/users"]))}

    assert dovecot(data.draw(mutated(DOVECOT)), others).site


@FUZZ
@given(st.data())
def test_hmailserver(data: st.DataObject) -> None:
    """Any dump or backup."""
    text = data.draw(mutated(data.draw(st.sampled_from([BACKUP, mysql()]))))

    with suppress(ValueError):
        assert hmailserver(text).site


@FUZZ
@given(st.text(max_size=200))
def test_anything(text: str) -> None:
    """Any text at all."""
    postfix(text.replace("\ud800", ""))
    dovecot(text)
    with suppress(ValueError):
        hmailserver(text)

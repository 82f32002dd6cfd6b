"""The parameters of MAIL and RCPT."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.smtp.errors import CommandError
from twistedmail_mta.smtp.parameters import (
    MailParameters,
    RcptParameters,
    mail_words,
    parse_mail_parameters,
    parse_rcpt_parameters,
)


def test_no_parameters() -> None:
    """Spaces alone are nothing."""
    assert parse_mail_parameters("  ") == MailParameters()
    assert parse_rcpt_parameters("") == RcptParameters()


def test_every_mail_parameter() -> None:
    """All at once, in any case of their letters; what is opaque is kept as it came."""
    text = " size=1000  BODY=8bitmime SmtpUtf8 ret=hdrs ENVID=QQ+2B314159 auth=joe+40example.org"

    assert parse_mail_parameters(text) == MailParameters(
        size=1000, eight_bit=True, smtputf8=True, ret="HDRS", envid="QQ+2B314159", auth="joe+40example.org"
    )
    assert parse_mail_parameters("BODY=7BIT AUTH=<> RET=Full") == MailParameters(auth="<>", ret="FULL")


def test_every_rcpt_parameter() -> None:
    """NOTIFY is a set; ORCPT is kept as it came."""
    assert parse_rcpt_parameters(" NOTIFY=success,Delay orcpt=rfc822;Joe+2Bx@Example.org") == RcptParameters(
        notify=frozenset({"SUCCESS", "DELAY"}), orcpt="rfc822;Joe+2Bx@Example.org"
    )
    assert parse_rcpt_parameters("NOTIFY=never").notify == frozenset({"NEVER"})


def test_utf8_orcpt() -> None:
    """RFC 6533 section 3: the 7-bit form always, UTF-8 itself only under SMTPUTF8."""
    assert parse_rcpt_parameters(r"ORCPT=utf-8;j\x{FC}rgen@x").orcpt == r"utf-8;j\x{FC}rgen@x"
    assert parse_rcpt_parameters("ORCPT=UTF-8;jürgen@x", smtputf8=True).orcpt == "UTF-8;jürgen@x"
    with pytest.raises(CommandError):
        parse_rcpt_parameters("ORCPT=utf-8;jürgen@x")
    with pytest.raises(CommandError):
        parse_rcpt_parameters("ORCPT=rfc822;jürgen@x", smtputf8=True)


@pytest.mark.parametrize(
    "text",
    [
        "SIZE",
        "SIZE=",
        "SIZE=-1",
        "SIZE=1k",
        "SIZE=\u0661",
        "SIZE=123456789012345678901",
        "SIZE=1 SIZE=1",
        "size=1 SIZE=2",
        "BODY",
        "BODY=9BIT",
        "SMTPUTF8=yes",
        "SMTPUTF8 smtputf8",
        "RET",
        "RET=SOME",
        "ENVID",
        "ENVID=a=b",
        "ENVID=a+b",
        "ENVID=+0A",
        "ENVID=" + "x" * 101,
        "AUTH",
        "AUTH=a+b",
        "AUTH=" + "x" * 501,
        "=",
        "=x",
        "-X=1",
        "RET=FULL Y= Z",
        "RET=\u017full",
        "BODY=8\u0131T",
        "SI\u017fE=1",
        "SIZE=1\u00a0RET=FULL",
    ],
)
def test_bad_mail_parameters(text: str) -> None:
    """Bad values, repeated ones and bad words are 501 5.5.4."""
    with pytest.raises(CommandError) as caught:
        parse_mail_parameters(text)
    assert (caught.value.reply.code, caught.value.reply.status) == (501, "5.5.4")


@pytest.mark.parametrize(
    "text",
    [
        "NOTIFY",
        "NOTIFY=",
        "NOTIFY=ALWAYS",
        "NOTIFY=NEVER,SUCCESS",
        "NOTIFY=SUCCESS,",
        "NOTIFY=\u017fUCCESS",
        "NOTIFY=SUCCESS NOTIFY=DELAY",
        "ORCPT",
        "ORCPT=joe@x",
        "ORCPT=;joe@x",
        "ORCPT=rfc822;",
        "ORCPT=rfc822;a=b@x",
        "ORCPT=rfc822;a+0D+0Ab",
        "ORCPT=rfc822;+C3+A9",
        "ORCPT=rf c822;a@b",
        "ORCPT=rf@c822;a@b",
        r"ORCPT=utf-8;a\x{0A}b",
        "ORCPT=utf-8;a+b",
        "ORCPT=rfc822;" + "x" * 500,
    ],
)
def test_bad_rcpt_parameters(text: str) -> None:
    """The same for RCPT; nothing that could forge a field of a DSN passes."""
    with pytest.raises(CommandError) as caught:
        parse_rcpt_parameters(text, smtputf8=True)
    assert (caught.value.reply.code, caught.value.reply.status) in {(501, "5.5.4"), (555, "5.5.4")}


@pytest.mark.parametrize("text", ["X", "X=1", "NOTIFY=NEVER", "BODY=BINARYMIME", "body=binarymime", "MT-PRIORITY=3"])
def test_unknown_parameters(text: str) -> None:
    """What isn't offered is 555 5.5.4 (RFC 5321 section 4.1.1.11)."""
    with pytest.raises(CommandError) as caught:
        parse_mail_parameters(text)
    assert (caught.value.reply.code, caught.value.reply.status) == (555, "5.5.4")


@settings(max_examples=400, derandomize=True)
@given(st.text(st.sampled_from("SIZEBODY=RETFULENVIDAUTHNOTIFYORCPT;+1 \\x{}é\0,") | st.characters(), max_size=30))
def test_junk(text: str) -> None:
    """Nothing but CommandError comes out."""
    for parse in (parse_mail_parameters, parse_rcpt_parameters):
        try:
            parse(text)
        except CommandError:
            continue


@pytest.mark.parametrize(
    "text", ["", "SIZE=5", "SIZE=0 RET=HDRS ENVID=x+20y AUTH=<> BODY=8BITMIME SMTPUTF8", "AUTH=a@b.test"]
)
def test_said_again(text: str) -> None:
    """What is told of the parameters means the same as what was said."""
    parameters = parse_mail_parameters(text)
    assert parse_mail_parameters(" ".join(mail_words(parameters))) == parameters

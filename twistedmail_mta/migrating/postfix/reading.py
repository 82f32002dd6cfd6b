"""An import of Postfix from beginning to end."""

from __future__ import annotations

import posixpath
from typing import Final

from twistedmail_mta.migrating.draft import Draft
from twistedmail_mta.migrating.findings import Place
from twistedmail_mta.migrating.postfix import changing, guarding, hosting, keeping, listening, relaying, sending
from twistedmail_mta.migrating.postfix.ignored import ADVICE, IGNORED
from twistedmail_mta.migrating.postfix.importing import Importing
from twistedmail_mta.migrating.postfix.main_cf import MainCf, parse_main_cf
from twistedmail_mta.migrating.postfix.master_cf import Service, parse_master_cf
from twistedmail_mta.migrating.texts import Read

_QUEUE: Final = (
    "# Mail that waits in Postfix's queue isn't moved: with its smtpd off, let it run until `postqueue -p` is empty.",
    "postqueue -f",
)


def read_postfix(folder: str, read: Read, hostname: str, draft: Draft) -> str:
    """Take over a configuration of Postfix; return the name of the host.

    Args:
        folder: where main.cf and master.cf are.
        read: reads a file.
        hostname: of this host in full, where main.cf doesn't say.
        draft: gets everything.

    Raises:
        OSError: main.cf can't be read.
    """
    file = posixpath.join(folder, "main.cf")
    config = parse_main_cf(read(file), file, hostname)
    doing = Importing(config, _services(folder, read, draft), read, draft)
    _take(doing)
    return config_name(config)


def config_name(config: MainCf) -> str:
    """Return what the host calls itself."""
    try:
        return config.value("myhostname")
    except ValueError:
        return config.hostname


def _services(folder: str, read: Read, draft: Draft) -> list[Service]:
    file = posixpath.join(folder, "master.cf")
    try:
        text = read(file)
    except OSError as error:
        draft.say("unmapped", Place(file), "master.cf", "", "listen", f"{error}; the usual listeners are taken")
        text = "smtp inet n - y - - smtpd\n"
    services: list[Service] = []
    for item in parse_master_cf(text, file):
        if isinstance(item, Service):
            services.append(item)
        else:
            draft.say(
                "unmapped", item[0], "master.cf", item[1], "", "the line can't be understood: mend it, and import again"
            )
    return services


def _take(doing: Importing) -> None:
    """Take all parts in the order in which they need each other."""
    for place, text in doing.config.odd:
        doing.draft.say("unmapped", place, text, "", "", "the line is no setting: mend it, and import again")
    if doing.config.given("myhostname"):
        doing.value("myhostname")
        doing.say("mapped", "myhostname", "server.hostname")
    doing.done.add("mydomain")
    listening.take_services(doing)
    listening.take_interfaces(doing)
    listening.take_certificate(doing)
    hosting.take_domains(doing)
    hosting.take_mailboxes(doing)
    hosting.take_virtual_aliases(doing)
    hosting.take_local_aliases(doing)
    hosting.take_local_users(doing)
    hosting.drop_impossible(doing)
    ways = sending.transports(doing)
    relaying.take_relay_domains(doing, ways)
    relaying.take_relay_recipients(doing)
    relaying.take_networks(doing)
    sending.take_routes(doing, ways)
    sending.take_outbound(doing)
    keeping.take_sizes(doing)
    keeping.take_queue(doing)
    keeping.take_limits(doing)
    guarding.take_restrictions(doing)
    guarding.take_milters(doing)
    changing.take_rewriting(doing)
    changing.take_copies(doing)
    changing.take_checks(doing)
    guarding.take_content_filter(doing)
    _tell_the_rest(doing)
    doing.draft.commands += _QUEUE


def _tell_the_rest(doing: Importing) -> None:
    """Tell of every setting that nobody has looked at, or that was looked at and not told."""
    told = {finding.setting for finding in doing.draft.findings}
    for name, setting in doing.config.settings.items():
        if name in told:
            continue
        if not setting.raw.strip():
            doing.draft.say("default", setting.place, name, "", "", "it says nothing")
        elif name in IGNORED:
            doing.draft.say("default", setting.place, name, setting.raw, "", IGNORED[name])
        elif name in doing.done:
            doing.draft.say("default", setting.place, name, setting.raw, "", "it is part of what is told above")
        else:
            advice = ADVICE.get(name, "nothing here is known to do that: see docs/operating.md and docs/policies.md")
            doing.draft.say("unmapped", setting.place, name, setting.raw, "", advice)

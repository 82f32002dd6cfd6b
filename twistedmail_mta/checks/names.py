"""What the DNS says of this host and of its domains, as `mta dns --check` finds it, in the words of a preflight."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from twistedmail_mta.checks.finding import Finding
from twistedmail_mta.publishing.finding import Finding as Published


def findings_of_names(found: Iterable[Published]) -> Iterator[Finding]:
    """Yield what is missing or wrong, and what couldn't be found out; what is right, or no fault, isn't told."""
    for each in found:
        where = " ".join(filter(None, (each.name, each.rdtype)))
        if each.state in {"missing", "wrong"}:
            what = "isn't in the DNS" if each.state == "missing" and each.text == "publish" else each.text
            yield Finding("warning", "", f"{where}: {what}", _mend(each))
        elif each.state == "unknown":
            text = f"{where}: {each.text}" if where else each.text
            yield Finding("note", "", text)


def _mend(found: Published) -> str:
    lines = [line for record in found.publish for line in record.text.split("\n")]
    if not lines:
        return "see `mta dns` for what should be there"
    return "\n    ".join(("publish:", *lines)) if len(lines) > 1 else f"publish: {lines[0]}"

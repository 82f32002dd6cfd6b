"""Hands out MTA-STS policies (RFC 8461 section 3.3)."""

from __future__ import annotations

from collections.abc import Mapping

from twistedmail_mta.mta_sts.policy import MEDIA_TYPE, PATH, Policy, policy_host, policy_text
from twistedmail_mta.web.request import answer_with, read_request


class PolicyAnswers:
    """Answers each host that is named after a domain with that domain's policy, and all else with 404."""

    def __init__(self, policies: Mapping[str, Policy]) -> None:
        """Make the answers.

        Args:
            policies: by domain.
        """
        self._texts = {policy_host(domain): policy_text(policy) for domain, policy in policies.items()}

    def __call__(self, octets: bytes, _peer: str) -> bytes:
        """Return the whole answer to a request."""
        request = read_request(octets)
        text = self._texts.get(request.host) if request is not None and request.path == PATH else None
        return answer_with(request, text, MEDIA_TYPE)

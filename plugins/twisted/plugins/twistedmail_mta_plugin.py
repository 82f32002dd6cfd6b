"""Makes `twistd mta` known; twistd imports this file, so it imports next to nothing."""

from twisted.application.service import ServiceMaker

mta = ServiceMaker("twistedmail_mta", "twistedmail_mta.tap", "A mail server: MX, submission and queue.", "mta")

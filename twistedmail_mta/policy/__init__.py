"""What ships as plugins, one file each, and the running of all plugins.

One that is added here is named twice, in the same words: in `SHIPPED` of
shipped.py, by which `plugins.find` knows it also in a checkout, and in
setup.cfg under [options.entry_points], `twistedmail_mta.plugins`, where other
programs look:

    "dnsbl": "twistedmail_mta.policy.dnsbl:DNSBL",      shipped.py
    dnsbl = twistedmail_mta.policy.dnsbl:DNSBL          setup.cfg
"""

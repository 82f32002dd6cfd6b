"""A test kit for those who write plugins: one stage at a time, or a whole session, in memory.

    from twistedmail_mta.stages import IRecipientPolicy
    from twistedmail_mta.testing.rig import Rig
    from twistedmail_mta.testing.site import Site
    from twistedmail_mta.testing.values import client, mail_from, recipient

    rig = Rig(NoStrangers, {"friends": ["ann@example.org"]})
    assert rig.ask(IRecipientPolicy, client(), mail_from("eve@example.net"), recipient("bob@home.test")).code == 550

    session = Site(rig).connect()
    assert session.mail("eve@example.net", "bob@home.test").startswith("550")

`rig` makes a plugin and asks it, `surroundings` are the fakes it is given,
`values` makes what it is told, and `site` is a listener that asks it.  Nothing
here needs a reactor, a file, or the network; time is a `Clock`.
"""

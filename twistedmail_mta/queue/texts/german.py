"""Reports in German."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.queue.texts.form import Dates, Texts, Wording

GERMAN: Final = Texts(
    failure=Wording(
        subject="Ihre E-Mail konnte nicht zugestellt werden",
        opening=(
            "Ihre E-Mail {mail} konnte den folgenden Empfängern nicht zugestellt werden. "
            "Es wird kein weiterer Versuch unternommen:"
        ),
        ending=(
            "Die technischen Einzelheiten sind angehängt. "
            "Zeigen Sie sie dem Administrator Ihres Mailsystems, wenn Sie Hilfe brauchen."
        ),
    ),
    delay=Wording(
        subject="Die Zustellung Ihrer E-Mail verzögert sich",
        opening=(
            "Ihre E-Mail {mail} konnte den folgenden Empfängern noch nicht zugestellt werden. "
            "Es wird weiter versucht; dies ist nur ein Hinweis, und Sie brauchen sie nicht noch einmal zu senden:"
        ),
        ending="Sie erhalten eine Nachricht, falls die Zustellung endgültig scheitert.",
    ),
    success=Wording(
        subject="Ihre E-Mail wurde weitergegeben",
        opening="Sie wollten wissen, was aus Ihrer E-Mail {mail} geworden ist:",
        ending="Sie brauchen nichts weiter zu tun.",
    ),
    admin=Wording(
        subject="Eine angenommene E-Mail konnte nicht zugestellt werden",
        opening=(
            "Die E-Mail von {sender} {mail} wurde angenommen, konnte aber den folgenden Empfängern nicht zugestellt "
            "werden. Es wird kein weiterer Versuch unternommen. Der Absender hat sich hier nicht angemeldet, seine "
            "Adresse kann also gefälscht sein: Außer Ihnen wird niemand benachrichtigt."
        ),
        ending="Die technischen Einzelheiten und der Kopf der E-Mail sind angehängt.",
    ),
    greeting="Dies ist das Mailsystem von {host}.",
    mail="vom {date}",
    mail_with_subject="vom {date} mit dem Betreff „{subject}“",
    answer="Die Antwort von {remote}:",
    found="Der Grund:",
    retried="Es wird bis zum {date} versucht.",
    done={
        "relayed": (
            "Sie wurde an {remote} übergeben. Dieser Server meldet nicht, was weiter mit ihr geschieht; "
            "Sie hören nur noch davon, wenn dort etwas schiefgeht."
        ),
        "delivered": "Sie wurde zugestellt.",
        "expanded": (
            "Die Adresse steht für mehrere andere. Sie wurde an diese weitergeschickt; "
            "Sie hören nur noch davon, wenn dabei etwas schiefgeht."
        ),
    },
    by_status={
        "1.2": "Die Domain, also der Teil hinter dem @, gibt es nicht. Prüfen Sie die Schreibweise.",
        "1.3": "Die Adresse ist ungültig. Prüfen Sie die Schreibweise.",
        "1.6": "Der Empfänger ist umgezogen; die Adresse wird nicht mehr benutzt.",
        "1.10": "Diese Domain nimmt überhaupt keine E-Mail an. Prüfen Sie die Schreibweise.",
        "2.1": "Das Postfach ist geschlossen. Versuchen Sie, den Empfänger auf anderem Weg zu erreichen.",
        "2.3": "Ihre E-Mail ist für dieses Postfach zu groß. Senden Sie sie ohne große Anhänge.",
        "4.4": (
            "Zu dieser Domain wurde kein Weg gefunden. "
            "Prüfen Sie die Schreibweise, oder versuchen Sie es später noch einmal."
        ),
        "4.6": "Die E-Mail läuft zwischen Servern im Kreis. Das muss ein Administrator beheben.",
        "4.7": (
            "Die Zustellung wurde so lange versucht, wie E-Mails hier aufgehoben werden. "
            "Sie können sie noch einmal senden."
        ),
        "6.3": "Die Gegenseite nimmt nur reinen 7-Bit-Text an. Senden Sie die E-Mail ohne Sonderzeichen.",
        "6.7": "Die Gegenseite kann mit Adressen, die andere Zeichen als A bis Z enthalten, nicht umgehen.",
    },
    by_kind={
        "throttled": (
            "Die Gegenseite begrenzt, wie viele E-Mails sie in einer gewissen Zeit annimmt. "
            "Versuchen Sie es später noch einmal."
        ),
        "blocked": (
            "Die Gegenseite traut E-Mails dieses Servers oder Ihrer Domain nicht. "
            "Zeigen Sie diese Meldung dem Administrator Ihres Mailsystems."
        ),
        "greylisted": "Die Gegenseite lässt erste E-Mails eine Weile warten. Alles ist in Ordnung.",
        "full": (
            "Das Postfach ist voll. Versuchen Sie es später noch einmal, "
            "oder versuchen Sie, den Empfänger auf anderem Weg zu erreichen."
        ),
        "unknown": "Die Adresse gibt es auf der Gegenseite nicht. Prüfen Sie die Schreibweise.",
        "content": (
            "Die Gegenseite stört sich an etwas in Ihrer E-Mail, etwa an einem Anhang, einem Link oder ihrer Form. "
            "Ändern Sie das, oder versuchen Sie, den Empfänger auf anderem Weg zu erreichen."
        ),
        "size": "Ihre E-Mail ist für die Gegenseite zu groß. Senden Sie sie ohne große Anhänge.",
        "authentication": (
            "Die Gegenseite konnte nicht prüfen, dass die E-Mail wirklich von Ihrer Domain kommt. "
            "Zeigen Sie diese Meldung dem Administrator Ihres Mailsystems."
        ),
        "policy": (
            "Die Gegenseite lehnt Ihre E-Mail nach einer eigenen Regel ab. Ihre Antwort sagt vielleicht, warum; "
            "sonst versuchen Sie, den Empfänger auf anderem Weg zu erreichen."
        ),
        "tls": (
            "Es war keine sichere Verbindung zur Gegenseite möglich. "
            "Zeigen Sie diese Meldung dem Administrator Ihres Mailsystems."
        ),
        "unreachable": (
            "Der Server dieser Domain war nicht zu erreichen. "
            "Prüfen Sie die Schreibweise, oder versuchen Sie es später noch einmal."
        ),
        "trouble": "Die Gegenseite hat selbst eine Störung. Versuchen Sie es später noch einmal.",
    },
    dates=Dates(
        "{day}. {month} {year}, {time} Uhr ({zone})",
        (
            "Januar",
            "Februar",
            "März",
            "April",
            "Mai",
            "Juni",
            "Juli",
            "August",
            "September",
            "Oktober",
            "November",
            "Dezember",
        ),
    ),
)

"""Reports in French."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.queue.texts.form import Dates, Texts, Wording

FRENCH: Final = Texts(
    failure=Wording(
        subject="Votre message n'a pas pu être remis",
        opening=(
            "Votre message {mail} n'a pas pu être remis aux destinataires suivants, "
            "et aucun nouvel essai n'aura lieu\xa0:"
        ),
        ending=(
            "Les détails techniques sont joints. Montrez-les à l'administrateur de votre messagerie "
            "si vous avez besoin d'aide."
        ),
    ),
    delay=Wording(
        subject="Votre message est retardé",
        opening=(
            "Votre message {mail} n'a pas encore pu être remis aux destinataires suivants. Les essais continuent\xa0; "
            "ceci n'est qu'une information, et il est inutile de l'envoyer à nouveau\xa0:"
        ),
        ending="Vous serez averti s'il ne peut finalement pas être remis.",
    ),
    success=Wording(
        subject="Votre message a été transmis",
        opening="Vous avez demandé à savoir ce que deviendrait votre message {mail}\xa0:",
        ending="Vous n'avez rien d'autre à faire.",
    ),
    admin=Wording(
        subject="Un message accepté n'a pas pu être remis",
        opening=(
            "Le message de {sender} {mail} a été accepté, mais n'a pas pu être remis aux destinataires suivants, "
            "et aucun nouvel essai n'aura lieu. Son expéditeur ne s'est pas authentifié ici, son adresse est donc "
            "peut-être usurpée\xa0: personne d'autre que vous n'est averti."
        ),
        ending="Les détails techniques et l'en-tête du message sont joints.",
    ),
    greeting="Voici le système de messagerie de {host}.",
    mail="du {date}",
    mail_with_subject="du {date} ayant pour objet «\xa0{subject}\xa0»",
    answer="La réponse de {remote}\xa0:",
    found="La raison\xa0:",
    retried="Les essais continuent jusqu'au {date}.",
    done={
        "relayed": (
            "Il a été transmis à {remote}. Ce serveur n'indique pas ce qu'il en advient\xa0; "
            "vous n'en entendrez plus parler que si un problème survient là-bas."
        ),
        "delivered": "Il a été remis.",
        "expanded": (
            "Cette adresse en représente plusieurs autres. Il leur a été envoyé\xa0; "
            "vous n'en entendrez plus parler que si un problème survient."
        ),
    },
    by_status={
        "1.2": "Le domaine, c'est-à-dire ce qui suit le @, n'existe pas. Vérifiez-en l'orthographe.",
        "1.3": "L'adresse n'est pas valable. Vérifiez-en l'orthographe.",
        "1.6": "Le destinataire a changé d'adresse, et celle-ci n'est plus utilisée.",
        "1.10": "Ce domaine déclare n'accepter aucun courrier. Vérifiez-en l'orthographe.",
        "2.1": "La boîte aux lettres est fermée. Joignez le destinataire par un autre moyen.",
        "2.3": (
            "Votre message est trop volumineux pour cette boîte aux lettres. "
            "Envoyez-le sans pièces jointes volumineuses."
        ),
        "4.4": (
            "Aucun chemin vers ce domaine n'a été trouvé. Vérifiez-en l'orthographe, ou essayez à nouveau plus tard."
        ),
        "4.6": "Le message tourne en boucle entre des serveurs. Un administrateur doit y mettre fin.",
        "4.7": (
            "Les essais ont duré aussi longtemps que le courrier est conservé ici. Vous pouvez l'envoyer à nouveau."
        ),
        "6.3": "L'autre serveur n'accepte que du texte à 7 bits. Envoyez le message sans caractères spéciaux.",
        "6.7": (
            "L'autre serveur ne prend pas en charge les adresses qui contiennent d'autres caractères que les lettres "
            "de A à Z."
        ),
    },
    by_kind={
        "throttled": (
            "L'autre serveur limite le courrier qu'il accepte dans un temps donné. Essayez à nouveau plus tard."
        ),
        "blocked": (
            "L'autre serveur ne fait pas confiance au courrier de ce serveur, ou de votre domaine. "
            "Montrez ce rapport à l'administrateur de votre messagerie."
        ),
        "greylisted": "L'autre serveur fait attendre les premiers messages. Tout est en ordre.",
        "full": (
            "La boîte aux lettres est pleine. Essayez à nouveau plus tard, "
            "ou joignez le destinataire par un autre moyen."
        ),
        "unknown": "Cette adresse n'existe pas sur l'autre serveur. Vérifiez-en l'orthographe.",
        "content": (
            "Quelque chose dans votre message déplaît à l'autre serveur, par exemple une pièce jointe, un lien ou sa "
            "forme. Modifiez-le, ou joignez le destinataire par un autre moyen."
        ),
        "size": (
            "Votre message est trop volumineux pour l'autre serveur. Envoyez-le sans pièces jointes volumineuses."
        ),
        "authentication": (
            "L'autre serveur n'a pas pu vérifier que le message vient bien de votre domaine. "
            "Montrez ce rapport à l'administrateur de votre messagerie."
        ),
        "policy": (
            "L'autre serveur refuse votre message d'après une règle qui lui est propre. Sa réponse dit peut-être "
            "pourquoi\xa0; sinon, joignez le destinataire par un autre moyen."
        ),
        "tls": (
            "Aucune connexion sûre avec l'autre serveur n'a été possible. "
            "Montrez ce rapport à l'administrateur de votre messagerie."
        ),
        "unreachable": (
            "Le serveur de ce domaine n'a pas pu être joint. "
            "Vérifiez l'orthographe du domaine, ou essayez à nouveau plus tard."
        ),
        "trouble": "L'autre serveur a lui-même un problème. Essayez à nouveau plus tard.",
    },
    dates=Dates(
        "{day} {month} {year} à {time} ({zone})",
        (
            "janvier",
            "février",
            "mars",
            "avril",
            "mai",
            "juin",
            "juillet",
            "août",
            "septembre",
            "octobre",
            "novembre",
            "décembre",
        ),
        first="1er",
    ),
)

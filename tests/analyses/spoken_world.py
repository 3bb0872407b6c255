"""A small company whose customers speak of known things, in several languages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

START = pd.Timestamp("2025-01-01")

# Three themes a language; each comment is of one theme, with filler that all themes share.
GRAMMARS: dict[str, dict[str, list[str]]] = {
    "en": {
        "parcel": [
            "the parcel came late",
            "the courier left the parcel outside",
            "my delivery was damaged by the courier",
            "delivery of the parcel took a week",
        ],
        "bill": [
            "the invoice was wrong",
            "I was charged a fee on my invoice",
            "the refund of the fee never came",
            "my bill shows a charge and a fee twice",
        ],
        "app": [
            "the app crashes at login",
            "after the update the login fails",
            "the app is slow since the update",
            "my password is refused by the app",
        ],
    },
    "de": {
        "parcel": [
            "das Paket kam zu spät an",
            "der Fahrer hat das Paket draußen abgestellt",
            "die Lieferung war beschädigt",
            "die Lieferung des Pakets dauerte eine Woche",
        ],
        "bill": [
            "die Rechnung war falsch",
            "auf der Rechnung steht eine Gebühr",
            "die Erstattung der Gebühr kam nie",
            "der Betrag der Rechnung wurde abgebucht",
        ],
        "app": [
            "die Anwendung stürzt beim Anmelden ab",
            "das Passwort wird beim Anmelden abgelehnt",
            "die Anwendung ist seit der Aktualisierung langsam",
            "nach der Aktualisierung geht das Passwort nicht mehr",
        ],
    },
    "es": {
        "parcel": [
            "el paquete llegó muy tarde",
            "el repartidor dejó el paquete fuera de la casa",
            "la entrega estaba dañada por el repartidor",
            "la entrega del paquete tardó mucho",
        ],
        "bill": [
            "la factura estaba equivocada",
            "me cobraron una comisión en la factura",
            "el reembolso de la comisión nunca llegó",
            "el importe de la factura no es correcto",
        ],
        "app": [
            "la aplicación se cierra al entrar",
            "la contraseña no funciona en la aplicación",
            "desde la actualización la aplicación es lenta",
            "después de la actualización no acepta mi contraseña",
        ],
    },
    "fr": {
        "parcel": [
            "le colis est arrivé très tard",
            "le livreur a laissé le colis dehors",
            "la livraison était abîmée par le livreur",
            "la livraison du colis a duré longtemps",
        ],
        "bill": [
            "la facture était fausse",
            "on m'a compté des frais sur la facture",
            "le remboursement des frais n'est jamais venu",
            "le montant de la facture est faux",
        ],
        "app": [
            "l'application plante à la connexion",
            "le mot de passe ne marche pas à la connexion",
            "depuis la mise à jour l'application est lente",
            "après la mise à jour la connexion échoue toujours",
        ],
    },
    "pt": {
        "parcel": [
            "a encomenda chegou muito tarde",
            "o estafeta deixou a encomenda na rua",
            "a entrega estava danificada pelo estafeta",
            "a entrega da encomenda demorou muito",
        ],
        "bill": [
            "a fatura estava errada",
            "cobraram uma comissão na minha fatura",
            "o reembolso da comissão nunca chegou",
            "o valor da fatura não está correto",
        ],
        "app": [
            "o aplicativo fecha ao entrar",
            "a senha não funciona no aplicativo",
            "desde a atualização o aplicativo está lento",
            "depois da atualização não aceita a minha senha",
        ],
    },
}
# What all themes share.
FILLERS: dict[str, list[str]] = {
    "en": [
        "It happened on Monday",
        "My neighbour said so",
        "Please call my office",
        "Sadly nobody told me",
        "This is the second complaint",
        "I hope it gets better",
        "My family is angry",
        "Thank you anyway",
    ],
    "de": [
        "Das war am Montag",
        "Mein Nachbar sagt das auch",
        "Bitte im Büro anrufen",
        "Leider hat niemand Bescheid gesagt",
        "Das ist die zweite Beschwerde",
        "Hoffentlich wird es besser",
        "Meine Familie ist verärgert",
        "Trotzdem vielen Dank",
    ],
    "es": [
        "Eso fue el lunes",
        "Mi vecino dice lo mismo",
        "Por favor llamen a mi oficina",
        "Por desgracia nadie me avisó",
        "Es la segunda queja",
        "Espero que mejore pronto",
        "Mi familia está enfadada",
        "Gracias de todos modos",
    ],
    "fr": [
        "C'était lundi dernier",
        "Mon voisin dit la même chose",
        "Merci d'appeler mon bureau",
        "Hélas personne ne m'a prévenu",
        "C'est la deuxième réclamation",
        "J'espère que cela ira mieux",
        "Ma famille est fâchée",
        "Merci quand même",
    ],
    "pt": [
        "Isso foi na segunda-feira",
        "O meu vizinho diz o mesmo",
        "Por favor liguem para o escritório",
        "Infelizmente ninguém me avisou",
        "É a segunda reclamação",
        "Espero que melhore em breve",
        "A minha família está zangada",
        "Obrigado mesmo assim",
    ],
}
NEW = [
    "the roaming stopped abroad",
    "abroad there was no roaming signal",
    "roaming on holiday had no signal",
    "no signal abroad on holiday",
    "the roaming abroad is a network lottery",
    "there is no network on holiday",
    "the network abroad had a weak signal",
    "on holiday the roaming network vanished",
]
PLACES = {"parcel": "delivery", "bill": "invoice", "app": "app", "new": "travel"}


def say(draw: np.random.Generator, language: str, theme: str) -> str:
    """Write a comment of two lines of one theme."""
    lines = NEW if theme == "new" else GRAMMARS[language][theme]
    one, two = draw.choice(len(lines), 2, replace=False)
    joined = draw.choice([". ", ", ", " – ", "! "])
    more = draw.choice(FILLERS[language])
    return f"{lines[one]}{joined}{lines[two]}. {more}."


def comments(
    draw: np.random.Generator, count: int, customers: int, days: tuple[float, float],
    languages: tuple[str, ...] = ("en",), themes: tuple[str, ...] = ("parcel", "bill", "app"),
) -> pd.DataFrame:  # fmt: skip
    """Draw comments: ``who, at, theme, language, comment``, and a score that bills lower."""
    theme = draw.choice(themes, count)
    language = draw.choice(languages, count)
    made = pd.DataFrame(
        {
            "who": draw.integers(customers, size=count),
            "at": draw.uniform(*days, count),
            "theme": theme,
            "language": language,
            "comment": [say(draw, a, t) for a, t in zip(language, theme, strict=True)],
        }
    )
    low = (made["theme"] == "bill").to_numpy()
    made["score"] = np.where(low, draw.choice([1, 2, 3], count), draw.choice([3, 4, 5], count))
    return made


def write(
    folder: Path, said: pd.DataFrame, customers: int, days: int, leaves: np.ndarray | None = None,
    **columns: object,
) -> Path:  # fmt: skip
    """Write a dataset of customers and their comments, as scores of csat."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = np.array([f"c{i:04d}" for i in range(customers)])
    gone = np.full(customers, np.nan) if leaves is None else leaves
    gone = np.where(gone < days, gone, np.nan)
    if leaves is None:
        gone[:3] = days - 0.5
    # Not NaN: of that pandas now and then warns.
    ended = START + pd.to_timedelta(np.nan_to_num(gone), unit="D").round("s")
    ended = ended.where(~np.isnan(gone))
    frame = pd.DataFrame(
        {"customer_id": ids, "started_at": START - pd.Timedelta(days=40), "ended_at": ended}
    )
    frame.assign(**columns).to_parquet(folder / "customers.parquet")
    said = said[~(said["at"] >= np.nan_to_num(gone, nan=np.inf)[said["who"]])]
    pd.DataFrame(
        {
            "customer_id": ids[said["who"]],
            "responded_at": START + pd.to_timedelta(said["at"].to_numpy(), unit="D").round("s"),
            "metric": "csat",
            "score": said["score"].to_numpy(float),
            "touchpoint": said["theme"].map(PLACES).to_numpy(),
            "comment": said["comment"].to_numpy(object),
        }
    ).to_parquet(folder / "feedback.parquet")
    last = (START + pd.Timedelta(days=days - 1)).date()
    (folder / "dataset.yml").write_text(f"observed_until: {last}\n", encoding="utf-8")
    return folder

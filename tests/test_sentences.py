"""Sentences in three languages: nothing is missing, and every one reads as people write."""

from __future__ import annotations

import re

import pytest
from babel.messages.catalog import Message
from hypothesis import given
from hypothesis import strategies as st

from features.catalog import definitions
from features.schema import ACTIVITY_KINDS
from features.spine import FeatureSpec
from features.tables import CustomField, Meta, micros
from serving.i18n.languages import LANGUAGES, date, negotiate, number, place, read_messages
from serving.i18n.sentences import change, effect, part_sentence, prior_sentence, sentence, shown
from serving.i18n.titles import absence, title
from serving.scoring.contract import Lang
from serving.web.messages import missing, required, update
from tests.helpers.histories import META

ENTITIES = ("leads", "deals", "accounts")


def every_spec() -> list[FeatureSpec]:
    return [d.spec for entity in ENTITIES for d in definitions(entity, META).values()]


def spec(name: str) -> FeatureSpec:
    """A feature of the catalogue, by its name."""
    return next(one for one in every_spec() if one.name == name)


@pytest.mark.parametrize("lang", LANGUAGES[1:])
def test_no_message_is_missing_and_none_is_left_over(lang: str) -> None:
    """`make messages` brings the catalogues in step."""
    assert missing(lang) == []
    kept, said = read_messages(lang), required()
    assert {(m.id, m.context) for m in kept} == {(m.id, m.context) for m in said}


@pytest.mark.parametrize("lang", LANGUAGES[1:])
def test_the_catalogue_is_as_the_command_writes_it(
    lang: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("locale")
    before = place(lang).read_bytes()
    (folder / lang / "LC_MESSAGES").mkdir(parents=True)
    monkeypatch.setattr("serving.i18n.languages.FOLDER", folder)
    place(lang).write_bytes(before)
    assert update(lang) == []
    assert place(lang).read_bytes() == before


def strings(message: Message) -> list[str]:
    said = message.string
    return [said] if isinstance(said, str) else list(said or ())


@pytest.mark.parametrize("lang", LANGUAGES[1:])
def test_translations_keep_every_placeholder(lang: str) -> None:
    names = re.compile(r"%\((\w+)\)s|\{(\w+)\}")
    for message in read_messages(lang):
        ids = [message.id] if isinstance(message.id, str) else list(message.id)
        for said in filter(None, strings(message)):
            if message.id:
                assert set(names.findall(said)) == set(names.findall(ids[-1])), message.id


@pytest.mark.parametrize("lang", ["es", "it"])
def test_every_feature_has_a_title_of_its_own_language(lang: str) -> None:
    """Nothing reads as in English, but what is the company's own."""
    english = {"No"}  # the one word that is the same
    for one in every_spec():
        said = title(one, lang)
        assert said and "{" not in said and not said.endswith(".")
        if "ustom" not in one.name and "pages" not in said and "tool" not in said.lower():
            assert said != title(one) and said not in english, said


@pytest.mark.parametrize("lang", LANGUAGES)
def test_titles_tell_features_of_one_entity_apart(lang: str) -> None:
    for entity in ENTITIES:
        specs = [d.spec for d in definitions(entity, META).values()]
        assert len({title(one, lang) for one in specs}) == len(specs)


SAID = [
    (spec("meeting_30d"), 2.0,
     "Meetings in the last 30 days: 2 (raises the chance by 6 points)",
     "Reuniones en los últimos 30 días: 2 (aumenta la probabilidad en 6 puntos)",
     "Riunioni negli ultimi 30 giorni: 2 (aumenta la probabilità di 6 punti)"),
    (spec("amount"), 1234567.0,
     "Amount: 1,234,567 EUR (raises the chance by 6 points)",
     "Importe: 1.234.567 EUR (aumenta la probabilidad en 6 puntos)",
     "Importo: 1.234.567 EUR (aumenta la probabilità di 6 punti)"),
    (spec("owner_rate"), 0.314,
     "Share of the seller's closed cases that succeeded so far: 31.4 % (raises the chance by 6 "
     "points)",
     "Porcentaje de éxito del comercial hasta ahora: 31,4 % (aumenta la probabilidad en 6 puntos)",
     "Percentuale di successo del venditore finora: 31,4% (aumenta la probabilità di 6 punti)"),
    (spec("days_since_call"), None,
     "No call yet (raises the chance by 6 points)",
     "Todavía no hay llamadas (aumenta la probabilidad en 6 puntos)",
     "Ancora nessuna chiamata (aumenta la probabilità di 6 punti)"),
    (spec("month"), "03",
     "Calendar month: March (raises the chance by 6 points)",
     "Mes del año: marzo (aumenta la probabilidad en 6 puntos)",
     "Mese dell'anno: marzo (aumenta la probabilità di 6 punti)"),
    (spec("last_activity_kind"), "email",
     "Kind of the last activity: e-mail (raises the chance by 6 points)",
     "Tipo de la última actividad: correo electrónico (aumenta la probabilidad en 6 puntos)",
     "Tipo dell'ultima attività: e-mail (aumenta la probabilità di 6 punti)"),
    (spec("account_employees"), 1.0,
     "Number of employees (of the account): 1 person (raises the chance by 6 points)",
     "Número de empleados (de la cuenta): 1 persona (aumenta la probabilidad en 6 puntos)",
     "Numero di dipendenti (dell'account): 1 persona (aumenta la probabilità di 6 punti)"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "value", "en", "es", "it"), SAID)
def test_one_reason_in_three_languages(
    one: FeatureSpec, value: float | str | None, en: str, es: str, it: str
) -> None:
    said = [sentence(one, value, 0.06, "won", "EUR", lang) for lang in LANGUAGES]
    assert said == [en, es, it]


def test_a_company_s_own_field_is_called_by_its_label() -> None:
    fields = [CustomField("fit", "number", True, "points", "Fit of the company, 0 to 100"),
              CustomField("stack", "category", True)]  # fmt: skip
    known = definitions("leads", Meta("2024-01-01T00:00:00Z", custom={"leads": fields}))
    fit = known["custom_fit"].spec
    assert sentence(fit, 81.0, 0.04, "won", "", "es") == (
        "Fit of the company, 0 to 100: 81 points (aumenta la probabilidad en 4 puntos)"
    )
    assert title(known["custom_stack"].spec, "it") == "Stack"
    rate = known["stack_rate"].spec
    assert title(rate, "es") == ("Porcentaje de éxito de los casos con el mismo valor de stack")


def test_effects_count_their_points() -> None:
    assert effect(-0.01, "churned", "es") == "reduce el riesgo en 1 punto"
    assert effect(0.004, "won", "it") == "aumenta la probabilità di 0,4 punti"
    assert effect(0.0001, "won", "es") == "aumenta ligeramente la probabilidad"


def test_what_became_different() -> None:
    calls = spec("call_30d")
    assert change(calls, 2.0, 5.0, "", "it") == "Chiamate negli ultimi 30 giorni: 2 → 5"
    since = spec("days_since_call")
    assert change(since, None, 1.5, "") == "No call yet → Days since the last call: 1.5"
    assert change(spec("country"), None, "IT", "", "es") == "País: sin datos → IT"
    assert part_sentence("time", -0.02, "won", "es") == (
        "Ha pasado el tiempo sin novedades (reduce la probabilidad en 2 puntos)"
    )
    assert prior_sentence(0.125, 0.25, -0.1, "churned", "it") == (
        "È stato indicato un tasso di base del 12,5%; il modello si aspettava il 25% "
        "(riduce il rischio di 10 punti)"
    )


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_missing_value_is_a_fact_only_where_nothing_happened(lang: str) -> None:
    facts = {one.name for one in every_spec() if absence(one, lang)}
    of_kind = {f"days_since_{kind}" for kind in ACTIVITY_KINDS}
    assert of_kind | {"days_since_activity", "days_since_invoice", "days_in_stage"} <= facts
    assert not facts & {"days_since_account_activity", "days_since_account_success", "employees"}


def test_numbers_and_dates_as_each_language_writes_them() -> None:
    assert [number(1234.5, lang) for lang in LANGUAGES] == ["1,234", "1.234", "1.234"]
    assert [number(12.34, lang) for lang in LANGUAGES] == ["12.3", "12,3", "12,3"]
    at = micros("2026-03-01T23:59:59+00:00")
    assert [date(at, lang) for lang in LANGUAGES] == [
        "1 March 2026", "1 de marzo de 2026", "1 marzo 2026"
    ]  # fmt: skip
    assert date(-1) == "31 December 1969"


@given(st.floats(-1e15, 1e15), st.sampled_from(LANGUAGES))
def test_a_number_is_shown_within_one_in_two_hundred(value: float, lang: str) -> None:
    said = number(value, lang)
    if lang != "en":
        said = said.translate(str.maketrans(",.", ".,"))
    assert float(said.replace(",", "")) == pytest.approx(value, rel=5e-3, abs=0)


def test_units_agree_with_their_number() -> None:
    people = spec("employees")
    assert [shown(people, n, "", "es") for n in (1.0, 1200.0)] == ["1 persona", "1.200 personas"]
    mrr = spec("mrr")
    assert shown(mrr, 900.0, "EUR", "es") == "900 EUR al mes"


@pytest.mark.parametrize(
    ("header", "lang"),
    [
        ("", "en"),
        ("it", "it"),
        ("es-AR,es;q=0.9,en;q=0.8", "es"),
        ("de, it;q=0.4, es;q=0.7", "es"),
        ("fr-CH, fr;q=0.9, *;q=0.5", "en"),
        ("es;q=0", "en"),
        ("EN-gb, it", "en"),
        ("it;q=nonsense, es", "es"),
        (";;;,,,", "en"),
    ],
)
def test_the_browser_s_language_is_spoken(header: str, lang: str) -> None:
    assert negotiate(header) == lang


@given(st.text(max_size=80))
def test_whatever_is_asked_some_language_is_spoken(header: str) -> None:
    assert negotiate(header) in LANGUAGES


def test_the_contract_knows_the_same_languages() -> None:
    assert Lang.__args__ == LANGUAGES  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="no messages in 'fr'; there are es, it"):
        read_messages("fr")

"""The words and usual forms of dates, for the locales that we know."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Locale:
    """Names of months and days (Sunday first), and what the tokens LT to LLLL stand for."""

    months: tuple[str, ...]
    short_months: tuple[str, ...]
    days: tuple[str, ...]
    short_days: tuple[str, ...]
    least_days: tuple[str, ...]
    forms: Mapping[str, str]
    ordinal: Callable[[int], str]
    week_starts: int = 1
    first_week_holds: int = 4
    """The day of January that the first week of a year always holds."""


def _split(words: str) -> tuple[str, ...]:
    return tuple(words.split())


def _english(number: int) -> str:
    if number % 100 in {11, 12, 13}:
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def _dotted(number: int) -> str:
    return f"{number}."


def _degree(number: int) -> str:
    return f"{number}º"


def _french(number: int) -> str:
    return "1er" if number == 1 else str(number)


def _dutch(number: int) -> str:
    return f"{number}{'ste' if number in {1, 8} or number >= 20 else 'de'}"


def _forms(time: str, day: str, long_day: str, moment: str, weekday: str) -> Mapping[str, str]:
    return {
        "LT": time,
        "LTS": time.replace("mm", "mm:ss"),
        "L": day,
        "LL": long_day,
        "LLL": moment,
        "LLLL": f"{weekday}{moment}",
    }


_ENGLISH = Locale(
    _split("January February March April May June July August September October November December"),
    _split("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"),
    _split("Sunday Monday Tuesday Wednesday Thursday Friday Saturday"),
    _split("Sun Mon Tue Wed Thu Fri Sat"),
    _split("Su Mo Tu We Th Fr Sa"),
    _forms("h:mm A", "MM/DD/YYYY", "MMMM D, YYYY", "MMMM D, YYYY h:mm A", "dddd, "),
    _english,
    week_starts=0,
    first_week_holds=1,
)

LOCALES: Mapping[str, Locale] = {
    "en": _ENGLISH,
    "en-gb": Locale(
        _ENGLISH.months,
        _ENGLISH.short_months,
        _ENGLISH.days,
        _ENGLISH.short_days,
        _ENGLISH.least_days,
        _forms("HH:mm", "DD/MM/YYYY", "D MMMM YYYY", "D MMMM YYYY HH:mm", "dddd, "),
        _english,
    ),
    "de": Locale(
        _split("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
        _split("Jan. Feb. März Apr. Mai Juni Juli Aug. Sep. Okt. Nov. Dez."),
        _split("Sonntag Montag Dienstag Mittwoch Donnerstag Freitag Samstag"),
        _split("So. Mo. Di. Mi. Do. Fr. Sa."),
        _split("So Mo Di Mi Do Fr Sa"),
        _forms("HH:mm", "DD.MM.YYYY", "D. MMMM YYYY", "D. MMMM YYYY HH:mm", "dddd, "),
        _dotted,
    ),
    "fr": Locale(
        _split("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
        _split("janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc."),
        _split("dimanche lundi mardi mercredi jeudi vendredi samedi"),
        _split("dim. lun. mar. mer. jeu. ven. sam."),
        _split("di lu ma me je ve sa"),
        _forms("HH:mm", "DD/MM/YYYY", "D MMMM YYYY", "D MMMM YYYY HH:mm", "dddd "),
        _french,
    ),
    "es": Locale(
        _split("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
        _split("ene. feb. mar. abr. may. jun. jul. ago. sep. oct. nov. dic."),
        _split("domingo lunes martes miércoles jueves viernes sábado"),
        _split("dom. lun. mar. mié. jue. vie. sáb."),
        _split("do lu ma mi ju vi sá"),
        _forms("H:mm", "DD/MM/YYYY", "D [de] MMMM [de] YYYY", "D [de] MMMM [de] YYYY H:mm", "dddd, "),
        _degree,
    ),
    "it": Locale(
        _split("gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"),
        _split("gen feb mar apr mag giu lug ago set ott nov dic"),
        _split("domenica lunedì martedì mercoledì giovedì venerdì sabato"),
        _split("dom lun mar mer gio ven sab"),
        _split("do lu ma me gi ve sa"),
        _forms("HH:mm", "DD/MM/YYYY", "D MMMM YYYY", "D MMMM YYYY HH:mm", "dddd "),
        _degree,
    ),
    "nl": Locale(
        _split("januari februari maart april mei juni juli augustus september oktober november december"),
        _split("jan. feb. mrt. apr. mei jun. jul. aug. sep. okt. nov. dec."),
        _split("zondag maandag dinsdag woensdag donderdag vrijdag zaterdag"),
        _split("zo. ma. di. wo. do. vr. za."),
        _split("zo ma di wo do vr za"),
        _forms("HH:mm", "DD-MM-YYYY", "D MMMM YYYY", "D MMMM YYYY HH:mm", "dddd "),
        _dutch,
    ),
    "pt": Locale(
        _split("janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"),
        _split("jan fev mar abr mai jun jul ago set out nov dez"),
        _split("domingo segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado"),
        _split("dom seg ter qua qui sex sáb"),
        _split("do 2ª 3ª 4ª 5ª 6ª sá"),
        _forms("HH:mm", "DD/MM/YYYY", "D [de] MMMM [de] YYYY", "D [de] MMMM [de] YYYY HH:mm", "dddd, "),
        _degree,
    ),
}


def locale_named(name: str) -> str | None:
    """Return the known locale that a name means (``en-us`` is ``en``), or None."""
    wanted = name.strip().lower().replace("_", "-")
    return wanted if wanted in LOCALES else language if (language := wanted.partition("-")[0]) in LOCALES else None

"""locale: what the C library's two locales say, and what becomes of a name that it does not know.

musl has C and C.UTF-8. It takes any other name too and behaves as in C.UTF-8, where glibc refuses.
"""

import locale
import sys

from probing import Probe, equal, error_of, expect, output_of

probe = Probe("locale")
UNKNOWN = "xx_XX.UTF-8"


@probe.check
def utf8():
    equal(locale.setlocale(locale.LC_CTYPE, "C.UTF-8"), "C.UTF-8", "setlocale(LC_CTYPE)")
    equal(locale.setlocale(locale.LC_CTYPE), "C.UTF-8", "what setlocale says that is set")
    equal(locale.nl_langinfo(locale.CODESET), "UTF-8", "nl_langinfo(CODESET)")
    equal(locale.getlocale(locale.LC_CTYPE)[1], "UTF-8", "encoding that getlocale() gives")
    equal(locale.getpreferredencoding(False), "UTF-8", "getpreferredencoding()")


@probe.check
def from_the_environment():
    """LANG is C.UTF-8 here."""
    name = locale.setlocale(locale.LC_ALL, "")
    expect("C.UTF-8" in name, "setlocale(LC_ALL, '') gives %s" % name)
    equal(locale.nl_langinfo(locale.CODESET), "UTF-8", "nl_langinfo(CODESET)")


@probe.check
def saved_and_restored():
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    saved = locale.setlocale(locale.LC_ALL)
    equal(locale.setlocale(locale.LC_ALL, "C"), "C", "setlocale(LC_ALL, 'C')")
    equal(locale.setlocale(locale.LC_ALL, saved), saved, "what was set before")
    equal(locale.nl_langinfo(locale.CODESET), "UTF-8", "nl_langinfo(CODESET)")


@probe.check
def conventions():
    locale.setlocale(locale.LC_ALL, "C")
    found = locale.localeconv()
    wanted = {"decimal_point": ".", "thousands_sep": "", "grouping": [], "currency_symbol": ""}
    equal({name: found[name] for name in wanted}, wanted, "localeconv()")
    equal(found["frac_digits"], locale.CHAR_MAX, "localeconv()['frac_digits']")
    equal(locale.format_string("%.2f", 1234567.5, True), "1234567.50", "format_string()")
    equal(locale.nl_langinfo(locale.DAY_1), "Sunday", "nl_langinfo(DAY_1)")


@probe.check
def collation():
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    expect(locale.strcoll("a", "b") < 0, "strcoll('a', 'b') is not negative")
    equal(locale.strcoll("a", "a"), 0, "strcoll('a', 'a')")
    expect(locale.strcoll("b", "a") > 0, "strcoll('b', 'a') is not positive")
    words = ["pear", "Apple", "fig", "Fig"]
    equal(sorted(words, key=locale.strxfrm), sorted(words), "order by strxfrm")


@probe.check
def unknown_name():
    """Refused as documented, or taken whole: then it is what stands, with the usual conventions."""
    try:
        name = locale.setlocale(locale.LC_ALL, UNKNOWN)
    except locale.Error:
        return
    equal(locale.setlocale(locale.LC_ALL), name, "what setlocale says that is set")
    equal(locale.nl_langinfo(locale.CODESET), "UTF-8", "nl_langinfo(CODESET) in %s" % name)
    equal(locale.localeconv()["decimal_point"], ".", "decimal point in %s" % name)


@probe.check
def unknown_category():
    error = error_of((locale.Error, ValueError), locale.setlocale, 99, "C")
    expect(str(error), "the error says nothing")


@probe.check
def interpreter_in_an_unknown_locale():
    """What it prints is UTF-8 all the same. Python 2 leaves a pipe's encoding to the program."""
    code = "import locale, sys; print(sys.stdout.encoding or locale.getpreferredencoding())"
    said = output_of([sys.executable, "-c", code], {"LC_ALL": UNKNOWN, "LANG": UNKNOWN})
    equal(said.strip().upper(), "UTF-8", "encoding of what is printed in %s" % UNKNOWN)


if __name__ == "__main__":
    probe.run()

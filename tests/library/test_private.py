"""What is found of customers' data, by the words around it and by its look; and what is left."""

import pytest

from preceptor.library.private import spans


@pytest.mark.parametrize(
    ("text", "datum", "kind"),
    [
        ("the ticket they opened for me is 44120", "44120", "order"),
        ("44120 is my booking number", "44120", "order"),
        ("My confirmation number? One second. It's S3152N.", "S3152N", "order"),
        ("1002447811, still nothing", "1002447811", "phone"),
        ("Order-4711 is late", "Order-4711", "order"),
        ("order#21816", "#21816", "order"),
        ("my acount is 553120", "553120", "order"),
        ("Kundennummer 4711-88", "4711-88", "order"),
        ("My booking reference is PWKAOZ.", "PWKAOZ", "order"),
        ("Cancel cus_hczp0yrcz2zlfd please", "cus_hczp0yrcz2zlfd", "order"),
        ("Identity card KC 10 52 61 J", "KC 10 52 61 J", "document"),
        ("my car (TC-NB 110) was towed", "TC-NB 110", "document"),
        ("call nine nine eight eight seven seven six", "nine nine eight eight seven seven six", "phone"),
        ("(435)310-4277x934 after five", "(435)310-4277x934", "phone"),
        ("The password I set was galaxy_breeze7, right?", "galaxy_breeze7", "login"),
        ("The app refuses rocket_dune80 as password", "rocket_dune80", "login"),
        ("CVV 123", "123", "login"),
        ("allow 9c-22-26-70-bb-e4 in", "9c-22-26-70-bb-e4", "ip"),
        ("ping 2001:db8::7e58:c59f: timed out", "2001:db8::7e58:c59f", "ip"),
        ("(b. 25 Jan 1920)", "25 Jan 1920", "birth date"),
        ("DOB on the W-9: 6 December 1978", "6 December 1978", "birth date"),
        ("it's 763 Lopez Hills Apt. 073, Armstrong, QC L7C 8H3", "763 Lopez Hills Apt. 073", "address"),
        ("to Borgo Licia, 30, 84046, Ascea", "Borgo Licia, 30, 84046, Ascea", "address"),
        ("I'm at RR 4 Box 86, Omaha", "RR 4 Box 86, Omaha", "address"),
        ("see https://example.com/a?session=8f2c", "https://example.com/a?session=8f2c", "link"),
    ],
)
def test_a_datum_is_found(text: str, datum: str, kind: str) -> None:
    found = [(text[span.start : span.end], span.kind) for span in spans(text)]
    assert any(datum in said and kind == called for said, called in found), found


@pytest.mark.parametrize(
    "text",
    [
        "The total on my order was 2000",
        "my account balance is 1200 and my order is late by 1500 points",
        "you charged €1,482.16 and 1.250,00 EUR on 24/11/2026 at 14:05:22",
        "Error 0x80070057 in build 22631 of Windows 11 Pro, app 9.12.0.4410",
        "Flight BA2490 leaves gate B22, seat 23A, coach 21",
        "Model XR-2000, KB5034441, CVE-2025-12345, ISO 27001, RAL 7016",
        "The F-150, a WH-1000XM4 and an iPhone13 with 5000 mAh and 128 GB",
        "Item ID: 4293355847",
        "order 300M data, 1400 rpm, 140 x 200",
        "I've been a customer since 2004, from 2019-2021 in 24 months",
        "The help is at https://example.com/products/blue-widget-2000?lang=english",
        "If the user is regular, the user's data are safe",
        "my name is spelled wrong",
        "I'm Ready, thank you, Doctor.",
        "The password must have 14 characters",
        "THIS IS THE 5TH TIME MY ORDER OF 3 IS LATE",
        "Regulation EC 261/2004 applies to 48,500 miles",
    ],
)
def test_what_is_nobodys_is_left(text: str) -> None:
    assert [(text[span.start : span.end], span.kind) for span in spans(text)] == []


def test_an_answer_to_a_question_is_what_was_asked_for() -> None:
    [span] = spans("313 EA9", "What is your licence plate, please?")
    assert span.kind == "document"
    assert spans("Yes, that solves it", "Did you forget your password?") == []

"""The checks of HTML find what they are for."""

import pytest

from tests.html_checks import PAGE, check_html, find_parse_errors, run_nu_checker

GOOD = '<p lang="ar" dir="rtl">نص</p><table><tr><th scope="row">a</th><td>1</td></tr></table>'


@pytest.mark.needs("html5lib")
def test_good_html_passes() -> None:
    check_html(GOOD, PAGE.format(GOOD))


@pytest.mark.needs("html5lib")
@pytest.mark.parametrize(
    "html", ["<p>a</div>", "<b><p>a</b>", "<p a=1 a=2>b</p>", "a &nosuch; b", "<table><p>a</p></table>"]
)
def test_html5lib_finds_parse_errors(html: str) -> None:
    assert find_parse_errors(PAGE.format(html))
    with pytest.raises(AssertionError):
        check_html(html)


@pytest.mark.needs("html5lib")
def test_the_nu_checker_finds_faults() -> None:
    faults = {
        "<p><img src='a.png'></p>": "alt",
        "<button><button>a</button></button>": "button",
        "<p id='a'>a</p><p id='a'>b</p>": "Duplicate ID",
        "<p role='nosuch'>a</p>": "role",
        # Warnings.
        "<section><p>No heading</p></section>": "heading",
        "<p><script type='text/javascript'></script></p>": "unnecessary",
    }
    # A style sheet is checked, too.
    pages = [
        *map(PAGE.format, faults),
        PAGE.format(GOOD).replace("</head>", "<style>p { colour: red }</style></head>"),
    ]
    found = run_nu_checker([*pages, PAGE.format(GOOD)])
    for number, words in enumerate([*faults.values(), "colour"]):
        assert any(message.startswith(f"{number}.html") and words in message for message in found), words
    assert not any(message.startswith(f"{len(pages)}.html") for message in found)
    with pytest.raises(AssertionError, match="Duplicate ID"):
        check_html("<p id='a'>a</p><p id='a'>b</p>")

"""What stands in a header: visible ASCII as it is, all else percent-encoded as CloudEvents over NATS asks."""

from urllib.parse import quote

from contracts.headers import from_header, to_header


def test_a_header_holds_visible_ascii_as_it_is_and_all_else_encoded() -> None:
    for character in [chr(code) for code in range(0x250)] + ["€", "🌱"]:
        plain = "!" <= character <= "~" and character not in '"%'
        for before, after in ("", ""), ("a", "b"), ("-é", ""), ("", "\n"):
            text = before + character + after
            written = before.replace("é", "%C3%A9") + (character if plain else quote(character, safe=""))
            assert to_header(text) == written + after.replace("\n", "%0A")
            assert from_header(to_header(text)) == text
    assert to_header("") == ""


def test_what_is_not_utf_8_stands_as_it_was_written_so_that_no_two_are_taken_for_one() -> None:
    broken = ["%FF", "%FE", "a%20%FF", "%ED%A0%80", "\udcff", "\udcfe"]
    found = [from_header(value) for value in broken]
    assert found == ["%FF", "%FE", "a%20%FF", "%ED%A0%80", "\\udcff", "\\udcfe"]
    assert "".join(found).isascii()

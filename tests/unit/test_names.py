import pytest

from checkpoint.events.errors import InvalidName
from checkpoint.events.names import MAX_NAME_BYTES, check_name, check_namespace


@pytest.mark.parametrize(
    "name", ["a", "film 1", "a/b:c{d}", "ünïcode", "映画", "🎬", "x" * MAX_NAME_BYTES, "'\"\\;--"]
)
def test_any_printable_text_is_a_name(name: str) -> None:
    assert check_name("job", name) == name


@pytest.mark.parametrize(
    "name", ["", "\0", "a\nb", "\x7f", "\ud800", "x" * (MAX_NAME_BYTES + 1), "ü" * MAX_NAME_BYTES]
)
def test_what_cannot_be_a_name_is_refused_by_kind(name: str) -> None:
    with pytest.raises(InvalidName, match="A stage"):
        check_name("stage", name)


@pytest.mark.parametrize("name", [None, 7, b"job", ["job"], object()])
def test_only_a_str_is_a_name(name: object) -> None:
    with pytest.raises(InvalidName, match="named by a str"):
        check_name("job", name)


def test_a_long_name_is_not_repeated_whole_in_the_message() -> None:
    with pytest.raises(InvalidName) as refused:
        check_name("job", "x" * 10_000)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("name", ["checkpoint", "A.b-c_9", "x" * 48])
def test_a_namespace_is_plain(name: str) -> None:
    assert check_namespace(name) == name


@pytest.mark.parametrize(
    "name", ["", "x" * 49, "a b", "a}", "{a", "a:b", 'a"', "ü", "a\n", None, b"checkpoint"]
)
def test_other_namespaces_are_refused(name: object) -> None:
    with pytest.raises(InvalidName, match="namespace"):
        check_namespace(name)

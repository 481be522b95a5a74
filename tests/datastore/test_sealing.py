import pytest

from datastore.sealing import SealBrokenError, Sealer

SECRET = b"a secret of at least 32 characters"


def test_what_is_sealed_can_be_opened_and_not_be_read() -> None:
    sealed = Sealer(SECRET, b"mail").seal("code 4711 – größer")
    assert "4711" not in sealed
    assert Sealer(SECRET, b"mail").open(sealed) == "code 4711 – größer"


def test_the_same_text_is_never_sealed_alike() -> None:
    sealer = Sealer(SECRET, b"mail")
    assert sealer.seal("4711") != sealer.seal("4711")


@pytest.mark.parametrize("opener", [Sealer(SECRET, b"webhook"), Sealer(SECRET[::-1], b"mail")], ids=["other purpose", "other secret"])
def test_another_key_opens_nothing(opener: Sealer) -> None:
    with pytest.raises(SealBrokenError):
        opener.open(Sealer(SECRET, b"mail").seal("4711"))


@pytest.mark.parametrize("text", ["", "x", "ä", "gAAAAAB" + "A" * 100])
def test_what_was_never_sealed_cannot_be_opened(text: str) -> None:
    with pytest.raises(SealBrokenError):
        Sealer(SECRET, b"mail").open(text)


def test_a_sealed_text_that_was_changed_cannot_be_opened() -> None:
    sealer = Sealer(SECRET, b"mail")
    sealed = sealer.seal("4711")
    middle = len(sealed) // 2
    with pytest.raises(SealBrokenError):
        sealer.open(sealed[:middle] + ("A" if sealed[middle] != "A" else "B") + sealed[middle + 1 :])

from resolvers.key_texts import PREFIX, is_key, new_key, shown


def test_a_new_key_is_written_as_keys_are_and_no_two_are_alike() -> None:
    keys = {new_key() for _ in range(1000)}
    assert len(keys) == 1000
    assert all(is_key(key) for key in keys)


def test_every_typo_in_one_place_is_told_from_a_key() -> None:
    key = new_key()
    for position in range(len(key)):
        other = "a" if key[position] != "a" else "b"
        assert not is_key(key[:position] + other + key[position + 1 :])


def test_what_is_no_key_is_none() -> None:
    key = new_key()
    for text in (
        "",
        PREFIX,
        key[:-1],
        f"{key}0",
        f" {key}",
        f"{key}\n",
        key.upper(),
        key.replace("tsk", "sk"),
        "é" * 48,
        "\ud800",
        key * 9999,
    ):
        assert not is_key(text)


def test_what_is_shown_of_a_key_leaves_enough_unsaid() -> None:
    key = new_key()
    assert key.startswith(shown(key))
    assert len(shown(key)) == len(PREFIX) + 4

"""Where in the arguments of a field a literal stands.

graphql-core's validation says of `products(first: "ten")` that Int cannot represent "ten", but not that `first` is meant. Its nodes know no
parents; its tokens know their predecessors (`Token.prev`), and input values are balanced and simple enough to be read backwards.
"""

from collections.abc import Iterator

from graphql import Node, Token, TokenKind

_OPENING = frozenset({TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L})
_CLOSING = frozenset({TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R})
_SCALARS = frozenset({TokenKind.NAME, TokenKind.INT, TokenKind.FLOAT, TokenKind.STRING, TokenKind.BLOCK_STRING})


def argument_path(node: Node) -> list[str]:
    """The argument, input fields and list indexes that lead to a literal, an argument or an input field, outermost first.

    Empty for a node that is in no argument (a variable's default value), or one that was parsed without locations.
    """
    token = node.loc.start_token if node.loc else None
    path: list[str] = []
    while token is not None and token.kind is not TokenKind.SOF:
        name = _name_before(token)
        if name is not None:
            path.append(name.value or "")
            token = name
        opening, index = _enclosing(token)
        if opening is None or opening.kind is TokenKind.PAREN_L:
            return path[::-1] if opening else []
        if opening.kind is TokenKind.BRACKET_L:
            path.append(str(index))
        token = opening
    return []


def _significant(token: Token) -> Iterator[Token]:
    """The tokens before this one, nearest first, without comments."""
    before = token.prev
    while before is not None:
        if before.kind is not TokenKind.COMMENT:
            yield before
        before = before.prev


def _name_before(token: Token) -> Token | None:
    """The name that a value is given to (`name: value`); the token itself where it is such a name."""
    following = token.next
    while following is not None and following.kind is TokenKind.COMMENT:
        following = following.next
    if token.kind is TokenKind.NAME and following is not None and following.kind is TokenKind.COLON:
        return token
    before = _significant(token)
    colon = next(before, None)
    return next(before, None) if colon is not None and colon.kind is TokenKind.COLON else None


def _enclosing(token: Token) -> tuple[Token | None, int]:
    """The bracket that is still open before a token, and how many values stand between the two."""
    depth = values = 0
    for before in _significant(token):
        if before.kind in _CLOSING:
            depth += 1
        elif before.kind in _OPENING:
            if depth == 0:
                return before, values
            depth -= 1
            values += depth == 0
        elif before.kind in _SCALARS:
            values += depth == 0
    return None, values

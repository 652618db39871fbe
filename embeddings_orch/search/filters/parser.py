"""Reads a filter: the conditions that LanceDB knows, with the order in which its operators bind."""

from __future__ import annotations

from collections.abc import Callable

from embeddings_orch.search.filters.syntax import DEEPEST, Node, NodeKind, Token, UnreadError, unquote

_BINDING = {
    **{"or": 1, "and": 2, "is": 4, "like": 5, "ilike": 5},
    **dict.fromkeys(("=", "==", "<>", "!=", "<", "<=", ">", ">=", "between", "in"), 6),
    **{"+": 7, "-": 7, "*": 8, "/": 8, "%": 8, "||": 8, "::": 9, "[": 10},
}
"""How strongly each operator holds what is on its sides."""

_NOT = 3
_SIGN = 8
_OPERATORS: dict[str, NodeKind] = {
    **dict.fromkeys(("=", "==", "<>", "!=", "<", "<=", ">", ">="), "compare"),
    **dict.fromkeys(("+", "-", "*", "/", "%", "||"), "arithmetic"),
    **dict.fromkeys(("and", "or"), "other"),
    **dict.fromkeys(("like", "ilike"), "like"),
}
_NEVER_NAMES = frozenset({"and", "or", "not", "in", "is", "like", "ilike", "between", "then", "when", "else"})
_TYPED = frozenset({"date", "time", "timestamp"})
_END = Token("end", "", 0, 0)


def parse(tokens: list[Token]) -> Node:
    """The tree of a filter.

    Raises:
        UnreadError: it has more than is known here.
    """
    parser = _Parser(tokens)
    node = parser.expression(0)
    if parser.next is not _END:
        raise UnreadError
    return node


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = [*tokens, _END, _END]
        self._place = 0
        self._depth = 0
        self.next = self._tokens[0]

    def _after_next(self) -> Token:
        return self._tokens[self._place + 1]

    def _take(self, word: str | None = None) -> Token:
        token = self.next
        if token is _END or (word is not None and token.word != word):
            raise UnreadError
        self._place += 1
        self.next = self._tokens[self._place]
        return token

    def expression(self, least: int) -> Node:
        """What comes next, with all operators that bind more strongly than ``least``."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise UnreadError
        node, operators = self._first(), 0
        while (binding := self._binding()) > least:
            # Each holds the one before it, but for AND and OR, which have all conditions side by side.
            operators += self.next.word not in ("and", "or")
            if operators > DEEPEST:
                raise UnreadError
            node = self._operator(node, binding)
        self._depth -= 1
        return node

    def _binding(self) -> int:
        word = self.next.word
        if word == "not":
            word = self._after_next().word
            return _BINDING[word] if word in ("between", "in", "like", "ilike") else 0
        return _BINDING.get(word, 0)

    def _first(self) -> Node:
        token = self._take()
        if token.kind in ("number", "text", "bytes", "param"):
            name = token.text if token.kind == "param" else token.kind
            return self._literal(token.start, token, name)
        if token.kind == "name":
            return self._column(token)
        word = token.word
        if word == "not":
            child = self.expression(_NOT)
            return Node("other", token.start, child.end, [child])
        if word == "-":
            return self._negative(token)
        if word == "(":
            child = self.expression(0)
            end = self._take(")").end
            if child.kind == "literal":
                child.start, child.end = token.start, end
                return child
            return Node("group", token.start, end, [child])
        if word == "[":
            children = self._until("]")
            return Node("list", token.start, children.pop().end, children)
        if token.kind == "word" and word not in _NEVER_NAMES:
            return self._word(token)
        raise UnreadError

    def _literal(self, start: int, token: Token, name: str) -> Node:
        text = {"number": token.text, "param": None, "word": token.word}.get(token.kind, "")
        if token.kind in ("text", "bytes"):
            text = unquote(token.text) if token.kind == "text" else token.text[2:-1]
        return Node("literal", start, token.end, name=name, value=text)

    def _negative(self, sign: Token) -> Node:
        if self.next.kind == "number" and _BINDING.get(self._after_next().word, 0) <= _SIGN:
            number = self._literal(sign.start, self._take(), "number")
            number.value = f"-{number.value}"
            return number
        child = self.expression(_SIGN)
        return Node("negative", sign.start, child.end, [child])

    def _word(self, token: Token) -> Node:
        word, after = token.word, self.next
        if after.word == "(":
            return self._call(token)
        if word in _TYPED and after.kind == "text":
            return self._literal(token.start, self._take(), word)
        if word in ("true", "false", "null"):
            return self._literal(token.start, token, word)
        if after.kind in ("text", "bytes", "param", "number") or word == "case":
            raise UnreadError
        return self._column(token)

    def _column(self, token: Token) -> Node:
        node = Node("column", token.start, token.end, path=(_named(token),))
        while self.next.word == "." and self._after_next().kind in ("word", "name"):
            self._take()
            field = self._take()
            node.path += (_named(field),)
            node.end = field.end
        return node

    def _call(self, name: Token) -> Node:
        self._take("(")
        if name.word in ("cast", "try_cast"):
            children = [self.expression(0)]
            self._take("as")
            self._type()
            children.append(Node("other", 0, self._take(")").end))
        else:
            children = self._until(")")
        return Node("call", name.start, children.pop().end, children, name=name.word)

    def _until(self, closing: str) -> list[Node]:
        """What stands between commas, and last where it is closed."""
        children: list[Node] = []
        while self.next.word != closing or children:
            children.append(self.expression(0))
            if self.next.word != ",":
                break
            self._take()
        children.append(Node("other", 0, self._take(closing).end))
        return children

    def _type(self) -> int:
        end = self._take().end
        while self.next.kind == "word" and self.next.word not in _BINDING and self.next.word not in _NEVER_NAMES:
            end = self._take().end
        if self.next.word == "(":
            end = self._until_closed()
        return end

    def _until_closed(self) -> int:
        self._take("(")
        while self.next.kind == "number" or self.next.word == ",":
            self._take()
        return self._take(")").end

    def _operator(self, left: Node, binding: int) -> Node:
        negated = self.next.word == "not"
        if negated:
            self._take()
        word = self._take().word
        read: dict[str, Callable[[Node], Node]] = {
            "is": self._is,
            "between": self._between,
            "in": self._in,
            "::": self._cast,
            "[": self._subscript,
        }
        if word in read:
            node = read[word](left)
        else:
            right = self.expression(binding)
            if word in ("and", "or") and left.kind == "other" and left.name == word:
                left.children.append(right)
                left.end = right.end
                return left
            node = Node(_OPERATORS[word], left.start, right.end, [left, right], name=word)
            if word in ("like", "ilike") and self.next.word == "escape":
                self._take()
                node.end = self._take().end
        node.negated = negated
        return node

    def _is(self, left: Node) -> Node:
        if self.next.word == "not":
            self._take()
        token = self._take()
        if token.word in ("null", "true", "false", "unknown"):
            return Node("other", left.start, token.end, [left])
        if token.kind == "param":
            value = self._literal(token.start, token, token.text)
            return Node("other", left.start, token.end, [left, value])
        raise UnreadError

    def _between(self, left: Node) -> Node:
        low = self.expression(_BINDING["between"])
        self._take("and")
        high = self.expression(_BINDING["between"])
        return Node("between", left.start, high.end, [left, low, high])

    def _in(self, left: Node) -> Node:
        if self.next.kind == "param":
            param = self._first()
            return Node("in", left.start, param.end, [left, param])
        self._take("(")
        elements = self._until(")")
        return Node("in", left.start, elements.pop().end, [left, *elements])

    def _cast(self, left: Node) -> Node:
        return Node("call", left.start, self._type(), [left], name="cast")

    def _subscript(self, left: Node) -> Node:
        inside = self.expression(0)
        end = self._take("]").end
        if left.kind == "column" and inside.name == "text" and inside.value is not None:
            field = (inside.value, True)
            return Node("column", left.start, end, path=(*left.path, field))
        return Node("other", left.start, end, [left, inside])


def _named(token: Token) -> tuple[str, bool]:
    return (unquote(token.text), True) if token.kind == "name" else (token.text, False)

# SPDX-License-Identifier: BSL-1.0
"""Every damage that the operators can do to a header, found in its syntax tree (libclang).

The operators: weaken an order, negate a condition, off by one, drop a statement, swap two statements, change a
constant, return early, another enumerator. What no test could see is left out from the start: alignments, assertions at
compile time, attributes, names for people (string literals).
"""
import bisect
import collections
import functools
import hashlib
import re

from clang import cindex
from clang.cindex import CursorKind, TokenKind

OPERATORS = ("order", "negate", "off_by_one", "drop", "swap", "constant", "early_return", "enumerator")
WEAKER = {"acq_rel": ("acquire", "release"), "acquire": ("relaxed",), "release": ("relaxed",)}
NEAR = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
OTHER = {"+": "-", "-": "+", "<<": ">>", ">>": "<<", "&": "|", "|": "&", "==": "!=", "!=": "==", "&&": "||", "||": "&&"}

CONDITIONED = (CursorKind.IF_STMT, CursorKind.WHILE_STMT, CursorKind.CONDITIONAL_OPERATOR)
LOOPS = (CursorKind.FOR_STMT, CursorKind.WHILE_STMT, CursorKind.DO_STMT, CursorKind.CXX_FOR_RANGE_STMT)
FUNCTIONS = (CursorKind.FUNCTION_DECL, CursorKind.CXX_METHOD, CursorKind.FUNCTION_TEMPLATE, CursorKind.CONSTRUCTOR)
JUMPS = (CursorKind.RETURN_STMT, CursorKind.BREAK_STMT, CursorKind.CONTINUE_STMT)
LABELS = (CursorKind.CASE_STMT, CursorKind.DEFAULT_STMT)

Damage = collections.namedtuple("Damage", "id file line operator function start end old new code")


def parsed(root, paths, flags):
    """A unit that includes these: what they include is parsed once."""
    name = str(root / "mutated.cpp")
    text = "".join(f'#include "{root / path}"\n' for path in paths)
    unit = cindex.Index.create().parse(name, args=flags, unsaved_files=[(name, text)])
    errors = [f"{d.location.file}: the parser does not understand it: {d.spelling}" for d in unit.diagnostics
              if d.severity >= cindex.Diagnostic.Error]
    if errors:
        raise SystemExit(errors[0])
    return unit


class Header:
    """One header's tree, and the damages that it offers."""

    def __init__(self, root, path, unit):
        self.path, self.text = path, (root / path).read_text(encoding="utf-8")
        self.bytes = self.text.encode("utf-8")
        self.lines = [0] + [m.end() for m in re.finditer(b"\n", self.bytes)]
        self.unit, self.full = unit, str(root / path)
        self.enumerators = enumerators_of(unit, str(root))
        self.found, self.skipped = [], []
        self.functions = []  # (start, end, name), outermost first
        for cursor in cursors_of(unit).get(self.full, ()):
            self.visit(cursor)
        self.visit_tokens()

    # --- Where things are

    def is_here(self, cursor):
        file = cursor.extent.start.file
        return file is not None and file.name == self.full

    @staticmethod
    def span(cursor):
        return cursor.extent.start.offset, cursor.extent.end.offset

    def source(self, start, end):
        return self.bytes[start:end].decode("utf-8")

    def end_of_statement(self, cursor):
        """Behind its semicolon, which the tree leaves out of expressions."""
        end = cursor.extent.end.offset
        rest = re.match(rb"\s*;", self.bytes[end:end + 20])
        return end + rest.end() if rest and not self.bytes[:end].endswith((b"}", b";")) else end

    def function_at(self, offset):
        inside = [name for start, end, name in self.functions if start <= offset < end]
        return inside[-1] if inside else "-"

    def add(self, operator, start, end, new):
        old = self.source(start, end)
        if old == new or any(a <= start < b for a, b in self.skipped):
            return
        if new in ("==", "!=") and any(f[0] == "negate" and f[1] <= start < f[2] for f in self.found):
            return  # its condition is negated as a whole
        self.found.append((operator, start, end, old, new))

    # --- Trees

    def visit(self, cursor):
        if not self.is_here(cursor):
            return
        kind = cursor.kind
        if kind in (CursorKind.STATIC_ASSERT, CursorKind.ALIGNED_ATTR, CursorKind.ENUM_DECL):
            self.skipped.append(self.span(cursor))
            return
        if kind in FUNCTIONS:
            self.visit_function(cursor)
        if kind == CursorKind.COMPOUND_STMT:
            self.visit_block(cursor)
        if kind in CONDITIONED or kind in LOOPS:
            self.visit_condition(cursor)
            self.visit_single_statements(cursor)
        if kind == CursorKind.BINARY_OPERATOR:
            self.visit_binary(cursor)
        for child in cursor.get_children():
            self.visit(child)

    def visit_function(self, cursor):
        self.functions.append((*self.span(cursor), cursor.spelling))
        body = next((c for c in cursor.get_children() if c.kind == CursorKind.COMPOUND_STMT), None)
        if body is None or cursor.kind == CursorKind.CONSTRUCTOR:
            return
        before = max(self.bytes.rfind(c, 0, cursor.extent.start.offset) for c in (b";", b"}", b"{", b">"))
        if "noreturn" in self.source(before + 1, body.extent.start.offset):  # attributes stand before its extent
            return
        returned = cursor.result_type.spelling
        early = "return;" if returned == "void" else "return {};"
        if returned.endswith("&"):
            return
        for statement in body.get_children():
            if statement.kind != CursorKind.RETURN_STMT:
                at = statement.extent.start.offset
                self.add("early_return", at, at, early + " ")

    def visit_block(self, block):
        statements = [c for c in block.get_children() if self.is_here(c)]
        for s in statements:
            if s.kind not in (CursorKind.DECL_STMT, CursorKind.NULL_STMT):
                if not (s.kind == CursorKind.RETURN_STMT and s.extent.end.offset - s.extent.start.offset > 7):
                    self.add("drop", s.extent.start.offset, self.end_of_statement(s), ";")
        for a, b in zip(statements, statements[1:]):
            if {a.kind, b.kind} & {CursorKind.DECL_STMT, CursorKind.NULL_STMT, *JUMPS, *LABELS}:
                continue
            (a0, a1), (b0, b1) = ((s.extent.start.offset, self.end_of_statement(s)) for s in (a, b))
            if a1 <= b0:
                self.add("swap", a0, b1, self.source(b0, b1) + self.source(a1, b0) + self.source(a0, a1))

    def visit_single_statements(self, cursor):
        """The bodies of an if or a loop that stand without braces."""
        children = list(cursor.get_children())
        if cursor.kind == CursorKind.CONDITIONAL_OPERATOR:
            return
        bodies = children[1:] if cursor.kind == CursorKind.IF_STMT else children[:1] if \
            cursor.kind == CursorKind.DO_STMT else children[-1:]
        for child in bodies:
            if child.kind in (CursorKind.COMPOUND_STMT, CursorKind.RETURN_STMT) or child.kind in CONDITIONED:
                continue
            end = child.extent.end.offset
            if re.match(rb"\s*;", self.bytes[end:end + 20]) and self.is_here(child):
                self.add("drop", child.extent.start.offset, self.end_of_statement(child), ";")

    def visit_condition(self, cursor):
        children = list(cursor.get_children())
        if cursor.kind == CursorKind.FOR_STMT:
            middle = [c for c in children[:-1] if c.type.spelling in ("bool", "<dependent type>")]
            children = middle[:1]
        elif cursor.kind == CursorKind.DO_STMT:
            children = children[-1:]
        elif cursor.kind == CursorKind.CXX_FOR_RANGE_STMT:
            children = []
        elif len(children) > 1 and children[0].kind == CursorKind.DECL_STMT:
            children = children[1:]  # if (declaration; condition)
        for condition in children[:1]:
            self.negate(condition)

    def negate(self, expression):
        start, end = self.span(expression)
        text = self.source(start, end)
        if text.startswith("!(") and text.endswith(")"):
            self.add("negate", start, end, text[1:])
        elif text and expression.kind not in (CursorKind.DECL_STMT, CursorKind.VAR_DECL):
            self.add("negate", start, end, f"!({text})")

    def visit_binary(self, cursor):
        left, right = list(cursor.get_children())[:2]
        between = left.extent.end.offset, right.extent.start.offset
        match = re.fullmatch(rb"\s*(<<|>>|<=|>=|==|!=|&&|\|\||[-+<>&|])\s*\(*\s*", self.bytes[slice(*between)])
        if match is None:
            return
        sign, at = match.group(1).decode(), between[0] + match.start(1)
        if sign in NEAR:
            self.add("off_by_one", at, at + len(sign), NEAR[sign])
        if sign in OTHER:
            self.add("negate" if sign in ("==", "!=", "&&", "||") else "constant", at, at + len(sign), OTHER[sign])
        if sign in ("&&", "||"):
            self.negate(left)
            self.negate(right)

    # --- Tokens

    def visit_tokens(self):
        tokens = [t for t in self.unit.get_tokens(extent=self.whole()) if t.kind != TokenKind.COMMENT]
        for i, token in enumerate(tokens):
            start, end = token.extent.start.offset, token.extent.end.offset
            if self.is_directive(start):
                continue
            if token.kind == TokenKind.LITERAL and token.spelling[0].isdigit():
                self.visit_number(start, end, token.spelling)
            elif token.spelling in ("true", "false"):
                self.add("constant", start, end, "false" if token.spelling == "true" else "true")
            elif i > 1 and tokens[i - 1].spelling == "::":
                self.visit_enumerator(start, end, tokens[i - 2].spelling, token.spelling)

    def whole(self):
        file = cindex.File.from_name(self.unit, self.full)
        start = cindex.SourceLocation.from_offset(self.unit, file, 0)
        end = cindex.SourceLocation.from_offset(self.unit, file, len(self.bytes))
        return cindex.SourceRange.from_locations(start, end)

    def is_directive(self, offset):
        line = self.lines[bisect.bisect_right(self.lines, offset) - 1]
        return self.bytes[line:].lstrip().startswith(b"#") or b"alignas(" in self.bytes[line:offset]

    def visit_number(self, start, end, text):
        match = re.fullmatch(r"(0[xX][0-9a-fA-F']+|[0-9']+)([uUlLzZ]*)", text)
        if match is None:
            return
        digits, suffix = match.group(1).replace("'", ""), match.group(2)
        value = int(digits, 8 if re.fullmatch("0[0-7]+", digits) else 0)
        spell = (lambda v: hex(v) + suffix) if text.lower().startswith("0x") else (lambda v: str(v) + suffix)
        self.add("off_by_one", start, end, spell(value + 1))
        if value > 0:
            self.add("off_by_one", start, end, spell(value - 1))
        if value > 1:
            self.add("constant", start, end, spell(0))
            self.add("constant", start, end, spell(value * 2))

    def visit_enumerator(self, start, end, scope, name):
        if scope == "order":
            for weaker in WEAKER.get(name, ()):
                self.add("order", start, end, weaker)
            return
        for other in self.enumerators.get(scope, ()):
            if name in self.enumerators[scope] and other != name:
                self.add("enumerator", start, end, other)

    # --- What comes of it

    def damages(self):
        count, code = collections.Counter(), hashlib.sha256(self.bytes).hexdigest()[:16]
        out = []
        for operator, start, end, old, new in sorted(set(self.found)):
            line = bisect.bisect_right(self.lines, start)
            context = self.source(self.lines[line - 1], self.lines[line] if line < len(self.lines) else None).strip()
            key = "|".join((self.path, self.function_at(start), operator, context, old, new))
            count[key] += 1
            name = hashlib.sha256(f"{key}|{count[key]}".encode()).hexdigest()[:10]
            out.append(Damage(name, self.path, line, operator, self.function_at(start), start, end, old, new, code))
        return out


@functools.cache
def cursors_of(unit):
    """{file: what begins in it}, of the unit's top level."""
    found = collections.defaultdict(list)
    for cursor in unit.cursor.get_children():
        if (file := cursor.extent.start.file) is not None:
            found[file.name].append(cursor)
    return found


@functools.cache
def enumerators_of(unit, root):
    """{enumeration: its names}, of those that the project defines."""
    found = {}
    stack = [unit.cursor]
    while stack:
        cursor = stack.pop()
        if cursor.kind == CursorKind.ENUM_DECL and cursor.spelling:
            names = [c.spelling for c in cursor.get_children() if c.kind == CursorKind.ENUM_CONSTANT_DECL]
            found.setdefault(cursor.spelling, names)
        elif cursor.kind in (CursorKind.TRANSLATION_UNIT, CursorKind.NAMESPACE, CursorKind.CLASS_DECL,
                             CursorKind.STRUCT_DECL, CursorKind.CLASS_TEMPLATE):
            stack.extend(c for c in cursor.get_children() if str(c.location.file).startswith(root))
    return found

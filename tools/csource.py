"""C source as the checks need it: comments and literals blanked out, every line where it was."""

import re

_TOKEN = re.compile(
    r"""//(?:[^\n\\]|\\.|\\\n)*      # line comment
      | /\*.*?\*/                   # block comment
      | "(?:[^"\\\n]|\\.|\\\n)*"    # string
      | '(?:[^'\\\n]|\\.)*'         # character
    """,
    re.DOTALL | re.VERBOSE,
)


def _blank(text):
    return "".join("\n" if c == "\n" else " " for c in text)


def without_comments(text):
    """Comments blanked, literals kept."""
    return _TOKEN.sub(lambda m: _blank(m.group()) if m.group()[0] == "/" else m.group(), text)


def code_only(text):
    """Comments and literals blanked (quotes kept)."""

    def blank(match):
        token = match.group()
        if token[0] == "/":
            return _blank(token)
        return token[0] + _blank(token[1:-1]) + token[-1]

    return _TOKEN.sub(blank, text)


def without_directives(text):
    """Preprocessor lines blanked, continued ones to their end."""
    lines = text.split("\n")
    inside = False
    for i, line in enumerate(lines):
        inside = inside or line.lstrip().startswith("#")
        if inside:
            inside = line.rstrip().endswith("\\")
            lines[i] = ""
    return "\n".join(lines)

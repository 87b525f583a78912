#!/usr/bin/env python3
"""Embeds migrations in a program: embed_sql.py OUT.c SYMBOL FILE.sql...

Writes OUT.c, which defines `const struct migrations SYMBOL` (store/store.h) with the files' very
text. Files are called NNNN_what.sql, numbered from 0001 without gaps.
"""
import pathlib
import re
import sys


def fail(message):
    sys.exit(f'embed_sql.py: {message}')


def literal(text):
    escapes = {'\\': '\\\\', '"': '\\"', '\t': '\\t'}
    for line in text.splitlines():
        if not (line.isascii() and all(c.isprintable() or c == '\t' for c in line)):
            fail(f'only printable ASCII is taken: {line!r}')
        yield '     "' + ''.join(escapes.get(c, c) for c in line) + '\\n"'


def main(out, symbol, *files):
    rows = []
    for number, path in enumerate(sorted(map(pathlib.Path, files), key=lambda p: p.name), 1):
        if not re.fullmatch(f'{number:04}_[a-z0-9_]{{1,50}}\\.sql', path.name):
            fail(f'{path} must be called {number:04}_what.sql')
        text = path.read_text(encoding='utf-8')
        if not text.endswith('\n'):
            fail(f'{path} ends without a line feed')
        rows.append(f'    {{{number}, "{path.stem}",\n' + '\n'.join(literal(text)) + '},\n')
    pathlib.Path(out).write_text(
        '/* Made by adapters/store/embed_sql.py. */\n'
        '#include "store/store.h"\n\n'
        f'static const struct migration rows[] = {{\n{"".join(rows)}    {{0, NULL, NULL}},\n}};\n\n'
        f'extern const struct migrations {symbol};\n'
        f'const struct migrations {symbol} = {{rows}};\n', encoding='utf-8')


if __name__ == '__main__':
    if len(sys.argv) < 3:
        fail('usage: embed_sql.py OUT.c SYMBOL FILE.sql...')
    main(*sys.argv[1:])

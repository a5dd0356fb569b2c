"""The limits of size and form that the design sets, measured over the whole source."""

import ast
import io
import re
import statistics
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("midi", "models", "studio", "assets")
MAX_FILE_LINES = 450
MAX_FUNCTION_LINES = 80
MAX_MEDIAN_FUNCTION_LINES = 10
MIN_DOCUMENTED = 0.95
MAX_CODE_LINES = 36_000
"""Lines with code on them; every run prints where we are. ARCHITECTURE, decision 17."""

LOADERS = {"models/image/features.py: torch.load("}
"""The one pickle that is read: a published file of known hash, by the loader that builds only tensors."""

NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
}  # fmt: skip

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    path: Path
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def n_code_lines(self) -> int:
        """Lines with code on them: no comments, docstrings or blank lines."""
        texts = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                texts.update(range(node.lineno, node.end_lineno + 1))
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return len({token.start[0] for token in tokens if token.type not in NO_CODE} - texts)

    @property
    def n_lines(self) -> int:
        return self.text.count("\n")


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    files = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    texts = {path: path.read_text(encoding="utf-8") for path in files}
    return [Source(path, text, ast.parse(text)) for path, text in texts.items()]


def functions(source: Source) -> Iterator[Function]:
    return (node for node in ast.walk(source.tree) if isinstance(node, Function))


def code_lines(function: Function) -> int:
    """Signature and body with comments, without decorators and docstring."""
    if ast.get_docstring(function, clean=False) is None:
        return whole_lines(function)
    docstring = function.body[0]
    return whole_lines(function) - (docstring.end_lineno - docstring.lineno + 1)


def whole_lines(function: Function) -> int:
    return function.end_lineno - function.lineno + 1


def public_definitions(tree: ast.Module) -> Iterator[ast.AST]:
    """Public functions and classes of a module, and the public methods of its public classes."""
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (m for m in node.body if isinstance(m, Function) and not m.name.startswith("_"))


def test_files_and_functions_stay_small(sources, capsys):
    places = [(f, f"{source.name}:{f.lineno} {f.name}") for source in sources for f in functions(source)]
    median = statistics.median(code_lines(function) for function, _ in places)
    n_code = sum(source.n_code_lines for source in sources)
    n_all = sum(source.n_lines for source in sources)
    largest = max(sources, key=lambda source: source.n_lines)
    with capsys.disabled():
        sys.stdout.write(
            f"\nsource: {n_code} lines of code, {n_all} in all, {len(sources)} files, "
            f"largest {largest.name} {largest.n_lines};"
            f" {len(places)} functions, median {median:g} lines\n"
        )
    assert [f"{s.name}: {s.n_lines}" for s in sources if s.n_lines > MAX_FILE_LINES] == []
    assert [place for function, place in places if whole_lines(function) > MAX_FUNCTION_LINES] == []
    assert median <= MAX_MEDIAN_FUNCTION_LINES
    assert n_code <= MAX_CODE_LINES


def test_every_module_says_what_it_is(sources):
    silent = [s.name for s in sources if s.text.strip() and not ast.get_docstring(s.tree)]
    assert silent == []


def test_public_names_are_documented(sources):
    found = [(s.name, node) for s in sources for node in public_definitions(s.tree)]
    silent = [f"{name}:{node.lineno} {node.name}" for name, node in found if not ast.get_docstring(node)]
    share = 1 - len(silent) / len(found)
    assert share >= MIN_DOCUMENTED, f"{share:.1%} documented; missing: {silent}"


def test_every_argument_and_result_is_annotated(sources):
    bare = []
    for source in sources:
        for function in functions(source):
            arguments = function.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            every += [extra for extra in (arguments.vararg, arguments.kwarg) if extra is not None]
            missing = [a.arg for a in every if a.annotation is None and a.arg not in {"self", "cls"}]
            if missing or (function.returns is None and function.name != "__init__"):
                bare.append(f"{source.name}:{function.lineno} {function.name} {missing}")
    assert bare == []


def test_forbidden_loaders_and_leftovers_are_absent(sources):
    pattern = re.compile(
        r"\b(TODO|FIXME|XXX)\b|shell=True|\btorch\.load\(|^\s*(import|from) pickle\b", re.MULTILINE
    )
    found = {f"{s.name}: {match.group().strip()}" for s in sources for match in pattern.finditer(s.text)}
    assert found <= LOADERS


def test_there_is_no_module_for_everything(sources):
    assert [s.name for s in sources if s.path.stem in {"utils", "helpers", "misc", "common"}] == []

"""The rules of the house that neither ruff nor mypy nor import-linter can hold: each "always" and "never" of CONTRIBUTING fails here."""

import ast
import json
import os
import re
import statistics
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from datastore.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("gql", "resolvers", "datastore")
MADE = {"node_modules", "dist", "build", "__pycache__"}
DRIVERS = {"motor", "pymongo", "bson", "gridfs", "aiobotocore", "botocore"}
Function = ast.FunctionDef | ast.AsyncFunctionDef
# Written apart, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
SKIPPED = re.compile(r"pytest\.(mark\.)?(skip|skipif|importorskip)\b|pragma: no cover\s*$", re.MULTILINE)
BLANKET = re.compile(r"#\s*type:\s*ignore(?!\[)|#\s*noqa(?!: ?[A-Z]+[0-9])", re.IGNORECASE)


@cache
def files(*suffixes: str) -> tuple[Path, ...]:
    """Return the project's own files with one of the given endings (all without any), relative to its root."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        hidden = {name for name in folders if name.startswith(".") and name not in {".ci", ".github"}}
        folders[:] = sorted(set(folders) - hidden - MADE)
        found += [Path(folder, name).relative_to(ROOT) for name in sorted(names)]
    return tuple(path for path in found if not suffixes or path.suffix in suffixes)


def text(path: Path | str) -> str:
    """Return a file's text; what is not text counts as empty."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


@cache
def tree(path: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(text(path), str(path))


def sources() -> list[Path]:
    """Return the Python files of the three packages."""
    return [path for path in files(".py") if path.parts[0] in PACKAGES]


def offenders(paths: list[Path] | tuple[Path, ...], find: Callable[[ast.Module], Iterator[int]]) -> list[str]:
    """Return file:line of everything that a finder finds."""
    return [f"{path}:{line}" for path in paths for line in find(tree(path))]


def lines_matching(pattern: re.Pattern[str], *suffixes: str) -> list[str]:
    """Return file:line of every match in files with these endings."""
    return [
        f"{path}:{text(path).count(chr(10), 0, match.start()) + 1}" for path in files(*suffixes) for match in pattern.finditer(text(path))
    ]


def length(function: Function) -> int:
    """Return a function's lines, from its def to its last."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def functions(module: ast.Module) -> list[Function]:
    """Return every function of a module, methods and inner ones too."""
    return [node for node in ast.walk(module) if isinstance(node, Function)]


def long_functions(module: ast.Module) -> Iterator[int]:
    """Find functions of more than 60 lines."""
    return (function.lineno for function in functions(module) if length(function) > 60)


def environment_reads(module: ast.Module) -> Iterator[int]:
    """Find uses of os.environ, os.getenv and their byte twins, imported or dotted."""
    names = {"environ", "environb", "getenv", "getenvb"}
    for node in ast.walk(module):
        dotted = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os" and node.attr in names
        imported = isinstance(node, ast.ImportFrom) and node.module == "os" and any(name.name in names for name in node.names)
        if isinstance(node, ast.Attribute | ast.ImportFrom) and (dotted or imported):
            yield node.lineno


def imported(node: ast.AST) -> set[str]:
    """Return the top-level packages that a statement imports."""
    if isinstance(node, ast.Import):
        return {name.name.split(".")[0] for name in node.names}
    return {(node.module or "").split(".")[0]} if isinstance(node, ast.ImportFrom) and node.level == 0 else set()


def imports_of(packages: set[str]) -> Callable[[ast.Module], Iterator[int]]:
    """Make a finder of imports of the given top-level packages."""
    return lambda module: (getattr(node, "lineno", 0) for node in ast.walk(module) if imported(node) & packages)


def unconditional_sleeps(module: ast.Module) -> Iterator[int]:
    """Find sleeps outside a loop: a test waits for a condition, looking again and again; sleep(0) only lets others run."""
    in_loops = {id(inner) for loop in ast.walk(module) if isinstance(loop, ast.While | ast.For | ast.AsyncFor) for inner in ast.walk(loop)}
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and id(node) not in in_loops:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yields_only = len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
            if name == "sleep" and not yields_only:
                yield node.lineno


def named_nowhere(module: ast.Module) -> Iterator[int]:
    """Find errors about a caller's input that name no argument or field."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "InvalidInputError" and len(node.args) < 2:
            yield node.lineno


def uses_of(name: str) -> Callable[[ast.Module], Iterator[int]]:
    """Make a finder of what is called so: a name, an attribute, an import under whatever name."""

    def find(module: ast.Module) -> Iterator[int]:
        for node in ast.walk(module):
            if isinstance(node, ast.ImportFrom):
                used = name in {alias.name for alias in node.names}
            else:
                used = name in {getattr(node, "id", ""), getattr(node, "attr", "")}
            if used:
                yield getattr(node, "lineno", 0)

    return find


def terse_tests(module: ast.Module) -> Iterator[int]:
    """Find tests whose name is no sentence: fewer than three words after test_."""
    names = ((function.name, function.lineno) for function in functions(module))
    return (line for name, line in names if name.startswith("test_") and len(name.removeprefix("test_").split("_")) < 3)


@pytest.mark.parametrize(
    ("find", "code"),
    [
        (long_functions, "def f():\n" + "    pass\n" * 60),
        (environment_reads, "import os\nx = os.environ['A']"),
        (environment_reads, "import os\nx = os.getenv('A')"),
        (environment_reads, "from os import environ"),
        (imports_of(DRIVERS), "import motor.motor_asyncio"),
        (imports_of(DRIVERS), "def f():\n    from bson import ObjectId"),
        (unconditional_sleeps, "import time\ntime.sleep(1)"),
        (unconditional_sleeps, "from asyncio import sleep\nasync def f():\n    await sleep(0.1)"),
        (terse_tests, "def test_sales(): pass"),
        (named_nowhere, "raise InvalidInputError('Too much.')"),
        (uses_of("grant"), "x = grant('a', 'b', 'OWNER')"),
        (uses_of("grant"), "from datastore.scope import grant as given"),
        (uses_of("grant"), "import datastore.scope as s\nx = s.grant"),
    ],
)
def test_each_finder_finds_what_it_is_for(find: Callable[[ast.Module], Iterator[int]], code: str) -> None:
    assert list(find(ast.parse(code)))


def test_no_file_holds_two_ideas() -> None:
    assert [str(path) for path in files(".py") if len(text(path).splitlines()) > 500] == []


def test_no_function_is_longer_than_sixty_lines() -> None:
    assert offenders(files(".py"), long_functions) == []


def test_most_functions_are_short() -> None:
    lengths = [length(function) for path in sources() for function in functions(tree(path))]
    assert statistics.median(lengths) <= 10
    assert statistics.quantiles(lengths, n=10)[-1] <= 30


def test_no_module_is_named_after_nothing() -> None:
    nothing = re.compile(r"(^|_)(utils?|helpers?|common|base|managers?|misc)(_|$)")
    assert [str(path) for path in files(".py") if any(nothing.search(part) for part in path.with_suffix("").parts)] == []


def test_only_the_settings_read_the_environment() -> None:
    assert offenders([path for path in sources() if path != Path("datastore/settings.py")], environment_reads) == []


def test_only_the_datastore_imports_the_drivers_and_motor_is_in_two_files_at_most() -> None:
    assert offenders([path for path in sources() if path.parts[0] != "datastore"], imports_of(DRIVERS)) == []
    assert 1 <= len([path for path in sources() if any(imports_of({"motor"})(tree(path)))]) <= 2


def test_scopes_are_granted_by_authentication_alone() -> None:
    """What reads and writes an account's rows takes a scope, so who cannot make one cannot reach an account that was not granted."""
    made, granted = Path("datastore/scope.py"), Path("resolvers/auth.py")
    assert offenders([granted], uses_of("grant"))
    assert offenders([path for path in sources() if path not in {made, granted}], uses_of("grant")) == []
    assert offenders([path for path in sources() if path != made], uses_of("_GRANT")) == []


FOR_THE_BUSINESS = {
    "account_deletion.py": "lets who deletes themself leave, whatever they are, and closes what nobody else owns",
    "api_keys.py": "notes when a key is used",
    "audit.py": "writes the trail, which nobody else does",
    "auth.py": "finds the role of who signs in, and holds it until they are in",
    "file_bin.py": "lets those files go that are past their time, whatever became of who put them into the bin",
    "file_references.py": "shows pictures to whoever sees what they are pictures of",
    "file_rows.py": "settles files whoever uploaded them",
    "invitations.py": "lets in who was invited, and is no member yet",
    "members.py": "lets anybody leave",
    "payment_events.py": "enters money that Stripe says has come, which nobody signed in does",
    "payment_intents.py": "notes what Stripe answers, for whoever asked for a payment",
    "payment_refunds.py": "notes what Stripe answers, whatever became of who gave the money back",
    "payments.py": "asks for a payment, for who may record the sale",
    "profile.py": "has the businesses of a person know their name and picture",
    "recurring_expenses.py": "books what was set up, when it is due",
    "sales.py": "takes stock, gives numbers and keeps the books for who may record a sale",
    "stored_files.py": "stores what jobs make, which was allowed where they were scheduled",
    "verification.py": "reads what was uploaded, whatever became of who uploaded it",
    "settings.py": "fixes the currency when the first amount is stored",
    "summary_mail.py": "tells the owners, whoever switched that on, whatever became of them",
    "thumbnails.py": "makes and shows thumbnails to whoever sees the file, whatever became of who uploaded it",
}
"""The modules that read and write whatever the caller's role is, and what for."""


def test_only_a_few_named_modules_act_for_the_business_whoever_calls() -> None:
    offered = {
        Path("datastore/reading.py"),
        Path("datastore/writing.py"),
        Path("datastore/bulk_writing.py"),
        Path("resolvers/functions.py"),
    }
    users = [path for path in sources() if path not in offered and any(uses_of("for_business")(tree(path)))]
    assert users == [Path("resolvers") / name for name in sorted(FOR_THE_BUSINESS)]


def test_every_error_about_a_value_names_the_argument_it_is_about() -> None:
    """In gql there are requests too that are wrong as a whole."""
    assert offenders([path for path in sources() if path.parts[0] != "gql"], named_nowhere) == []


def test_nothing_is_left_unfinished_skipped_or_silenced_wholesale() -> None:
    assert lines_matching(UNFINISHED, ".py", ".js", ".jsx", ".css", ".md", ".toml", ".yaml", ".yml") == []
    assert lines_matching(SKIPPED, ".py") == []
    assert lines_matching(BLANKET, ".py") == []


def test_tests_wait_for_conditions_and_their_names_are_sentences() -> None:
    tests = [path for path in files(".py") if path.parts[0] == "tests"]
    assert offenders(tests, unconditional_sleeps) == []
    assert offenders(tests, terse_tests) == []


def test_every_module_of_the_business_has_its_tests() -> None:
    modules = [path.name for path in sources() if path.parent == Path("resolvers") and path.name != "__init__.py"]
    assert [name for name in modules if not (ROOT / "tests" / "resolvers" / f"test_{name}").exists()] == []


def make_targets() -> dict[str, str]:
    """Return the Makefile's public targets with their lines of help."""
    return dict(re.findall(r"^([a-z-]+):.*## (.+)$", text("Makefile"), re.MULTILINE))


def test_every_make_command_in_the_documents_exists() -> None:
    named = {name for path in files(".md") for name in re.findall(r"(?:^|[`$] ?)make ([a-z][a-z-]*)", text(path), re.MULTILINE)}
    assert named - set(make_targets()) == set()
    assert {"help", "run", "test", "quick", "check", "format", "bench", "explorer", "clean", "schema"} <= set(make_targets())


def test_continuous_integration_runs_what_a_developer_runs() -> None:
    commands = [line for line in text(".ci/run").splitlines() if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["exec make test"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert "bash .ci/run" in text(".github/workflows/ci.yml")


def pins(name: str) -> dict[str, str]:
    """Return a requirements file's packages with their pinned versions."""
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", text(name), re.MULTILINE))


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "requirements-build.txt", "requirements-node.txt"])
def test_every_requirement_is_pinned_by_version_and_hash_and_names_no_source(name: str) -> None:
    blocks = text(name).replace("\\\n", " ").splitlines()
    assert blocks
    assert [block for block in blocks if not re.fullmatch(r"[a-z0-9-]+==[^ ;]+( ;[^/]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*", block)] == []


def test_the_pins_are_those_that_the_project_asks_for() -> None:
    project = tomllib.loads(text("pyproject.toml"))
    groups = project["dependency-groups"]
    asked = {"requirements.txt": project["project"]["dependencies"], "requirements-build.txt": groups["build"]}
    asked |= {"requirements-node.txt": groups["node"], "requirements-dev.txt": [item for item in groups["dev"] if isinstance(item, str)]}
    for name, requirements in asked.items():
        for requirement in map(Requirement, requirements):
            assert requirement.specifier.contains(pins(name)[requirement.name]), f"{requirement} in {name}: run make lock"
    assert pins("requirements.txt").items() | pins("requirements-build.txt").items() <= pins("requirements-dev.txt").items()


def test_the_explorers_packages_are_pinned_by_hash_and_name_no_source() -> None:
    packages = json.loads(text("gql/explorer/package-lock.json"))["packages"]
    assert [name for name, package in packages.items() if name and ("integrity" not in package or "resolved" in package)] == []


def test_the_version_is_said_once() -> None:
    assert version("tillstream") == tomllib.loads(text("pyproject.toml"))["project"]["version"]
    assert lines_matching(re.compile(r"^__version__\s*=", re.MULTILINE), ".py") == []


def test_no_file_names_a_place_on_someones_machine() -> None:
    assert lines_matching(re.compile(r"(?<![\w.])/(root|home|Users)/\w")) == []


def test_every_setting_named_in_deployment_and_documents_exists() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    places = [path for path in files() if path.parts[0] == "deploy" or path.name == "Dockerfile" or path.suffix == ".md"]
    named = {(str(path), name) for path in places for name in re.findall(PREFIX + r"[A-Z0-9_]*[A-Z0-9]", text(path))}
    assert {(path, name) for path, name in named if name not in known} == set()


def test_every_decision_is_in_the_index_and_has_its_sections() -> None:
    sections = ["## Context", "## Choice", "## Rejected", "## What would change our mind"]
    index = text("docs/decisions/README.md")
    for path in (path for path in files(".md") if re.match(r"\d{4}-", path.name)):
        title = text(path).splitlines()[0]
        assert re.fullmatch(rf"# {path.name[:4]}\. .+", title), path
        assert f"({path.name})" in index, path
        assert title.removeprefix(f"# {path.name[:4]}. ") in index, path
        positions = [text(path).find(f"\n{section}\n") for section in sections]
        assert min(positions) > 0, path
        assert all(first < second for first, second in pairwise(positions)), path

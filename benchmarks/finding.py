"""The program that finds how classes of a tree are built and called, in torch alone.

`classes.py` starts it in an interpreter that has torch, one for a tree, and it **executes the code
of the tree**. It reads one JSON object from standard input: the `tree`, its `files` that are whole,
`others` that may build their classes, and a directory for `stubs` of packages that are not there.
It writes a line of JSON for each class: the expression that builds it and the inputs that torch
accepts, or the reason why none were found.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import itertools
import json
import os
import resource
import socket
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "mapper" / "comparing")]

import side  # noqa: E402
import torch  # noqa: E402
from accepted_inputs import Late, accepts, limited, mended, shapes  # noqa: E402
from drawn_arguments import drawn  # noqa: E402
from watching import Watch  # noqa: E402

# the trees have modules of the same names
sys.path[:] = [one for one in sys.path if not Path(one).resolve().is_relative_to(HERE.parent)]

USUAL, LARGEST = 15_000_000, 60_000_000  # weights; larger ones take minutes on both sides
IMPORT, SCRIPT, BUILD, CLASS = 30.0, 8.0, 15.0, 30.0  # seconds at most
MEMORY = 8 * 2**30  # bytes; inputs that are too large raise
CANDIDATES = 6  # ways to build a class that are tried

STUB = '''\
"""Stands for a package that is not installed here."""
import importlib.machinery, sys, types

class Stub:
    def __init__(self, *a, **k): pass
    def __call__(self, *a, **k):
        return a[0] if len(a) == 1 and not k and isinstance(a[0], (type, types.FunctionType)) \\
            else Stub()
    def __getattr__(self, name):
        if name.startswith("__"): raise AttributeError(name)
        return Stub()
    def __mro_entries__(self, bases): return ()

class Module(types.ModuleType):
    __path__ = []
    def __getattr__(self, name):
        if name.startswith("__"): raise AttributeError(name)
        return Stub()

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.startswith(__name__ + "."):
            return importlib.machinery.ModuleSpec(name, Finder, is_package=True)
    @staticmethod
    def create_module(spec): return Module(spec.name)
    @staticmethod
    def exec_module(module): pass

sys.meta_path.append(Finder)
sys.modules[__name__].__class__ = Module
'''


def words(error: BaseException) -> str:
    """Return the first line of an error."""
    text = "".join(traceback.format_exception_only(type(error), error)).strip()
    return text.splitlines()[0] if text else type(error).__name__


# --- importing ------------------------------------------------------------------------------------


def places(tree: Path, file: str) -> Iterator[tuple[Path, str]]:
    """Yield the directories from which a file may be imported, with its module's name there."""
    path = Path(file)
    parts = [*path.parts[:-1], *([] if path.name == "__init__.py" else [path.stem])]
    lengths = [n for n in range(len(parts)) if all(one.isidentifier() for one in parts[n:])]
    in_package = [n for n in lengths if (tree.joinpath(*parts[:n]) / "__init__.py").exists()]
    lengths.sort(key=lambda n: (n in in_package, -n))  # first the one above the packages
    for length in lengths:
        yield tree.joinpath(*parts[:length]), ".".join(parts[length:])


def imported(module: str, stubs: Path, own: set[str], seconds: float = IMPORT) -> Any:
    """Return a module; packages that it needs and that are not there become stubs."""
    while True:
        try:
            with limited(seconds):
                return importlib.import_module(module)
        except ModuleNotFoundError as error:
            name = (error.name or "").partition(".")[0]
            if not name or name in own or (stubs / f"{name}.py").exists():
                raise
            (stubs / f"{name}.py").write_text(STUB, "utf-8")
            importlib.invalidate_caches()
            for one in [one for one in sys.modules if one.partition(".")[0] == name]:
                del sys.modules[one]


def names_of(tree: Path) -> set[str]:
    """Return what a tree's own modules and packages are called: these get no stub."""
    files = [path.relative_to(tree) for path in tree.rglob("*.py")]
    return {part for path in files for part in (*path.parts[:-1], path.stem)}


# --- expressions ----------------------------------------------------------------------------------


class Callers:
    """The calls in a tree whose arguments are written as literals, by the name that is called."""

    def __init__(self, tree: Path) -> None:
        self.calls: dict[str, list[ast.Call]] = {}
        for path in sorted(tree.rglob("*.py")):
            with contextlib.suppress(SyntaxError, ValueError, OSError, RecursionError):
                for node in ast.walk(ast.parse(path.read_bytes())):
                    if isinstance(node, ast.Call):
                        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                        self.calls.setdefault(name, []).append(node)

    def of(self, name: str, module: Any, watch: Watch) -> Iterator[str]:
        """Yield the calls of a name as expressions in a module."""
        for call in self.calls.get(name, ()):
            every = [*call.args, *(one.value for one in call.keywords)]
            if any(one.arg is None for one in call.keywords) or not all(
                self._is_known(one, module, watch) for one in every
            ):
                continue
            yield f"{name}({ast.unparse(call)[len(ast.unparse(call.func)) + 1 : -1]})"

    def _is_known(self, node: ast.expr, module: Any, watch: Watch) -> bool:
        if isinstance(node, ast.Name):
            value = vars(module).get(node.id)
            return value is not None and watch.text(value) is not None
        try:
            ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, RecursionError):
            return False
        return True


def builders(module: Any) -> list[str]:
    """Return a module's functions that return something."""
    found = []
    for name, value in vars(module).items():
        if inspect.isfunction(value) and value.__module__ == module.__name__:
            with contextlib.suppress(OSError, SyntaxError, TypeError, ValueError):
                tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(value)))
                if any(isinstance(n, ast.Return) and n.value for n in ast.walk(tree)):
                    found.append(name)
    return found


def needs(value: Any) -> bool:
    """Say whether something must be given arguments."""
    with contextlib.suppress(TypeError, ValueError):
        usual = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        found = inspect.signature(value).parameters.values()
        return any(one.default is one.empty and one.kind not in usual for one in found)
    return True


@dataclass
class Module:
    """One imported file."""

    file: str
    root: str
    name: str
    module: Any
    is_whole: bool
    built_by: dict[type, list[str]] = field(default_factory=dict)

    @property
    def classes(self) -> list[type]:
        """Return its public classes that are modules of torch."""
        name = self.module.__name__
        every = [one for key, one in vars(self.module).items() if not key.startswith("_")]
        every = [one for one in every if isinstance(one, type) and one.__module__ == name]
        return [one for one in dict.fromkeys(every) if issubclass(one, torch.nn.Module)]

    def expressions(self, cls: type, callers: Callers, watch: Watch) -> Iterator[str]:
        """Yield texts that may build a class: defaults, functions, callers, and drawn ones."""
        if not needs(cls):
            yield f"{cls.__name__}()"
        yield from self.built_by.get(cls, ())
        yield from callers.of(cls.__name__, self.module, watch)

    def find_builders(self, callers: Callers, watch: Watch) -> None:
        """Note which functions build which class."""
        for name in builders(self.module):
            calls = [] if needs(getattr(self.module, name)) else [f"{name}()"]
            calls += itertools.islice(callers.of(name, self.module, watch), 2)
            for call in calls:
                with contextlib.suppress(Exception, Late, SystemExit):
                    model = self.built(call)
                    if isinstance(model, torch.nn.Module):
                        self.built_by.setdefault(type(model), []).append(call)

    def built(self, expression: str) -> Any:
        """Return the value of an expression in this module."""
        torch.manual_seed(0)
        with limited(BUILD):
            return eval(expression, vars(self.module))


class Finder:
    """Finds how the classes of files below one directory are built and called."""

    def __init__(self, modules: Sequence[Module], callers: Callers) -> None:
        self.modules, self.callers, self.watch = modules, callers, Watch()
        for one in modules:
            for cls in one.classes:
                text = f"__import__({one.name!r}, fromlist=['_']).{cls.__qualname__}"
                self.watch.add(cls, text if one.is_whole else None)
        if any(one.is_whole and one.classes for one in modules):
            for one in modules:
                one.find_builders(callers, self.watch)

    def find(self) -> Iterator[dict[str, Any]]:
        """Yield a line for each class of a whole file."""
        wanted = [(one, cls) for one in self.modules for cls in one.classes]
        if not any(one.is_whole for one, _ in wanted):
            return
        reasons: dict[type, str] = {}
        usual = ((way, USUAL) for way in (self._written, self._seen, self._drawn, self._seen))
        for ways, largest in (*usual, (self._written, LARGEST), (self._seen, LARGEST)):
            left = []
            for one, cls in wanted:
                found = self._tried(one, cls, ways(one, cls), reasons, largest)
                if found is None:
                    left.append((one, cls))
                elif one.is_whole:
                    yield found
            wanted = left
        for one, cls in wanted:
            if one.is_whole:
                reason = reasons.get(cls, "no arguments known")
                yield {"file": one.file, "class": cls.__name__, "reason": reason}

    def _written(self, one: Module, cls: type) -> Iterator[tuple[str, tuple[str, ...] | None]]:
        for text in dict.fromkeys(one.expressions(cls, self.callers, self.watch)):
            yield text, None

    def _seen(self, one: Module, cls: type) -> Iterator[tuple[str, tuple[str, ...] | None]]:
        yield from self.watch.seen[cls].calls

    def _drawn(self, one: Module, cls: type) -> Iterator[tuple[str, tuple[str, ...] | None]]:
        blocks = [other.__name__ for other in one.classes if hasattr(other, "expansion")]
        for text in drawn(cls, blocks):
            yield text, None

    def _tried(
        self, one: Module, cls: type, ways: Iterator[tuple[str, tuple[str, ...] | None]],
        reasons: dict[type, str], largest: int,
    ) -> dict[str, Any] | None:  # fmt: skip
        """Return the first way that torch accepts."""
        end = time.monotonic() + CLASS
        for expression, known in itertools.islice(ways, CANDIDATES):
            if self._size(one, expression) > largest:
                reasons.setdefault(cls, f"more than {LARGEST:,} weights")
                continue
            try:
                model = one.built(expression)
            except (Exception, Late, SystemExit) as error:
                reasons.setdefault(cls, f"torch builds none: {words(error)}")
                continue
            if type(model) is not cls:
                continue
            weights = sum(value.numel() for value in model.parameters())
            if not (largest == USUAL or weights > USUAL):
                continue
            if weights > largest:
                reasons.setdefault(cls, f"more than {LARGEST:,} weights")
                continue
            found = self._called(model, expression, known, reasons, end)
            if found is not None:
                inputs, trains = found
                return {"file": one.file, "class": cls.__name__, "root": one.root,
                        "module": one.name, "expression": expression, "inputs": inputs,
                        "trains": trains, "weights": weights}  # fmt: skip
            if time.monotonic() > end:
                break
        return None

    @staticmethod
    def _size(one: Module, expression: str) -> int:
        """Return how many weights a model has, without making them; 0 where that cannot be told."""
        with contextlib.suppress(Exception, Late, SystemExit), torch.device("meta"):
            return sum(value.numel() for value in one.built(expression).parameters())
        return 0

    def _called(
        self, model: Any, expression: str, known: tuple[str, ...] | None,
        reasons: dict[type, str], end: float,
    ) -> tuple[tuple[str, ...], bool] | None:  # fmt: skip
        try:
            every = [known] if known else shapes(model, expression)
        except (TypeError, ValueError) as error:
            reasons[type(model)] = words(error)
            return None
        for given in every:
            inputs: tuple[str, ...] | None = given
            for _ in range(3):
                assert inputs is not None
                try:
                    return inputs, accepts(model, inputs)
                except (Exception, Late, SystemExit) as error:
                    reasons[type(model)] = f"torch takes no input: {words(error)}"
                    inputs = mended(inputs, str(error))
                if inputs is None:
                    break
            if time.monotonic() > end:
                break
        return None


def main() -> None:
    """Answer the request."""
    request = json.loads(sys.stdin.readline())
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.dont_write_bytecode = True
    sys.argv = sys.argv[:1]
    socket.socket.connect = _no_network
    socket.getaddrinfo = _no_network
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    tree, stubs = Path(request["tree"]), Path(request["stubs"])
    stubs.mkdir(parents=True, exist_ok=True)
    sys.path.append(str(stubs))

    def say(line: dict[str, Any]) -> None:
        answers.write(json.dumps(line) + "\n")
        answers.flush()

    own, callers = names_of(tree), Callers(tree)
    roots: dict[str, list[tuple[str, str, bool]]] = {}
    for file in (*request["files"], *request["others"]):
        is_whole = file in request["files"]
        said = ""
        for root, name in places(tree, file):
            with side.modules_of(str(root)):
                try:
                    imported(name, stubs, own, IMPORT if is_whole else SCRIPT)
                except (Exception, Late, SystemExit) as error:
                    said = said or words(error)
                    continue
            roots.setdefault(str(root), []).append((file, name, is_whole))
            break
        else:
            if is_whole:
                say({"file": file, "class": "", "reason": f"cannot be imported: {said}"})
    for directory, files in roots.items():
        with side.modules_of(directory):
            modules = []
            for file, name, is_whole in files:
                with contextlib.suppress(Exception, Late, SystemExit):  # was imported before
                    module = imported(name, stubs, own)
                    modules.append(Module(file, directory, name, module, is_whole))
            for line in Finder(modules, callers).find():
                say(line)
    say({"end": True})


def _no_network(*_: Any) -> None:
    raise OSError("no network here")


if __name__ == "__main__":
    main()

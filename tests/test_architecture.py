"""Imports go strictly downward, and heavy packages are imported only where they are used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Lowest first; a module may import from the floors below its own.
FLOORS = [
    {"autograd.recording", "autograd.trees"},
    {"autograd.tracing"},
    {"autograd.backend", "autograd.compiler"},
    {"autograd.tensor"},
    {"autograd.primitives"},
    {
        "autograd.backward",
        "autograd.debugging",
        "autograd.ops.constants",
        "autograd.ops.elementwise",
        "autograd.ops.indexing",
    },
    {"autograd.ops.reductions", "autograd.ops.linear_algebra", "autograd.ops.special"},
    {
        "autograd.ops.cumulative",
        "autograd.ops.decompositions",
        "autograd.ops.ordering",
        "autograd.ops.shaping",
    },
    {"autograd.ops.joining", "autograd.ops.fourier"},
    {"autograd.ops"},
    {"autograd.transforms", "autograd.checkpointing", "autograd.watching"},
    {"autograd.replay", "autograd.differences"},
    {
        "autograd.drawing.diagram",
        "autograd.drawing.page",
        "autograd.drawing.rules",
        "autograd.drawing.steps",
        "autograd.diagnosis",
    },
    {"autograd.drawing.layout"},
    {"autograd.drawing.dot", "autograd.drawing.graph"},
    {"autograd.drawing.failures", "autograd.drawing.repetitions"},
    {"autograd.drawing.folding"},
    {"autograd.drawing.labels"},
    {"autograd.drawing.view", "autograd.drawing.data"},
    {"autograd.drawing"},
    {"autograd.gradcheck"},
    {"autograd"},
    {"autograd.__main__"},
    {
        "nn.activations",
        "nn.module",
        "nn.init",
        "nn.schedules",
        "nn.formats",
        "nn.rows",
        "nn.optim",
        "nn.checkpoint",
        "nn.distributed",
        "nn.markup",
        "nn.signals",
        "nn.terminal",
    },
    {"nn.layouts", "nn.losses"},
    {"nn.download", "nn.functional"},
    {"nn.data", "nn.layers", "nn.summary"},
    {"nn.evaluation"},
    {"nn.plots", "nn.report"},
    {"nn.window"},
    {"nn"},
    {"nn.images", "nn.recipes", "nn.training"},
    {"nn.divergence", "nn.folders"},
    {"nn.pictures", "nn.trained"},
    {"nn.runs"},
    {"train"},
]
FLOOR = {module: number for number, modules in enumerate(FLOORS) for module in modules}


def source_files() -> dict[str, Path]:
    paths = [*(ROOT / "autograd").rglob("*.py"), *(ROOT / "nn").rglob("*.py"), ROOT / "train.py"]
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths}
    return {name.removesuffix(".__init__"): path for path, name in names.items()}


def imports(path: Path) -> set[str]:
    """Return the modules that a file imports, outside of `if TYPE_CHECKING`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & FLOOR.keys()
            found |= submodules or {node.module}
    return found


def test_every_file_has_a_floor() -> None:
    assert set(source_files()) == set(FLOOR)


@pytest.mark.parametrize("module", sorted(FLOOR))
def test_imports_go_down(module: str) -> None:
    own = imports(source_files()[module]) & FLOOR.keys()
    assert {other for other in own if FLOOR[other] >= FLOOR[module]} == set()


@pytest.mark.parametrize("module", sorted(name for name in FLOOR if name.startswith("nn")))
def test_nn_uses_the_public_names_of_the_engine(module: str) -> None:
    assert {name for name in imports(source_files()[module]) if name.startswith("autograd.")} == set()


def test_only_pictures_import_matplotlib() -> None:
    users = {
        module
        for module, path in source_files().items()
        if any(name.split(".")[0] == "matplotlib" for name in imports(path))
    }
    assert users == {"nn.plots", "nn.window"}


@pytest.mark.parametrize("package", ["autograd", "nn"])
def test_importing_a_package_imports_nothing_heavy(package: str) -> None:
    heavy = ["matplotlib", "graphviz", "tqdm", "scipy", "urllib.request"]
    program = f"import sys, {package}; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"

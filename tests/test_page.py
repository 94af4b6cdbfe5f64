"""page: one file that nothing can break out of, and in a browser, a graph to explore and steps to take."""

import html.parser
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, draw_graph
from autograd.drawing.page import page
from nn import Linear, Module, Sequential

# -------------------------------------------------------------------------------------- data of pages


class Graph:
    """Builds what page() is given, by hand: nodes of numbers or nested lists, and the steps back."""

    def __init__(self, **more: Any) -> None:
        self.data: dict[str, Any] = {
            "title": "loss",
            "caption": "",
            "direction": "TB",
            "arrays": [],
            "nodes": [],
            "boxes": [],
            "outputs": [],
            "steps": [],
            "no_steps": "",
        } | more

    def array(self, values: Any, **more: Any) -> int:
        flat, shape = [values], []
        while isinstance(flat[0] if flat else 0, list):
            shape.append(len(flat[0]))
            flat = [value for row in flat for value in row]
        numbers = [value for value in flat if isinstance(value, (int, float))]
        statistics = {"min": None, "mean": None, "max": None, "rms": None}
        if numbers:
            mean = sum(numbers) / len(numbers)
            rms = (sum(value * value for value in numbers) / len(numbers)) ** 0.5
            statistics = {"min": min(numbers), "mean": mean, "max": max(numbers), "rms": rms}
        self.data["arrays"].append(
            {"shape": shape, "dtype": "float64", "bytes": 8 * len(flat), "bad": len(flat) - len(numbers)}
            | statistics
            | {"values": values, "sample": None, "sampled": None, "histogram": None}
            | more
        )
        return len(self.data["arrays"]) - 1

    def large(self, rows: int, columns: int) -> int:
        sample = [[(row - 16) * (column - 8) / 10 for column in range(32)] for row in range(32)]
        statistics = {"min": -24.0, "mean": 1.5, "max": 36.0, "rms": 12.5}
        return self.array(
            None,
            shape=[rows, columns],
            sample=sample,
            dtype="float32",
            sampled=[32, 32, rows, columns],
            **statistics,
            histogram={"low": -24.0, "high": 36.0, "counts": list(range(32))},
        )

    def node(self, title: str, *inputs: int, value: Any = 1.0, grad: Any = None, **more: Any) -> int:
        op = title if inputs else None
        self.data["nodes"].append(
            {
                "kind": "op" if inputs else "parameter",
                "title": title,
                "op": op,
                "lines": [],
                "inputs": list(inputs),
                "box": None,
                "value": self.array(value),
                "grad": None if grad is None else self.array(grad),
                "tracked": True,
                "bytes": 8,
                "made": "train.py:31, in loss: y = x * x" if inputs else None,
                "rule": [[f"by {name}", "g * 1"] for name in "xyz"[: len(inputs)]],
            }
            | more
        )
        return len(self.data["nodes"]) - 1

    def box(self, label: str, parent: int | None = None, folded: bool = False, **more: Any) -> int:
        box = {"label": label, "parent": parent, "parameters": 6, "folded": folded, "kind": "module"}
        self.data["boxes"].append(box | {"of": None} | more)
        return len(self.data["boxes"]) - 1

    def step(self, node: int, arriving: Any, *leaving: tuple[int, Any, Any]) -> None:
        self.data["steps"].append(
            {
                "node": node,
                "arriving": self.array(arriving),
                "leaving": [[to, self.array(gradient)] for to, _, gradient in leaving],
                "local": [[to, self.array(local)] for to, local, _ in leaving if local is not None],
            }
        )

    def chain(self, start: int, length: int, *also: int) -> int:
        for _ in range(length):
            start = self.node("tanh", start, *also)
        return start


def square() -> dict[str, Any]:
    """(a b + c)², with the steps back through it; a b is in a box."""
    graph = Graph(title="(a b + c)²")
    box = graph.box("product")
    a, b = (
        graph.node(name, value=value, grad=grad, box=box)
        for name, value, grad in [("a", 2, -24), ("b", -3, 16)]
    )
    product = graph.node("multiply", a, b, value=-6, grad=8, box=box)
    c = graph.node("c", value=10, grad=8)
    total = graph.node("add", product, c, value=4, grad=8)
    output = graph.node("multiply", total, total, value=16, grad=1, kind="output")
    graph.step(output, 1, (total, 4, 4), (total, 4, 4))
    graph.step(total, 8, (product, 1, 8), (c, 1, 8))
    graph.step(product, 8, (a, -3, -24), (b, 2, 16))
    return graph.data | {"outputs": [output]}


def network(blocks: int = 3, folded: bool = False, direction: str = "TB") -> dict[str, Any]:
    """A network of blocks with residual connections, each a box of two boxes with parameters."""
    graph = Graph(direction=direction)
    h = graph.node("x", kind="data", tracked=False)
    for number in range(blocks):
        block = graph.box(f"blocks.{number}  Block", None, folded)
        start = h
        for name in ("up", "down"):
            layer = graph.box(f"{name}  Linear", block)
            parameters = [graph.node(word, box=layer) for word in ("weight", "bias")]
            h = graph.node("linear", h, *parameters, box=layer)
        h = graph.node("add", start, h, box=block)
    return graph.data | {"outputs": [graph.node("mean", h, kind="output")]}


def halves(direction: str = "TB") -> dict[str, Any]:
    """Two layers in a module, a loss, and the graph of their gradients, in boxes of its own."""
    graph = Graph(direction=direction)
    net = graph.box("net")
    layers = [graph.box(f"layers.{number}", net) for number in range(2)]
    net_back = graph.box("gradient of net", parameters=None, kind="gradient", of=net)
    layers_back = [
        graph.box(f"gradient of layers.{number}", net_back, parameters=None, kind="gradient", of=layer)
        for number, layer in enumerate(layers)
    ]
    h = graph.node("x", kind="data", tracked=False)
    values = []
    for box in layers:
        weight = graph.node("weight", box=box)
        h = graph.node("matmul", h, weight, box=box)
        values.append((weight, h))
        h = graph.node("tanh", h, box=box)
    loss = graph.node("mean", h, kind="output")
    gradient = {"kind": "gradient"}
    g = graph.node("seed", **gradient)
    g = graph.node("divide", g, graph.node("constant", kind="constant", op=None), **gradient)
    for box, (weight, value) in reversed(list(zip(layers_back, values, strict=True))):
        g = graph.node("multiply", g, graph.node("square", value, box=box, **gradient), box=box, **gradient)
        graph.node("outer", g, value, box=box, **gradient)
        g = graph.node("matmul", g, weight, box=box, **gradient)
    return graph.data | {"outputs": [loss]}


def gradients_of(data: dict[str, Any]) -> list[tuple[int, int]]:
    """Return the edges between the gradients' own nodes."""
    own = [node["kind"] in ("gradient", "constant") for node in data["nodes"]]
    return [(x, n) for n, node in enumerate(data["nodes"]) for x in node["inputs"] if own[x] and own[n]]


HOSTILE = [
    "</script><b>bold</b><script>window.broken = 1</script>",
    "<!--style--><!--data--><!-- <script>",
    "<img src=x onerror='window.broken = 1'>",
    "\u2028\u2029\\u003c&lt;",
    "x" * 3000,
    "שלום עולם",
    "👩‍🚀🧪",
    "",
    "\ud800",
    "a\nb\tc\x00",
]

# --------------------------------------------------------------------------------- without a browser


class Reader(html.parser.HTMLParser):
    """Collects the elements of a page, and the text of its data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.data, self.inside = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.inside = ("id", "data") in attributes

    def handle_data(self, data: str) -> None:
        self.data += data if self.inside else ""

    def handle_endtag(self, tag: str) -> None:
        self.inside = False


def test_the_data_arrives_as_it_was_given() -> None:
    graph = Graph(title=HOSTILE[0], caption=HOSTILE[1])
    for name in HOSTILE:
        graph.node(name)
    text = page(graph.data)
    reader = Reader(text)
    assert json.loads(reader.data) == graph.data
    assert reader.tags == Reader(page(Graph().data)).tags
    text.encode()  # lone surrogates too


def test_the_page_loads_nothing() -> None:
    text = page(square())
    assert re.findall(r"""(?:src|href)\s*=|url\(|@import|\bimport\b|fetch\(""", text) == []
    assert set(re.findall(r"https?://[^\"]*", text)) == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in text


def test_names_are_never_parsed_as_html() -> None:
    assert (
        re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", page(square())) == []
    )


def test_numbers_that_json_does_not_have_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        page(Graph(title=float("nan")).data)


class Block(Module):
    def __init__(self, size: int, generator: np.random.Generator) -> None:
        self.up, self.down = (Linear(size, size, generator=generator) for _ in range(2))

    def forward(self, x: Any) -> Any:
        return x + self.down(np.tanh(self.up(x)))


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def data_of(*arguments: Any, **options: Any) -> dict[str, Any]:
    made = draw_graph(*arguments, **options).page_data
    assert made is not None
    return made()


def test_boxes_of_gradients_tell_what_they_are_of(generator: np.random.Generator) -> None:
    model = Sequential(Block(3, generator), Block(3, generator))
    boxes = data_of(model(np.ones((2, 3))).sum(), backward=True)["boxes"]
    pairs = [(boxes[box["of"]]["label"], box["label"]) for box in boxes if box["of"] is not None]
    assert len(pairs) == sum(box["kind"] == "gradient" for box in boxes) > 5
    for label, gradient in pairs:
        assert gradient == "  ".join([*label.split("  ")[:-1], f"gradient of {label.split('  ')[-1]}"])


def test_repeated_blocks_have_names_of_their_own_on_the_page(generator: np.random.Generator) -> None:
    model = Sequential(*(Block(3, generator) for _ in range(6)))
    boxes = data_of(model(Tensor(np.ones((2, 3)), requires_grad=True)).sum())["boxes"]
    (repeat,) = (box for box in boxes if box["kind"] == "repeat")
    assert repeat["label"].endswith("Block × 6")
    assert repeat["folded"]
    assert repeat["parameters"] == 6 * 24
    inside = [box["label"] for box in boxes if box["parent"] == boxes.index(repeat)]
    assert len(set(inside)) == 6
    assert all(label.endswith("  Block") for label in inside)


def test_the_caption_says_what_the_page_can_do(generator: np.random.Generator) -> None:
    model = Sequential(*(Block(3, generator) for _ in range(6)))
    picture = draw_graph(model(np.ones((2, 3))).sum(), backward=True, max_nodes=20)
    assert "; max_nodes=None draws them all" in picture.source
    assert re.fullmatch(
        r"\d+ nodes, folded to \d+; Unfold all shows them",
        data_of(model(np.ones((2, 3))).sum(), backward=True, max_nodes=20)["caption"],
    )


def test_the_range_of_integers_is_exact() -> None:
    large = np.arange(4) + 123_456_789
    data = data_of(Tensor(np.ones(4), requires_grad=True) * large)
    array = next(array for array in data["arrays"] if array["dtype"].startswith("int"))
    assert (array["min"], array["max"]) == (123_456_789, 123_456_792)


# ------------------------------------------------------------------------------------ in a browser


class Browser:
    """A page in the browser, asked by keys of items: n3 is a node, b0 a box."""

    def __init__(self, driver: Any, path: Path) -> None:
        self.driver, self.path = driver, path

    def open(self, data: dict[str, Any]) -> None:
        self.path.write_text(page(data), encoding="utf-8")
        self.driver.get(self.path.as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(f"return {script}", *arguments)

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def click(self, selector: str) -> None:
        self.find(selector).click()

    def click_item(self, key: str) -> None:
        self.click(f"[data-key={key}] > rect:last-of-type")

    def press(self, *keys: str) -> None:
        self.driver.switch_to.active_element.send_keys(*keys)

    def text(self, selector: str) -> str:
        return str(self.find(selector).text)

    def items(self) -> dict[str, str]:
        """Return the title of each item by its key."""
        titles = "g => [g.dataset.key, g.querySelector('text').textContent]"
        return dict(self.run(f"[...document.querySelectorAll('[data-key]')].map({titles})"))

    def having(self, name: str) -> set[str]:
        script = "[...document.querySelectorAll('[data-key].' + arguments[0])].map(g => g.dataset.key)"
        return set(self.run(script, name))

    def focus(self) -> str | None:
        return self.run("document.activeElement.dataset.key ?? null")

    def place(self, key: str) -> list[float]:
        """Return left, top, right and bottom of an item on the screen."""
        box = (
            "document.querySelector(`[data-key=${arguments[0]}] > rect:last-of-type`).getBoundingClientRect()"
        )
        return list(self.run(f"(r => [r.left, r.top, r.right, r.bottom])({box})", key))

    def overlaps(self) -> list[tuple[str, str]]:
        """Return the pairs of items that stand on one another."""
        places = {key: self.place(key) for key in self.items()}
        return [
            (one, other)
            for one, (left, top, right, bottom) in places.items()
            for other, (left2, top2, right2, bottom2) in places.items()
            if one < other and left < right2 and left2 < right and top < bottom2 and top2 < bottom
        ]


@pytest.fixture
def browser(driver: Any, tmp_path: Path) -> Iterator[Browser]:
    """Give a browser, and find afterwards that the page made no errors and asked nobody for anything."""
    driver.get_log("performance")
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    path = tmp_path / "graph.html"
    yield Browser(driver, path)
    assert [entry["message"] for entry in driver.get_log("browser")] == []
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    requests = {
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    }
    assert requests <= {path.as_uri()}


RIGHT, LEFT, UP, DOWN, HOME, END, ENTER, ESCAPE, TAB = (
    *("\ue014", "\ue012", "\ue013", "\ue015", "\ue011"),
    *("\ue010", "\ue007", "\ue00c", "\ue004"),
)


def test_every_node_and_box_is_there(browser: Browser) -> None:
    browser.open(square())
    titles = {"n0": "a", "n1": "b", "n2": "multiply", "n3": "c", "n4": "add", "n5": "multiply"}
    assert browser.items() == titles | {"b0": "▾ product · 6 parameters"}
    assert "16\ngrad 1" in browser.run("document.querySelector('[data-key=n5]').textContent").replace(
        "grad", "\ngrad"
    )
    assert browser.run("document.title") == browser.text("#title") == "(a b + c)²"
    assert browser.run("document.querySelector('#edges text').textContent") == "×2"  # add, to multiply


@pytest.mark.parametrize("direction", ["TB", "LR"])
@pytest.mark.parametrize("folded", [False, True])
def test_nothing_stands_on_anything(browser: Browser, direction: str, folded: bool) -> None:
    browser.open(network(direction=direction, folded=folded))
    assert browser.overlaps() == []
    assert len(browser.items()) == (5 if folded else 32)


@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_data_flows_one_way_and_the_main_line_is_straight(browser: Browser, direction: str) -> None:
    data = network(direction=direction)
    browser.open(data)
    along, across = (1, 0) if direction == "TB" else (0, 1)
    places = [browser.place(f"n{n}") for n in range(len(data["nodes"]))]
    for node, place in zip(data["nodes"], places, strict=True):
        assert all(places[x][along + 2] < place[along] for x in node["inputs"])
    ops = [n for n, node in enumerate(data["nodes"]) if node["op"]]
    middles = [(places[n][across] + places[n][across + 2]) / 2 for n in ops]
    assert max(middles) - min(middles) < 1


def test_lines_do_not_run_through_boxes(browser: Browser) -> None:
    browser.open(network())
    script = """[...document.querySelectorAll('#edges path')].flatMap(path => {
        const boxes = [...document.querySelectorAll('.item > rect')].map(rect => rect.getBBox());
        const at = (i) => path.getPointAtLength(path.getTotalLength() * i / 99);
        const within = (x, start, length) => x > start + 1 && x < start + length - 1;
        return Array.from({length: 100}, (_, i) => at(i)).filter(({x, y}) =>
            boxes.some(box => within(x, box.x, box.width) && within(y, box.y, box.height)));
    }).length"""
    assert browser.run(script) == 0


@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_gradients_flow_back_beside_what_they_are_of(browser: Browser, direction: str) -> None:
    data = halves(direction)
    browser.open(data)
    along, across = (1, 0) if direction == "TB" else (0, 1)
    places = {key: browser.place(key) for key in browser.items()}
    for x, n in gradients_of(data):
        assert places[f"n{n}"][along + 2] < places[f"n{x}"][along]
    own = {f"n{n}" for edge in gradients_of(data) for n in edge}
    forward = [place for key, place in places.items() if key[0] == "n" and key not in own]
    assert max(place[across + 2] for place in forward) < min(places[key][across] for key in own)
    assert browser.overlaps() == []
    frames = [
        browser.run("(r => [r.left, r.top, r.right, r.bottom])(arguments[0].getBoundingClientRect())", frame)
        for frame in browser.driver.find_elements("css selector", "rect.frame")
    ]
    for module, gradient in zip(frames[:3], frames[3:], strict=True):
        assert [module[along], module[along + 2]] == pytest.approx([gradient[along], gradient[along + 2]])
    seed, output = (
        places[f"n{n}"] for n, node in enumerate(data["nodes"]) if node["title"] in ("mean", "seed")
    )
    assert max(place[along] for place in forward) <= min(seed[along], output[along])


TIPS = """[...document.querySelectorAll('#edges path.' + arguments[0])].flatMap(path => {
    const last = path.getAttribute('d').split('M').at(-1);
    const [end, tip, other] = last.split('L').map(text => text.trim().split(' ').map(Number));
    if (last.includes('C') || !other) return []; // it goes on in another box
    const at = [...document.querySelectorAll('.item')].filter(item => {
        const {x, y, width, height} = item.querySelector('rect:last-of-type').getBBox();
        return tip[0] > x && tip[0] < x + width && Math.abs(tip[1] - y - height) < 2;
    });
    return [[end[1] - tip[1], at.map(item => item.dataset.key)]];
})"""


def test_arrows_of_gradients_point_up_at_what_uses_them(browser: Browser) -> None:
    data = halves()
    browser.open(data)
    heads = [f"n{n}" for _, n in gradients_of(data)]
    tips = browser.run(TIPS, "backward")
    assert sorted(key for _, keys in tips for key in keys) == sorted(heads)
    assert all(down > 0 for down, _ in tips)
    wired = [
        f"n{n}"
        for n, node in enumerate(data["nodes"])
        for x in node["inputs"]
        if node["kind"] == "gradient" and data["nodes"][x]["kind"] in ("op", "parameter")
    ]
    assert sorted(key for _, keys in browser.run(TIPS, "wire") for key in keys) == sorted(wired)
    colors = browser.run(
        "['backward', 'wire'].map(kind => getComputedStyle(document.querySelector('#edges .' + kind)).stroke)"
    )
    assert colors == ["rgb(176, 80, 138)", "rgb(179, 185, 194)"]


def test_boxes_of_gradients_fold_and_unfold(browser: Browser) -> None:
    data = halves()
    browser.open(data)
    total = len(browser.items())
    browser.click_item("b4")  # of the first layer, in the box of gradients
    assert browser.items()["b4"] == "▸ gradient of layers.0"
    assert browser.having("gradient") >= {"b4"}
    assert browser.overlaps() == []
    assert browser.place("b4")[3] < browser.place("n10")[1]  # what feeds it stands below
    browser.click_item("b1")  # and the layer itself
    assert browser.overlaps() == []
    browser.click_item("b0")
    assert browser.overlaps() == []
    browser.click("#fold")
    assert {"b0", "b3"} < set(browser.items())
    module, gradients = browser.place("b0"), browser.place("b3")
    assert module[2] < gradients[0]
    assert module[1] + module[3] == pytest.approx(gradients[1] + gradients[3], abs=4)  # side by side
    browser.click("#unfold")
    assert len(browser.items()) == total


def test_repeated_modules_unfold_beside_their_gradients(
    browser: Browser, generator: np.random.Generator
) -> None:
    model = Sequential(*(Block(3, generator) for _ in range(6)))
    data = data_of(model(np.ones((2, 3))).sum(), backward=True)
    browser.open(data)
    repeated = [key for key, title in browser.items().items() if "×" in title]
    assert len(repeated) == 2
    browser.click_item(repeated[0])
    assert repeated[0] not in browser.items()
    browser.click("#unfold")
    assert browser.overlaps() == []
    pairs = [(box["of"], b) for b, box in enumerate(data["boxes"]) if box["of"] is not None]
    assert len(pairs) > 12
    for module, gradients in pairs:
        assert browser.place(f"b{module}")[1] == pytest.approx(browser.place(f"b{gradients}")[1], abs=1)
    browser.click("#fold")
    assert not {key for key in browser.items() if key in repeated}  # in what is folded


def test_selecting_a_gradient_lights_the_way_it_goes(browser: Browser) -> None:
    data = halves()
    browser.open(data)
    (seed,) = (n for n, node in enumerate(data["nodes"]) if node["title"] == "seed")
    browser.click_item(f"n{seed}")
    heads = {f"n{n}" for x, n in gradients_of(data) if data["nodes"][x]["title"] in ("divide", "multiply")}
    assert browser.having("lit") >= heads | {f"n{seed}"}


def test_a_box_of_both_halves_keeps_them_apart(browser: Browser) -> None:
    data = halves()
    for number, node in enumerate(data["nodes"]):
        node["box"] = 0 if number not in (0, 8) else None
    data["boxes"] = data["boxes"][:1]
    browser.open(data)
    assert browser.overlaps() == []
    for x, n in gradients_of(data):
        if x != 8:
            assert browser.place(f"n{n}")[3] < browser.place(f"n{x}")[1]
    browser.click_item("b0")
    assert len(browser.items()) == 3


def test_a_module_folds_and_unfolds_where_it_stands(browser: Browser) -> None:
    browser.open(square())
    before = browser.place("b0")
    browser.click_item("b0")
    assert browser.items() == {"b0": "▸ product", "n3": "c", "n4": "add", "n5": "multiply"}
    after = browser.place("b0")
    assert after[:2] == pytest.approx(before[:2], abs=5)
    assert browser.overlaps() == []
    browser.click_item("b0")
    assert browser.place("b0")[:2] == pytest.approx(before[:2], abs=5)
    assert len(browser.items()) == 7


def test_buttons_fold_and_unfold_all(browser: Browser) -> None:
    browser.open(network())
    browser.click("#fold")
    assert len(browser.items()) == 5
    browser.click_item("b0")  # what is in it stays folded
    assert len(browser.items()) == 8
    browser.click("#unfold")
    assert len(browser.items()) == 32


def test_edges_between_folded_modules_are_merged(browser: Browser) -> None:
    graph = Graph()
    boxes = [graph.box("one", folded=True), graph.box("two", folded=True)]
    first = [graph.node("w", box=boxes[0]) for _ in range(5)]
    second = [graph.node("tanh", x, box=boxes[1]) for x in first]
    browser.open(graph.data | {"outputs": second})
    assert browser.run("document.querySelectorAll('#edges path').length") == 1


def test_selecting_shows_a_node_and_lights_its_way_to_the_loss(browser: Browser) -> None:
    browser.open(square())
    browser.click_item("n2")
    details = browser.text("#details")
    for text in ["multiply", "train.py:31", "product", "float64", "-6", "by x", "g * 1", "Inputs", "Used by"]:
        assert text in details
    assert browser.having("selected") == {"n2"}
    assert browser.having("lit") == {"n2", "n4", "n5"}
    assert browser.run("document.querySelectorAll('#edges path.lit').length") == 3  # out of the box, and on
    assert browser.run("getComputedStyle(document.querySelector('[data-key=n3]')).opacity") == "0.45"
    browser.click(".links:last-child button")  # to its consumer
    assert browser.having("selected") == {"n4"}
    browser.press(ESCAPE)
    assert browser.having("selected") == set()
    assert not browser.find("#panel").is_displayed()


def test_a_large_array_is_a_heat_map_and_a_histogram(browser: Browser) -> None:
    graph = Graph()
    x = graph.node("x")
    graph.data["nodes"][x]["value"] = graph.large(128, 784)
    browser.open(graph.data | {"outputs": [x]})
    assert "rms 12.5" in browser.run("document.querySelector('[data-key=n0]').textContent")
    browser.click_item("n0")
    details = browser.text("#details")
    for text in ["-24\n", "36", "32 × 32 of 128 × 784", "-36.8", "36.8"]:
        assert text in details
    pixels = browser.run(
        "[...document.querySelector('canvas').getContext('2d').getImageData(0, 0, 32, 32).data]"
    )
    colors = [pixels[start : start + 4] for start in (4 * 31, 4 * (32 * 16 + 8), 4 * (32 * 31 + 31))]
    assert colors[0][2] > colors[0][0]  # negative: blue
    assert colors[1] == [255, 255, 255, 255]  # zero
    assert colors[2][0] > colors[2][2]  # positive: orange
    assert browser.find(".bars").is_displayed()


@pytest.mark.parametrize(
    ("values", "dtype", "text"),
    [
        ([1.0, 2.5, -3.0], "float64", "[1, 2.5, -3]"),
        ([123456, 7], "int64", "[123456, 7]"),
        (list(range(10)), "int64", "0 to 9"),
        ([[1.0, 2.0]], "float64", "rms 1.581"),
        ([1, 0], "bool", "[True, False]"),
        ([1, 0, 1, 1], "bool", ""),
        (1, "bool", "True"),
        (["nan", 1.0], "float32", "[nan, 1]"),
        (["1+2j"], "complex128", "1+2j"),
        (["nan"] * 5, "float32", "not finite"),
        ([], "float32", ""),
    ],
)
def test_small_arrays_show_their_numbers(browser: Browser, values: Any, dtype: str, text: str) -> None:
    graph = Graph()
    x = graph.node("x")
    graph.data["nodes"][x]["value"] = graph.array(values, dtype=dtype)
    browser.open(graph.data | {"outputs": [x]})
    cells = browser.run(
        "[...document.querySelectorAll('[data-key=n0] text.value')].map(it => it.textContent)"
    )
    assert cells == ([text] if text else [])


def test_hovering_tells_the_statistics(browser: Browser) -> None:
    from selenium.webdriver import ActionChains

    graph = Graph()
    x = graph.node("x", value=[1.0, 2.0, 6.0])
    browser.open(graph.data | {"outputs": [x]})
    ActionChains(browser.driver).move_to_element(browser.find("[data-key=n0] > rect")).perform()
    assert "value min 1, mean 3, max 6" in browser.text("#tip")
    assert "(3,) float64 · 8 B" in browser.text("#tip")


def test_search_finds_names_and_ops_also_in_folded_modules(browser: Browser) -> None:
    browser.open(network(folded=True))
    browser.press("/")
    browser.press("LINEAR")
    assert browser.text("#found") == "12 found"  # six boxes and six ops
    assert browser.having("match") == {"b0", "b3", "b6"}
    for _ in range(7):
        browser.press(ENTER)
    assert browser.text("#found") == "7 of 12"
    assert browser.having("selected") == {"n3"}
    browser.press(ESCAPE)
    assert browser.having("match") == set()
    assert browser.run("document.querySelector('#query').value") == ""


def steps_of(browser: Browser) -> list[str]:
    return [browser.text("#where"), browser.text("#details")]


def test_steps_forward_and_back_by_buttons(browser: Browser) -> None:
    browser.open(square())
    assert browser.text("#where") == "Step through backpropagation: 3 steps"
    browser.click("#forward")
    where, details = steps_of(browser)
    assert where == "step 1 of 3"
    assert "multiply: the gradient arriving is 1," in details
    assert details.count("1 × 4 = 4") == 2
    assert "Total so far: 4 + 4 = 8" in details
    assert browser.having("current") == {"n5"}
    assert "grad 8" in browser.text("[data-key=n4]")
    assert "grad ·" in browser.text("[data-key=n2]")
    browser.click("#last")
    where, details = steps_of(browser)
    assert where == "step 3 of 3"
    assert "8 × (-3) = -24" in details
    assert "8 × 2 = 16" in details
    assert browser.run("document.querySelectorAll('#edges path:not(.flowed)').length") == 0
    browser.click("#back")
    assert steps_of(browser)[0] == "step 2 of 3"
    assert browser.having("current") == {"n4"}
    assert "grad ·" in browser.text("[data-key=n0]")
    browser.click("#first")
    assert "by itself is 1" in steps_of(browser)[1]
    assert browser.run("document.querySelectorAll('#edges path.flowed').length") == 0
    browser.click("#leave")
    assert "grad -24" in browser.text("[data-key=n0]")


def test_steps_by_keys(browser: Browser) -> None:
    browser.open(square())
    walked = []
    for key in [RIGHT, RIGHT, LEFT, END, RIGHT, HOME, LEFT]:
        browser.press(key)
        walked.append(browser.text("#where"))
    assert walked == [f"step {number} of 3" for number in [1, 2, 1, 3, 3, 0, 0]]
    browser.press(ESCAPE)
    assert browser.text("#where") == "Step through backpropagation: 3 steps"
    assert not browser.find("#panel").is_displayed()


def test_steps_of_vectors_show_jacobians_and_totals(browser: Browser) -> None:
    graph = Graph()
    x = graph.node("x", value=[1, 2, 3], grad=[9, 12, 15])
    y = graph.node("matmul", x, value=[1, 2], grad=[1, 2])
    z = graph.node("sum", y, x, value=5, grad=1, kind="output")
    graph.step(z, 1, (y, [1, 2], [1, 2]), (x, [0, 0, 0], [0, 0, 0]))
    graph.step(y, [1, 2], (x, [[1, 2, 3], [4, 5, 6]], [9, 12, 15]))
    browser.open(graph.data | {"outputs": [z]})
    browser.press(END)
    details = browser.text("#details")
    assert "the gradient arriving is of shape (2,)" in details
    assert "local derivative, a Jacobian (2, 3)\n1 2 3\n4 5 6" in details
    assert "Total so far, with what has arrived before:\n9 12 15" in details


def test_gradients_that_were_not_kept_are_those_of_the_steps(browser: Browser) -> None:
    data = square()
    for node in data["nodes"]:
        node["grad"] = None
    browser.open(data)
    assert ["grad" in browser.text(f"[data-key=n{n}]") for n in range(6)] == [True] * 6
    assert "grad 16" in browser.text("[data-key=n1]")
    browser.click_item("n4")
    assert "Gradient\n8" in browser.text("#details")


def test_without_steps_the_page_says_why(browser: Browser) -> None:
    browser.open(network() | {"no_steps": "The gradient graph is drawn, and not walked."})
    browser.press(RIGHT)
    assert browser.text("#where") == "The gradient graph is drawn, and not walked."


def test_the_keyboard_alone_reaches_everything(browser: Browser) -> None:
    browser.open(square())
    for _ in range(10):
        browser.press(TAB)
        if browser.focus():
            break
    assert browser.focus() == "n0"
    browser.press(DOWN)
    assert browser.focus() == "n2"
    browser.press(DOWN, DOWN)
    assert browser.focus() == "n5"
    browser.press(UP, LEFT)
    assert browser.focus() != "n4"
    browser.press(ENTER)
    assert browser.find("#panel").is_displayed()
    browser.press(ESCAPE)
    browser.run("document.querySelector('[data-key=b0]').focus()")
    browser.press(ENTER)
    assert browser.focus() == "b0"  # folded, and still there
    assert "n0" not in browser.items()
    assert browser.run("document.activeElement.getAttribute('aria-expanded')") == "false"
    browser.press("?")
    assert browser.find("#help").is_displayed()
    browser.press(ESCAPE)
    assert not browser.find("#help").is_displayed()


def test_hostile_names_are_shown_and_harmless(browser: Browser) -> None:
    graph = Graph(title=HOSTILE[0], caption=HOSTILE[2])
    box = graph.box(HOSTILE[0])
    numbers = [graph.node(name, box=box, lines=[name], made=name) for name in HOSTILE]
    output = graph.node(HOSTILE[0], *numbers, kind="failed", error=HOSTILE[2])
    browser.open(graph.data | {"outputs": [output]})
    assert browser.run("window.broken ?? null") is None
    assert browser.run("document.querySelectorAll('b, img').length") == 0
    assert browser.text("#title") == HOSTILE[0]
    titles = browser.items()
    assert titles["n0"] == HOSTILE[0][:35] + "…"
    assert titles["n5"] == HOSTILE[5]
    assert titles["n7"] == "unnamed"
    assert browser.overlaps() == []
    for number in [*range(len(HOSTILE)), 4]:
        event = "new MouseEvent('click', {bubbles: true})"
        browser.run(f"document.querySelector(`[data-key=n${{arguments[0]}}]`).dispatchEvent({event})", number)
    assert browser.text("#details h2") == "x" * 3000  # in full


def test_values_that_are_no_numbers_are_written(browser: Browser) -> None:
    graph = Graph()
    odd = [["nan", "inf"], ["-inf", 1.5]]
    numbers = [graph.node("x", value=value) for value in ("nan", "-inf", "1+2j", [], [[], []], odd)]
    graph.step(
        numbers[0], "nan", (numbers[1], "inf", "nan"), (numbers[1], "inf", "nan"), (numbers[3], None, [])
    )
    browser.open(graph.data | {"outputs": numbers})
    for number, text in zip(
        numbers, ["nan", "-inf", "1+2j", "empty", "empty", "3 of its elements"], strict=True
    ):
        browser.click_item(f"n{number}")
        assert text in browser.text("#details")
    browser.press(ESCAPE)
    browser.click("#last")
    assert "nan × inf = nan" in browser.text("#details")
    assert "Total so far: nan + nan = nan" in browser.text("#details")


def test_a_number_that_is_not_finite_shows_beside_those_that_are(browser: Browser) -> None:
    graph = Graph()
    graph.node("x", value=[["nan", 3], [4, "inf"]], grad=[["nan", 1], [1, 1]])
    browser.open(graph.data | {"outputs": [0]})
    text = browser.run("document.querySelector('[data-key=n0]').textContent")
    assert "rms 3.536, 2 not finite" in text
    assert "grad rms 1, 1 not finite" in text


def test_an_op_that_failed_says_why_where_it_stands(browser: Browser) -> None:
    graph = Graph()
    error = "matmul: shapes (3,4) and (3,2) " + "are not aligned " * 40
    x = graph.node("x")
    graph.node("matmul", x, kind="failed", value=None, error=error)
    graph.data["nodes"][1]["value"] = None
    browser.open(graph.data | {"outputs": [1]})
    lines = browser.run("[...document.querySelectorAll('[data-key=n1] text.small')].map(t => t.textContent)")
    assert len(lines) == 6
    assert lines[0].startswith("matmul: shapes (3,4) and")
    assert lines[-1].endswith(" …")
    assert all(len(line) <= 44 for line in lines)
    assert browser.overlaps() == []


def test_rules_of_complex_numbers_tell_of_the_conjugates(browser: Browser) -> None:
    z = Tensor(np.array([1 + 2j]), requires_grad=True, name="z")
    browser.open(data_of(np.sum(np.abs(np.exp(z)) ** 2)))
    browser.press(RIGHT)
    assert "conjugate" not in browser.text("#details")
    browser.press(END)
    assert "g: the conjugate of the gradient arriving" in browser.text("#details")


def test_a_large_graph_opens_at_its_inputs_though_gradients_have_older_leaves(browser: Browser) -> None:
    graph = Graph()
    data = graph.node("data", kind="gradient", op=None)
    x = graph.node("x")
    loss = graph.chain(x, 60)
    g = graph.node("seed", kind="gradient", op=None)
    for _ in range(60):
        g = graph.node("multiply", g, data, kind="gradient")
    browser.open(graph.data | {"outputs": [loss]})
    _, top, _, bottom = browser.place(f"n{x}")
    assert 0 < top < bottom < 300


def test_an_empty_graph_says_so(browser: Browser) -> None:
    browser.open(Graph().data)
    browser.press(RIGHT, LEFT, HOME, "0")
    browser.press("/")
    browser.press("x", ENTER)
    assert browser.text("#empty") == "There is nothing in this graph."


def test_disconnected_outputs_stand_apart(browser: Browser) -> None:
    graph = Graph()
    outputs = [graph.chain(graph.node(f"x{number}"), 3) for number in range(5)]
    browser.open(graph.data | {"outputs": outputs})
    assert browser.overlaps() == []
    assert len(browser.items()) == 20


def test_boxes_that_feed_each_other_are_drawn(browser: Browser) -> None:
    graph = Graph()
    boxes = [graph.box("forward"), graph.box("backward")]
    last = graph.node("x")
    for number in range(6):
        last = graph.node("tanh", last, box=boxes[number % 2])
    browser.open(graph.data | {"outputs": [last]})
    assert browser.overlaps() == []
    browser.click("#fold")
    assert len(browser.items()) == 3


def dark(browser: Browser, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_light_and_dark(browser: Browser, scheme: str) -> None:
    graph = Graph()
    kinds = ["parameter", "data", "op", "output", "constant", "gradient", "failed"]
    for kind in kinds:
        graph.node(kind, kind=kind, grad=1.0, lines=["line"])
    graph.node("folded", box=graph.box("module", folded=True))
    browser.open(graph.data)
    dark(browser, scheme)
    colors = "[text, text.parentNode.querySelector('rect:last-of-type')].map(it => getComputedStyle(it).fill)"
    script = f"[...document.querySelectorAll('.item text')].map(text => [...{colors}, text.textContent])"
    for foreground, background, text in browser.run(script):
        assert contrast(foreground, background) >= 4.5, (text, foreground, background)
    page_color = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (luminance(page_color) < 0.1) == (scheme == "dark")


def luminance(color: str) -> float:
    """Return the relative luminance of WCAG 2 of a colour like rgb(1, 2, 3)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def doublings(graph: Graph) -> int:
    x = graph.node("x")
    for _ in range(17):
        x = graph.node("add", x, x)
    return x


@pytest.mark.parametrize(
    ("build", "nodes", "lines"),
    [
        (lambda graph: graph.chain(graph.node("x"), 999, graph.node("w")), 1001, None),
        (lambda graph: graph.chain(graph.node("x"), 3000), 3001, 3000),
        (doublings, 18, 17),
    ],
    ids=["one leaf used a thousand times", "a chain of 3,000", "doublings"],
)
def test_large_graphs_work(
    browser: Browser, build: Callable[[Graph], int], nodes: int, lines: int | None
) -> None:
    graph = Graph()
    output = build(graph)
    browser.open(graph.data | {"outputs": [output]})
    timing = browser.run("performance.getEntriesByType('navigation')[0].loadEventEnd")
    print(f"{nodes} nodes loaded in {timing:.0f} ms")
    assert len(browser.items()) == nodes
    assert lines is None or browser.run("document.querySelectorAll('#edges path').length") == lines
    browser.click_item("n0")
    assert len(browser.having("lit")) >= nodes - 1
    browser.press("0")
    assert browser.place("n0")[1] > 0


def test_dragging_and_wheeling_move_the_picture_and_select_nothing(browser: Browser) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    browser.open(square())
    before = browser.place("n4")
    node = browser.find("[data-key=n4] > rect")
    ActionChains(browser.driver).drag_and_drop_by_offset(node, 60, 30).perform()
    moved = browser.place("n4")
    assert [moved[0] - before[0], moved[1] - before[1]] == pytest.approx([60, 30], abs=1)
    assert browser.having("selected") == set()
    middle = [(moved[0] + moved[2]) / 2, (moved[1] + moved[3]) / 2]
    ActionChains(browser.driver).scroll_from_origin(ScrollOrigin.from_element(node), 0, -200).perform()
    zoomed = browser.place("n4")
    assert zoomed[2] - zoomed[0] > 1.2 * (moved[2] - moved[0])
    assert [(zoomed[0] + zoomed[2]) / 2, (zoomed[1] + zoomed[3]) / 2] == pytest.approx(middle, abs=2)

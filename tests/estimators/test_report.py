"""The report in a real browser: it renders, complains of nothing, and its controls give Python's numbers."""

import re

import numpy as np
import pandas as pd
import pytest

import estimators as est
from estimators.analysis import analyze
from estimators.output import write_analysis
from estimators.policy import advice, faking_game, policy_plane
from estimators.shares import PreferenceLaw
from stackelberg.faking import envelope
from stackelberg.report.page import SECTIONS, page
from stackelberg.report.table import table, text

WIDE, PHONE = 1100, 380


@pytest.fixture(scope="module")
def analysed(tmp_path_factory):
    """Two models of the shipped counts, one with an incentive and one without, and one whose prompts are all alike."""
    counts = est.datasets.load_vlaf()
    own = [counts.frame[counts.frame["model"] == name] for name in ("Qwen2.5-7B", "Qwen3-8B")]
    even = own[0].assign(model="even", complied=np.random.default_rng(0).binomial(own[0]["n"], 0.4))
    few = est.Observations.from_frame(
        pd.concat([*own, even], ignore_index=True),
        orientation=counts.orientation,
        safety=counts.safety,
    )
    analysis = analyze(few, by=["model"], bootstrap=19, draws=10)
    directory = tmp_path_factory.mktemp("report")
    write_analysis(analysis, directory, "two models")
    return analysis, directory / "report.html"


def test_the_page_needs_no_network_and_escapes_what_it_is_told(analysed):
    analysis, path = analysed
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)
    assert "default-src 'none'" in text
    write_analysis(analysis, path.parent / "hostile", "</script><script>alert(1)</script>")
    hostile = (path.parent / "hostile" / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in hostile


def test_a_table_names_what_is_missing(analysed):
    analysis, _ = analysed
    with pytest.raises(KeyError, match="nothing"):
        table("say", "Gaps", ["a"], analysis.gaps.head(1), {"gap": "nothing"})
    astray = table("nowhere", "Gaps", ["a"], analysis.gaps.head(1), {"gap": ("gap", "low", "high")})
    with pytest.raises(KeyError, match="Gaps: the page has no section 'nowhere'"):
        page({}, [], [astray], "", [], [], {})


def resize(driver, width):
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
    )


@pytest.fixture
def opened(driver, analysed):
    resize(driver, WIDE)
    driver.get(analysed[1].as_uri())
    return driver


def set_control(driver, name, value):
    driver.execute_script(
        "const c = document.getElementById(arguments[0]); c.value = arguments[1];"
        "c.dispatchEvent(new Event('input', {bubbles: true}));",
        name,
        str(value),
    )


def shown(driver, name):
    text = driver.execute_script("return document.getElementById(arguments[0]).dataset.value", name)
    return float(text) if text else np.nan


def test_it_renders_without_a_complaint(opened):
    assert opened.title == "When does it fake? two models"
    assert opened.get_log("browser") == []
    broken = "return [...document.images].filter(i => !i.complete || i.naturalWidth === 0).length"
    assert opened.execute_script(broken) == 0
    assert opened.execute_script("return document.images.length") == 5
    ids = opened.execute_script("return [...document.querySelectorAll('h2')].map(h => h.id)")
    links = "return [...document.querySelectorAll('nav a')].map(a => a.hash.slice(1))"
    assert ids == list(SECTIONS) == opened.execute_script(links)


def rows_of(driver, caption):
    """Text of a table's rows, the head first."""
    return driver.execute_script(
        """
        const table = [...document.querySelectorAll('table')].find(t => t.caption.textContent === arguments[0]);
        return [...table.rows].map(row => [...row.cells].map(cell => cell.textContent));
        """,
        caption,
    )


def test_it_compares_groups_with_q_values(opened, analysed):
    found = analysed[0].comparisons
    head, *rows = rows_of(opened, "Differences of gaps")
    assert head[-3:] == ["p", "q", "test"]
    assert [row[0] for row in rows] == [f"{a} and {b}" for a, b in zip(found["first"], found["second"])]
    assert [row[-2] for row in rows] == [text(q) for q in found["q_value"]]
    models = found[found["over"] == "model"]
    words = f"{(models['q_value'] <= 0.05).sum()} of {len(models)} pairs by model"
    assert words in opened.execute_script("return document.body.textContent")


def test_it_says_at_which_level_types_live_and_what_fracture_is_left_open(opened, analysed):
    analysis = analysed[0]
    _, *rows = rows_of(opened, "At which level types live")
    assert [row[1] for row in rows] == analysis.diagnostics["level"].tolist()
    assert [row[-1] for row in rows] == analysis.diagnostics["reason"].tolist()
    _, *rows = rows_of(opened, "Fracture at τ = 0.5")
    bounds = [
        f"{low:.3f} to {high:.3f}" for low, high in analysis.fracture[["bound_low", "bound_high"]].to_numpy()
    ]
    assert [row[3] for row in rows] == bounds
    _, *rows = rows_of(opened, "Averaged over the ratio of costs")
    assert len(rows) == len(analysis.gaps)


def test_shares_are_told_only_where_there_is_an_incentive(opened, analysed):
    head, *rows = rows_of(opened, "What being told of monitoring does")
    verdict, share = head.index("verdict"), head.index("faking share")
    assert [row[verdict] for row in rows] == analysed[0].selection["verdict"].tolist()
    untold = [row[share] in ("not reported", "refused") for row in rows]
    assert untold == [row[verdict] == "no incentive detected" for row in rows]
    assert 0 < sum(untold) < len(rows)


def test_where_prompts_are_alike_shares_of_them_are_refused(opened, analysed):
    analysis = analysed[0]
    group = analysis.gaps["model"].tolist().index("even")
    assert analysis.diagnostics["level"].iloc[group] == "sample"
    set_control(opened, "group", group)
    assert np.isnan(shown(opened, "faking"))
    caution = opened.execute_script("return document.getElementById('caution').textContent")
    assert caution.startswith("Shares of prompts are refused: no types of prompts")
    head, *rows = rows_of(opened, "What being told of monitoring does")
    assert rows[group][head.index("faking share")] == "refused"


def test_a_further_evaluation_is_planned_once_a_quantity(opened, analysed):
    _, *rows = rows_of(opened, "Prompts and samples for a wanted width")
    keys = [tuple(row[:2]) for row in rows]
    assert len(set(keys)) == len(keys) == 3 * len(analysed[0].gaps)
    assert {"gap", "incentive δ", "faking share"} == {quantity for _, quantity in keys}


def test_every_table_is_tidy(opened, analysed):
    """One head, as many cells in each row, and every commitment with its certificate."""
    sizes = opened.execute_script(
        "return [...document.querySelectorAll('table')].map(t => [...t.rows].map(r => r.cells.length))"
    )
    assert len(sizes) > 10
    assert all(len(set(widths)) == 1 and len(widths) > 1 for widths in sizes)
    head, *rows = rows_of(opened, "Commitments")
    certificates = [row[head.index("certificate")] for row in rows]
    assert certificates == analysed[0].commitments["certificate"].tolist()


@pytest.mark.parametrize("group", [0, 1])
@pytest.mark.parametrize(
    ("q", "iota", "ratio"), [(0.2, 1.0, 0.1), (0.37, 0.55, 0.8), (1.0, 1.0, 1.9), (0.05, 0.0, 0.0)]
)
def test_the_controls_compute_what_python_computes(opened, analysed, group, q, iota, ratio):
    analysis, _ = analysed
    for name, value in (("group", group), ("monitoring", q), ("informativeness", iota), ("ratio", ratio)):
        set_control(opened, name, value)
    label = analysis.gaps["model"].iloc[group]
    rows = analysis.law[analysis.law["model"] == label]
    law = PreferenceLaw(
        rows["mu"].iloc[0],
        rows["sigma"].iloc[0],
        rows["incentive"].to_numpy(),
        rows["share"].to_numpy(),
        rows["preference"].iloc[0],
        rows["ratio"].iloc[0],
    )
    predicted = policy_plane(law, [q], [iota]).iloc[0]
    for name, column in (
        ("belief-train", "belief_train"),
        ("belief-deploy", "belief_deploy"),
        ("rate-train", "train_rate"),
        ("rate-deploy", "deploy_rate"),
        ("faking", "faking_share"),
    ):
        assert shown(opened, name) == pytest.approx(predicted[column], abs=1e-9, nan_ok=True), name
    changed = analysis.assumptions.changed("monitoring_cost", ratio * analysis.assumptions.costs.deploy_harm)
    monitoring, value = advice(law, changed)
    assert shown(opened, "advice-monitoring") == pytest.approx(monitoring, abs=1e-9)
    assert shown(opened, "advice-value") == pytest.approx(value, abs=1e-9)
    game = faking_game(law, changed)
    bends = envelope.knots(game)
    heights = envelope.belief_value(game, bends)
    hull = envelope.concave_hull(bends, heights)
    own = np.interp(q, bends[hull], heights[hull]) - changed.costs.monitoring_cost * q
    assert shown(opened, "own-value") == pytest.approx(own, abs=1e-9)
    cautious = opened.execute_script("return document.getElementById('caution').textContent") != ""
    assert cautious == (analysis.selection["verdict"].iloc[group] == "no incentive detected")


def test_it_is_legible_at_phone_width(opened):
    resize(opened, PHONE)
    width = opened.execute_script("return document.documentElement.scrollWidth")
    assert width <= PHONE  # tables scroll inside their own boxes
    size = "return parseFloat(getComputedStyle(document.querySelector('p')).fontSize)"
    assert opened.execute_script(size) >= 14
    cells = "[...document.querySelectorAll('td, th')]"
    small = f"return Math.min(...{cells}.map(c => parseFloat(getComputedStyle(c).fontSize)))"
    assert opened.execute_script(small) >= 14
    labels = (
        "[...document.querySelectorAll('tbody th')].map(c => c.offsetWidth / c.closest('.wide').clientWidth)"
    )
    assert opened.execute_script(f"return Math.max(...{labels})") < 0.5  # they stay while the rest scrolls
    # A figure keeps at least half of its pixels, at which its smallest words are 8 pixels high, and scrolls.
    shown = "return [...document.images].map(i => i.clientWidth / i.naturalWidth)"
    assert min(opened.execute_script(shown)) > 0.49
    boxes = "[...document.querySelectorAll('.wide')].filter(b => b.scrollWidth > b.clientWidth)"
    assert opened.execute_script(f"return {boxes}.length") > 5
    assert opened.execute_script(f"return {boxes}.every(b => b.tabIndex === 0)")  # arrow keys scroll them


def test_it_works_from_the_keyboard(opened):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    reached = []
    for _ in range(90):
        ActionChains(opened).send_keys(Keys.TAB).perform()
        reached.append(opened.execute_script("return document.activeElement.id"))
        if "ratio" in reached:
            break
    assert [name for name in reached if name in ("group", "monitoring", "informativeness", "ratio")] == [
        "group",
        "monitoring",
        "informativeness",
        "ratio",
    ]
    before = shown(opened, "advice-value"), opened.execute_script("return document.activeElement.value")
    ActionChains(opened).send_keys(Keys.ARROW_RIGHT).perform()
    assert float(opened.execute_script("return document.activeElement.value")) > float(before[1])
    assert shown(opened, "advice-value") < before[0]  # monitoring became dearer
    labels = "return [...document.querySelectorAll('input, select')].every(c => c.labels.length > 0)"
    assert opened.execute_script(labels)


def test_it_prints_on_paper(opened):
    import base64

    printed = opened.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69})
    pdf = base64.b64decode(printed["data"])
    assert pdf.startswith(b"%PDF")
    assert 5 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 20
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    hidden = "return getComputedStyle(document.getElementById('controls')).display"
    state = "return getComputedStyle(document.getElementById('state')).display"
    wide = "return [...document.querySelectorAll('.wide')].every(box => getComputedStyle(box).overflowX === 'visible')"
    try:
        assert opened.execute_script(hidden) == "none"
        assert opened.execute_script(wide)
        assert (
            opened.execute_script(state) == "block"
        )  # what the numbers hold for, since the controls are gone
        text_of = "return document.getElementById('state').textContent"
        assert opened.execute_script(text_of).startswith("For Qwen3-8B: monitoring share 0.20")
        whole = (
            "return [...document.querySelectorAll('.long')].every(b => b.scrollHeight <= b.clientHeight + 1)"
        )
        assert opened.execute_script(whole)
    finally:
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert opened.execute_script(state) == "none"

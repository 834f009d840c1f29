"""The html report in a real headless Chromium: it filters, it is quiet, it runs nothing foreign."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mapper.model.results import FileResult, FileStatus, Run
from mapper.report import render
from tests.report.sample import GUESS_NEW, HOSTILE, sample

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("default")]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("chromium and chromedriver are not installed")
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(executable_path=DRIVER)
    )
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Iterator[Callable[[Run], Any]]:
    def show(run: Run) -> Any:
        path = tmp_path / "report.html"
        path.write_text(render("html", run), "utf-8")
        browser.get(path.as_uri())
        return browser

    yield show
    assert browser.get_log("browser") == []


def find(page: Any, selector: str) -> list[Any]:
    found: list[Any] = page.find_elements("css selector", selector)
    return found


def shown(page: Any) -> str:
    time.sleep(0.25)  # typing is waited for 100 ms
    return str(find(page, "#shown")[0].text)


def test_the_page_opens_with_every_site(page: Callable[[Run], Any]) -> None:
    opened = page(sample())
    assert find(opened, "h1")[0].text == "4 of 10 torch convolutions migrated"
    assert shown(opened) == "10 sites"
    assert len(find(opened, "details.site")) == 10
    assert [tile.text.split("\n")[0] for tile in find(opened, ".tile b")] == list("41131")


def test_what_needs_a_person_is_open_from_the_start(page: Callable[[Run], Any]) -> None:
    opened = find(page(sample()), "details[open]")
    assert len(opened) == 4
    assert all({"manual", "unsafe"} & set(card.get_attribute("class").split()) for card in opened)


def test_filter_by_status_rule_file_and_text(page: Callable[[Run], Any]) -> None:
    opened = page(sample())
    tile = find(opened, ".tile.manual")[0]
    tile.click()
    assert tile.get_attribute("aria-pressed") == "true"
    assert shown(opened) == "3 of 10 sites"
    find(opened, ".tile.unsafe")[0].click()
    assert shown(opened) == "4 of 10 sites"
    find(opened, "#reset")[0].click()
    assert shown(opened) == "10 sites"
    find(opened, "#rule option[value=TM101]")[0].click()
    assert shown(opened) == "2 of 10 sites"
    find(opened, "#file option[value='0']")[0].click()
    assert shown(opened) == "0 of 10 sites"
    assert "No site matches" in find(opened, "#sites")[0].text
    find(opened, "#reset")[0].click()
    find(opened, "#file option[value='0']")[0].click()
    assert shown(opened) == "6 of 10 sites"
    find(opened, "#query")[0].send_keys("LAZYconv")
    assert shown(opened) == "1 of 10 sites"


def test_a_site_shows_both_sides_its_proof_and_its_assumptions(page: Callable[[Run], Any]) -> None:
    card = find(page(sample()), "details.unsafe")[0]
    assert card.find_element("css selector", "figure.new pre").text == GUESS_NEW
    marks = [mark.text.strip(", ") for mark in card.find_elements("css selector", "ins")]
    assert marks == ["ms_nn", "pad_mode='pad'", "has_bias=True"]
    text = card.text
    for words in ("sampled, 6 cases", "(2, 64, 9, 9)", "Largest error", "is an int, not 'same'"):
        assert words in text
    assert "not written" in text


def test_bodies_and_diffs_are_built_when_they_are_opened(page: Callable[[Run], Any]) -> None:
    opened = page(sample())
    assert not find(opened, ".diff")
    assert len(find(opened, ".body")) == 4
    find(opened, "details.migrated summary")[0].click()
    time.sleep(0.1)
    assert len(find(opened, ".body")) == 5
    button = find(opened, ".filebar button")[0]
    button.click()
    assert button.get_attribute("aria-expanded") == "true"
    assert len(find(opened, ".diff")) == 1
    assert find(opened, ".diff ins")[0].text == "ms_nn"
    button.click()
    assert not find(opened, ".diff")[0].is_displayed()


def test_hostile_source_is_shown_and_never_run(page: Callable[[Run], Any]) -> None:
    run = sample()
    evil = "<img src=x onerror=\"document.title='owned'\">" + HOSTILE
    sites = tuple(
        replace(site, before=evil, after=evil, message=evil, rule=evil, api=evil)
        for site in run.files[0].sites
    )
    file = replace(
        run.files[0], path=evil, sites=sites, message=evil, before=evil, after="x" + evil
    )
    opened = page(Run((file, *run.files), mindspore="2.10</script><b>"))
    find(opened, "#unfold")[0].click()
    for button in find(opened, ".filebar button"):
        opened.execute_script("arguments[0].click()", button)
    time.sleep(0.3)
    assert "owned" not in opened.title
    assert not find(opened, "img, b b, #sites b, #sites script")
    assert len(find(opened, "script")) == 2
    body = opened.execute_script("return document.body.textContent")
    assert "onerror=" in body
    seen = opened.execute_script("return document.getElementById('sites').innerText")
    assert not {"\x1b", "\u202e", "\r"} & set(seen)


def test_keys_search_and_walk(page: Callable[[Run], Any]) -> None:
    keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
    opened = page(sample())
    find(opened, "body")[0].send_keys("/")
    assert opened.switch_to.active_element.get_attribute("id") == "query"
    summaries = find(opened, "summary")
    opened.execute_script("arguments[0].focus()", summaries[0])
    opened.switch_to.active_element.send_keys(keys.ARROW_DOWN)
    assert opened.switch_to.active_element == summaries[1]
    opened.switch_to.active_element.send_keys(keys.ENTER)
    assert opened.execute_script("return arguments[0].parentElement.open", summaries[1])


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 1920])
def test_no_width_scrolls_sideways(width: int, page: Callable[[Run], Any]) -> None:
    opened = page(sample())
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    find(opened, "#unfold")[0].click()
    opened.execute_script("document.querySelectorAll('.filebar button').forEach(b => b.click())")
    scroll = opened.execute_script("return document.documentElement.scrollWidth")
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert scroll <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(scheme: str, page: Callable[[Run], Any]) -> None:
    opened = page(sample())
    feature = {"name": "prefers-color-scheme", "value": scheme}
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    find(opened, "#unfold")[0].click()
    time.sleep(0.3)  # colours glide
    faint = opened.execute_script(CONTRAST)
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert faint == []


CONTRAST = """
const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= .03928 ? v / 12.92
  : ((v + .055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
const ground = (node) => { for (; node; node = node.parentElement) {
  const color = parse(getComputedStyle(node).backgroundColor);
  if (color.length === 3) return color; } return [255, 255, 255]; };
return [...document.querySelectorAll("main *, header *, footer *")].filter((node) => {
  if (![...node.childNodes].some((c) => c.nodeType === 3 && c.data.trim())) return false;
  if (node.disabled || node.closest(":disabled, .filters, noscript")) return false;
  const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))];
  return (Math.max(a, b) + .05) / (Math.min(a, b) + .05) < 4.5;
}).map((node) => node.outerHTML.slice(0, 90));
"""


def test_every_control_has_a_name(page: Callable[[Run], Any]) -> None:
    opened = page(sample())
    tree = opened.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    controls = {"button", "combobox", "searchbox", "textbox", "group", "region", "table"}
    shown = [node for node in tree if not node.get("ignored")]
    found = [node for node in shown if node["role"]["value"] in controls]
    assert {"combobox", "searchbox"} & {node["role"]["value"] for node in found}
    for node in found:
        assert node.get("name", {}).get("value") or node["role"]["value"] == "group", node


def test_nothing_is_asked_of_the_network(page: Callable[[Run], Any]) -> None:
    opened = page(sample())
    opened.get_log("performance")
    opened.refresh()
    time.sleep(0.3)
    asked = [
        entry["message"]
        for entry in opened.get_log("performance")
        if '"Network.requestWillBeSent"' in entry["message"]
    ]
    assert asked
    assert all('"url":"file://' in message for message in asked)


def test_on_paper_everything_is_unfolded(page: Callable[[Run], Any]) -> None:
    opened = page(sample())
    opened.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert len(find(opened, "details[open]")) == 10
    assert opened.execute_cdp_cmd("Page.printToPDF", {})["data"]


def test_five_thousand_sites_stay_quick(page: Callable[[Run], Any]) -> None:
    one = sample().files[0]
    files = tuple(
        replace(one, path=f"models/m{index:03}.py", sites=one.sites * 5) for index in range(167)
    )
    start = time.perf_counter()
    opened = page(Run(files, mindspore="2.10"))
    assert shown(opened) == "5010 sites"
    assert time.perf_counter() - start < 5
    assert len(find(opened, "details.site")) < 500
    typed = "document.getElementById('query').value = 'm16'; const t = performance.now();"
    submit = "document.getElementById('filters').requestSubmit(); return performance.now() - t;"
    assert opened.execute_script(typed + submit) < 500
    assert shown(opened) == "210 of 5010 sites"
    find(opened, "#reset")[0].click()
    shown(opened)
    opened.execute_script("scrollTo(0, document.body.scrollHeight)")
    time.sleep(0.5)
    assert 100 < len(find(opened, "details.site")) <= 5010


def test_a_run_without_sites_says_so(page: Callable[[Run], Any]) -> None:
    failed = FileResult("a.py", FileStatus.FAILED, message="line 1: no")
    opened = page(Run((failed,), mindspore="2.10"))
    assert find(opened, "h1")[0].text == "No torch references found"
    assert "line 1: no" in find(opened, "#sites")[0].text

"""The tour in a real browser: what a visitor does on the first day."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as until
from selenium.webdriver.support.wait import WebDriverWait

from tests.tour_site import running_tour

# Headless, and without anything that asks for the network.
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1000",
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_tour(tmp_path_factory.mktemp("site")) as address:
        yield address


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = Service(os.environ.get("CHROMEDRIVER", "/usr/bin/chromedriver"))
    browser = webdriver.Chrome(options=options, service=service)
    browser.set_page_load_timeout(60)
    yield browser
    browser.quit()


@pytest.fixture(autouse=True)
def no_complaints(browser: webdriver.Chrome) -> Iterator[None]:
    """The browser found nothing wrong with any page: no script failed, nothing was missing."""
    yield
    complaints = [entry["message"] for entry in _log_of(browser) if entry["level"] == "SEVERE"]
    assert [text for text in complaints if "favicon.ico" not in text] == []


def _log_of(browser: webdriver.Chrome) -> list[dict[str, str]]:
    log: list[dict[str, str]] = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return log


def text_of(browser: webdriver.Chrome, selector: str) -> str:
    return browser.find_element(By.CSS_SELECTOR, selector).text


def wait_for(browser: webdriver.Chrome, selector: str) -> None:
    WebDriverWait(browser, 30).until(until.visibility_of_element_located((By.CSS_SELECTOR, selector)))


def follow(browser: webdriver.Chrome, address: str, link: str) -> None:
    """From the overview page, click on the link with that text."""
    browser.get(f"{address}/")
    browser.find_element(By.LINK_TEXT, link).click()


def test_the_overview_page_is_dressed(browser: webdriver.Chrome, address: str) -> None:
    browser.get(f"{address}/")
    assert browser.title == "Penstock tour"
    assert len(browser.find_elements(By.CSS_SELECTOR, ".cards li")) == 7
    assert len(browser.find_elements(By.CSS_SELECTOR, ".stages li")) == 12
    band = browser.find_element(By.CSS_SELECTOR, ".band")
    assert band.value_of_css_property("background-image").startswith("linear-gradient")


def sign_in(browser: webdriver.Chrome, address: str) -> None:
    browser.get(f"{address}/")
    user, password = text_of(browser, "#user"), text_of(browser, "#password")
    browser.find_element(By.LINK_TEXT, "/admin/").click()
    browser.find_element(By.NAME, "username").send_keys(user)
    browser.find_element(By.NAME, "password").send_keys(password)
    browser.find_element(By.CSS_SELECTOR, "[type=submit]").click()
    wait_for(browser, "#user-tools")


def test_signing_in_to_djangos_admin(browser: webdriver.Chrome, address: str) -> None:
    sign_in(browser, address)
    assert browser.current_url == f"{address}/admin/"
    assert text_of(browser, "#site-name") == "The mill stream"
    # Django's own style sheet was found: its header has a colour.
    assert browser.find_element(By.ID, "header").value_of_css_property("background-color") != "rgba(0, 0, 0, 0)"


def test_changing_a_mill(browser: webdriver.Chrome, address: str) -> None:
    browser.get(f"{address}/admin/mills/mill/")
    browser.find_element(By.LINK_TEXT, "Long Weir").click()
    river = browser.find_element(By.NAME, "river")
    river.clear()
    river.send_keys("Great Aller")
    browser.find_element(By.NAME, "_save").click()
    wait_for(browser, ".messagelist .success")
    assert "Great Aller" in text_of(browser, "#result_list")


def test_fastapis_documentation_shows_the_operations(browser: webdriver.Chrome, address: str) -> None:
    follow(browser, address, "/api/docs")
    wait_for(browser, ".opblock")
    assert text_of(browser, ".info .title").startswith("Water levels")
    paths = [
        element.text.replace("\u200b", "")
        for element in browser.find_elements(By.CSS_SELECTOR, ".opblock-summary-path")
    ]
    assert "/levels/{mill}" in paths


def test_an_operation_can_be_tried(browser: webdriver.Chrome, address: str) -> None:
    browser.get(f"{address}/api/docs")
    wait_for(browser, "#operations-levels-every_level_levels_get")
    browser.find_element(By.CSS_SELECTOR, "#operations-levels-every_level_levels_get button").click()
    for step in (".try-out__btn", ".execute"):
        wait_for(browser, step)
        browser.find_element(By.CSS_SELECTOR, step).click()
    wait_for(browser, ".live-responses-table .response-col_status")
    assert text_of(browser, ".live-responses-table tbody .response-col_status").startswith("200")


def test_flasks_form(browser: webdriver.Chrome, address: str) -> None:
    follow(browser, address, "/flask/")
    head = browser.find_element(By.ID, "head")
    head.clear()
    head.send_keys("10")
    browser.find_element(By.TAG_NAME, "button").click()
    WebDriverWait(browser, 30).until(until.url_contains("head=10"))
    assert text_of(browser, "#result strong") == "150.1 kW"


def test_the_files(browser: webdriver.Chrome, address: str) -> None:
    follow(browser, address, "/files/")
    picture = browser.find_element(By.CSS_SELECTOR, "figure img")
    assert picture.get_property("naturalWidth") != 0
    browser.find_element(By.LINK_TEXT, "notes.txt").click()
    assert "A penstock is the pipe" in text_of(browser, "body")


def test_the_overview_remembers_where_one_was(browser: webdriver.Chrome, address: str) -> None:
    follow(browser, address, "/hello/{name}")
    assert text_of(browser, "body") == "Hello, Ada!"
    browser.get(f"{address}/")
    assert "GET /hello/Ada" in text_of(browser, "table")


def enter(browser: webdriver.Chrome, address: str, way: str, name: str) -> str:
    """Open the chat page in a tab of its own and come into the room; returns the tab."""
    browser.switch_to.new_window("tab")
    browser.get(f"{address}/chat/")
    browser.find_element(By.ID, "name").send_keys(name)
    browser.find_element(By.CSS_SELECTOR, f"input[name=way][value='{way}']").click()
    browser.find_element(By.ID, "go").click()
    wait_for(browser, "#state[data-state=here]")
    return browser.current_window_handle


def say(browser: webdriver.Chrome, text: str) -> None:
    browser.find_element(By.ID, "text").send_keys(text)
    browser.find_element(By.CSS_SELECTOR, "#say button").click()


def wait_for_last(browser: webdriver.Chrome, tab: str, text: str) -> str:
    """In `tab`, wait until `text` was said last; returns what is shown of it."""
    browser.switch_to.window(tab)
    last = (By.CSS_SELECTOR, "#messages li:last-child")
    WebDriverWait(browser, 30).until(until.text_to_be_present_in_element(last, text))
    return browser.find_element(*last).text


@pytest.fixture
def tabs(browser: webdriver.Chrome) -> Iterator[None]:
    """Nobody has signed in; what a test opens is closed behind it."""
    browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
    first = browser.current_window_handle
    yield
    for tab in browser.window_handles:
        if tab != first:
            browser.switch_to.window(tab)
            browser.close()
    browser.switch_to.window(first)


WAYS = {"/chat/room": "A plain coroutine", "/api/chat": "FastAPI", "/admin/chat/": "Django Channels"}


@pytest.mark.usefixtures("tabs")
@pytest.mark.parametrize("way", WAYS)
def test_two_tabs_talk(browser: webdriver.Chrome, address: str, way: str) -> None:
    ada = enter(browser, address, way, "Ada")
    bob = enter(browser, address, way, "Bob")
    present = (By.ID, "present")
    WebDriverWait(browser, 30).until(until.text_to_be_present_in_element(present, f"2 × {WAYS[way]}"))
    say(browser, "Hello, <b>Ada</b>!")
    shown = wait_for_last(browser, ada, "Hello, <b>Ada</b>!")
    assert "Bob" in shown
    assert WAYS[way] in shown
    say(browser, "Hello, Bob! 🌊")
    assert "Ada" in wait_for_last(browser, bob, "Hello, Bob! 🌊")


@pytest.mark.usefixtures("tabs")
def test_three_tabs_talk_by_three_ways(browser: webdriver.Chrome, address: str) -> None:
    inside = [enter(browser, address, way, name) for way, name in zip(WAYS, ("Ada", "Bob", "Cy"), strict=True)]
    say(browser, "By Channels")
    for tab in inside:
        assert "Cy" in wait_for_last(browser, tab, "By Channels")


@pytest.mark.usefixtures("tabs")
def test_who_has_signed_in_speaks_under_that_name(browser: webdriver.Chrome, address: str) -> None:
    sign_in(browser, address)
    tab = enter(browser, address, "/admin/chat/", "Somebody else")
    say(browser, "It is me")
    assert wait_for_last(browser, tab, "It is me").startswith("miller (signed in)")


@pytest.mark.usefixtures("tabs")
def test_leaving_and_coming_again(browser: webdriver.Chrome, address: str) -> None:
    enter(browser, address, "/chat/room", "Ada")
    browser.find_element(By.ID, "go").click()
    assert text_of(browser, "#state") == "You have left the room."
    browser.find_element(By.ID, "go").click()
    wait_for(browser, "#state[data-state=here]")


@pytest.mark.usefixtures("tabs")
def test_a_server_that_stops_says_so(browser: webdriver.Chrome, tmp_path: Path) -> None:
    with running_tour(tmp_path) as address:
        inside = [enter(browser, address, way, "Ada") for way in WAYS]
    for tab in inside:
        browser.switch_to.window(tab)
        wait_for(browser, "#state[data-state=ended]")
        assert text_of(browser, "#state") == "The server is going away (1001)."
        assert text_of(browser, "#go") == "Connect again"

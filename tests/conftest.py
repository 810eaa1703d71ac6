"""A real browser for the tests of pages."""

import os
import shutil

import pytest

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.fixture(scope="session")
def driver():
    pytest.importorskip("selenium", reason="selenium is in the test extra, which is not installed")
    if not BROWSER or not DRIVER:
        message = "no Chromium: install Debian's packages chromium and chromium-driver"
        if os.environ.get("STACKELBERG_BROWSER") == "required":
            pytest.fail(message)
        pytest.skip(message)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield browser
    browser.quit()

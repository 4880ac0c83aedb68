"""A headless Chromium with a page of an admin server: `with open_page(address) as page`."""

import json
import os
import shutil
import tempfile
import urllib.request
from contextlib import contextmanager

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --disable-dev-shm-usage --window-size=1280,900""".split()
WITHIN = float(os.environ.get("TEAL_TEST_WITHIN", "240")) / 3


class Page:
    """What a user sees of it, and can do to it."""

    def __init__(self, driver, address):
        self.driver = driver
        self.address = address

    def __getitem__(self, name):
        return self.driver.find_element(By.ID, name)

    def text(self, name):
        return self[name].text

    def script(self, script, *args):
        return self.driver.execute_script(script, *args)

    def cdp(self, command, **parameters):
        self.driver.execute_cdp_cmd(command, parameters)

    def until(self, condition, what):
        """Waits for a condition, however slow the machine is."""
        try:
            # What the page draws anew between finding and reading is looked at once more.
            wait = WebDriverWait(self.driver, WITHIN, poll_frequency=0.05,
                                 ignored_exceptions=[StaleElementReferenceException])
            wait.until(lambda _: condition())
        except Exception as error:
            seen = self.script("return document.body.innerText")
            raise AssertionError(f"{what}: not within {WITHIN} s; the page:\n{seen}") from error

    def open(self):
        self.driver.get(f"http://{self.address}/")
        self.until(lambda: self.text("link").endswith("live"), "a live page")

    def phase(self):
        steps = self.driver.find_elements(By.CSS_SELECTOR, ".steps [aria-current=step]")
        return steps[0].get_attribute("id").removeprefix("step-") if len(steps) == 1 else None

    def until_phase(self, phase, active):
        self.until(lambda: (self.phase(), self.script("return document.getElementById('active').innerText").split()[-1:])
                   == (phase, [active]), f"{phase} with {active} active")

    def focused(self):
        return self.driver.switch_to.active_element

    def width(self, pixels):
        self.cdp("Emulation.setDeviceMetricsOverride", width=pixels, height=800, deviceScaleFactor=1, mobile=False)

    def theme(self, name):
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def complaints(self):
        """What is an error in the console, apart from failed requests."""
        return [entry for entry in self.driver.get_log("browser")
                if entry["level"] == "SEVERE" and entry["source"] != "network"]


@contextmanager
def open_page(address, is_open=True):
    """A page in a browser of its own; it fails if there were errors in its console."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # The browser may still be writing there while it ends.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for flag in [*FLAGS, f"--user-data-dir={folder}"]:
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            page = Page(driver, address)
            if is_open:
                page.open()
            yield page
            complaints = page.complaints()
            assert complaints == [], complaints
        finally:
            driver.quit()


def api(address, path, body=None):
    """Another client of the same server."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{address}/api/v1/{path}", data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=WITHIN) as response:
        return json.load(response)

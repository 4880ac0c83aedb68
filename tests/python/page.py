"""Facts about the page: `page.py FACT ADDRESS [MORE…]`."""

import sys

from browser import api, open_page
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys


def shows_the_state(address):
    with open_page(address) as page:
        state = api(address, "state")
        page.until_phase(state["phase"], state["active"])
        assert page.text("epoch") == str(state["epoch"]), page.text("epoch")
        assert page.text("mode").startswith(state["cutover"]), page.text("mode")
        assert page.text("version") == state["version"], page.text("version")
        for name, number in state["queries"].items():
            assert page.text(f"flight-{name}").split() == [{"blue": "●", "green": "◆"}[name], name, str(number), "0"]
        enabled = {button.get_attribute("id") for button in page.driver.find_elements(By.CSS_SELECTOR, "[aria-disabled=false]")}
        page.until(lambda: page["do-cluster"].get_attribute("aria-disabled") == "false", "the cluster's button")
        assert {"do-switch", "do-timer"} <= enabled, enabled
        assert not {"do-cutover", "do-abort", "do-rollback"} & enabled, enabled
        # One that doesn't fit says so, and nothing is sent.
        page["do-abort"].click()
        page.until(lambda: page.text("outcome") == "Abort: only in phase ANNOUNCED", "the reason")
        assert api(address, "events")["events"] == []


def is_operated_by_its_buttons(address):
    with open_page(address) as page:
        page["do-switch"].click()
        page.until_phase("ANNOUNCED", "blue")
        assert api(address, "state")["pending"] == "green"
        page.until(lambda: page.text("outcome").startswith("Done: green is announced"), "what was done")
        page["do-cutover"].click()
        page.until(lambda: page["ask"].is_displayed(), "a question")
        # Another operator is faster: what this one has seen is no more.
        api(address, "abort", {})
        page["ask-yes"].click()
        page.until(lambda: page.text("outcome").startswith("Refused: the state has moved on"), "a refusal")
        page.until_phase("DRAINING", "blue")
        page["do-rollback"].click()
        page.until_phase("ANNOUNCED", "blue")
        page["do-cutover"].click()
        page["ask-yes"].click()
        page.until_phase("DRAINING", "green")
        page["do-timer"].click()
        page.until(lambda: page.text("do-timer") == "Resume timer", "a paused timer")
        assert api(address, "state")["timer"]["paused"]
        page.until(lambda: page["do-cluster"].get_attribute("aria-disabled") == "false", "the cluster's button")
        page["do-cluster"].click()
        page["ask-yes"].click()
        page.until(lambda: page.text("do-cluster") == "Resume cluster", "a suspended cluster")
        assert api(address, "cluster") == {"status": "suspended"}


def follows_what_others_do(address):
    with open_page(address) as page:
        page.until_phase("STABLE", "blue")
        assert page.text("announcer") == "", "nothing has changed yet"
        done = api(address, "switch", {})
        page.until_phase("ANNOUNCED", "blue")
        page.until(lambda: "green is announced" in page.script("return document.getElementById('announcer').textContent"), "words")
        page.until(lambda: page.driver.find_elements(By.CSS_SELECTOR, "#events .announced"), "the event")
        assert page.script("return document.querySelector('#events li').value") == done["event"]
        live = "return document.querySelector('[aria-current] .due').closest('[aria-live],[role=status],[role=alert]')"
        assert page.script(live) is None, "a countdown is read out"
        due = "return document.querySelector('[aria-current] .due').textContent"
        before = page.script(due)
        assert before.startswith("within "), before
        page.until(lambda: page.script(due) != before, "a countdown that goes on")
        api(address, "cutover", {})
        page.until_phase("DRAINING", "green")
        page.until(lambda: "green" in page.driver.title, "a title with the colour")
        drawn = lambda what: page.driver.find_elements(By.CSS_SELECTOR, f"#chart {what}")
        for what in ["rect.blue", "rect.green", ".band.DRAINING", ".mark.announced", ".mark.cut_over"]:
            page.until(lambda: drawn(what), what)
        # What is no transition has words too.
        for path, body, words in [("timer", {"action": "pause"}, "timer paused"), ("timer", {"action": "resume"}, "timer resumed"),
                                  ("reload", {}, "reloaded")]:
            api(address, path, body)
            page.until(lambda: page.driver.find_element(By.CSS_SELECTOR, "#events li b").text == words, words)


def puts_faults_in_force(address):
    with open_page(address) as page:
        page.until(lambda: page["no-rules"].is_displayed(), "no rules")
        assert not page["faulty"].is_displayed() and not page["clear-rules"].is_displayed()
        page["rule"].send_keys("delay=soon", Keys.ENTER)
        page.until(lambda: page.text("rule-outcome").startswith("Refused: delay: 'soon': expected"), "a refusal")
        assert page["rule"].get_attribute("aria-invalid") == "true"
        assert page["rule"].get_attribute("value") == "delay=soon", "what is to be mended is gone"
        page["rule"].clear()
        page["rule"].send_keys("id=slow,method=authenticate,delay=1ms", Keys.ENTER)
        page.until(lambda: page.text("rule-outcome") == "Done: slow is in force", "a rule")
        assert page["rule"].get_attribute("aria-invalid") == "false"
        # Another operator's comes too.
        api(address, "faults", {"rule": "user=<b>nobody</b>,hang"})
        rows = lambda: page.driver.find_elements(By.CSS_SELECTOR, "#rules tbody tr")
        page.until(lambda: len(rows()) == 2, "both rules")
        assert "user=<b>nobody</b>,hang" in rows()[1].text, rows()[1].text
        print("in force", flush=True)
        hits = lambda row: int(row.find_element(By.CSS_SELECTOR, ".number").text)
        page.until(lambda: hits(rows()[0]) > 0, "hits")
        page.until(lambda: page.text("faulty-text").startswith("Trouble on purpose: 2 faults in force"), "a warning at the top")
        assert hits(rows()[1]) == 0
        remove = rows()[0].find_element(By.TAG_NAME, "button")
        assert remove.get_attribute("aria-label") == "Remove slow"
        remove.send_keys(Keys.ENTER)
        page.until(lambda: len(rows()) == 1, "one rule less")
        assert page.focused().get_attribute("aria-label") == "Remove f1", "the focus is lost"
        assert [fault["id"] for fault in api(address, "faults")["faults"]] == ["f1"]
        page["clear-rules"].click()
        page.until(lambda: page["no-rules"].is_displayed() and not page["faulty"].is_displayed(), "no rules")
        assert page.focused().get_attribute("id") == "rule", "the focus is lost"
        assert api(address, "faults") == {"faults": []}


def comes_back(address):
    with open_page(address) as page:
        page["do-switch"].click()
        page.until_phase("ANNOUNCED", "blue")
        page.until(lambda: page.driver.find_elements(By.CSS_SELECTOR, "#events .announced"), "the event")
        print("following", flush=True)
        page.until(lambda: "connection lost, since" in page.text("link"), "the loss is shown")
        assert page["do-cutover"].get_attribute("aria-disabled") == "true"
        assert page.text("why-cutover") == "no connection"
        print("lost", flush=True)
        # Another server, whose epochs and events begin anew.
        page.until(lambda: page.text("link").endswith("live"), "it is back")
        page.until_phase("STABLE", "blue")
        assert (page.text("epoch"), page.text("mode").split(":")[0]) == ("0", "strict")
        page.until(lambda: page.text("events") == "nothing yet", "the other server's events are gone")
        # Strict mode asks before it begins.
        page["do-switch"].click()
        page.until(lambda: "Mode strict" in page.text("ask-text"), "a question")
        page["ask-yes"].click()
        page.until_phase("ANNOUNCED", "blue")
        page.until(lambda: len(page.driver.find_elements(By.CSS_SELECTOR, "#events li")) == 1, "one event")


CLIENTS = """
const client = (user, verdict, requests) => ({id: user, user_agent: 'grpc-<b>python</b>/1', peer: '127.0.0.1', user,
    session: null, token: null, strategy: 'blue', first_heard: '2026-01-01T00:00:00Z', last_heard: '2026-01-01T00:00:0' +
    requests % 7 + 'Z', requests, rejected: requests % 2, came_back: requests % 2 ? false : null,
    queries: {begun: 3, open: 0, completed: 1, abandoned: 2}, errors: {UNKNOWN: 2}, verdict, reason: 'why',
    verdicts: [{verdict}, {verdict: 'followed'}, {verdict: 'recovered'}]});
const answers = {clients: {total: 4, by_verdict: {followed: 1, lost_work: 1, late: 1, none: 1}, clients: [client('b', 'followed', 9), client('a', 'lost_work', 100), client('c', null, 20), client('d', 'late', 3)]},
    series: {step_seconds: 1, points: [0, 1, 2].map((n) => ({time: `2026-01-01T00:00:0${n}Z`, requests: {blue: 7, green: n}, rejected: n, queries: {blue: 1, green: 0}}))}};
const real = window.fetch;
window.fetch = async (path, options) => {
    for (const [name, answer] of Object.entries(answers)) if (path.split('?')[0] === `/api/v1/${name}`) return Response.json(answer);
    const response = await real(path, options);
    if (!path.endsWith('openapi.json')) return response;
    const document = await response.json();
    for (const name of Object.keys(answers)) document.paths[`/api/v1/${name}`] ??= {};
    return Response.json(document);
};
"""


def sorts_clients(address):
    with open_page(address, is_open=False) as page:
        # Known clients, whatever the server has heard.
        page.cdp("Page.addScriptToEvaluateOnNewDocument", source=CLIENTS)
        page.open()
        rows = lambda: [row.text.split() for row in page.driver.find_elements(By.CSS_SELECTOR, "#clients tbody tr")]
        page.until(lambda: len(rows()) == 4, "the clients")
        heads = page.driver.find_elements(By.CSS_SELECTOR, "#clients thead th")
        names = [head.text.strip(" ▲▼") for head in heads]

        def order(name):
            head = heads[names.index(name)]
            head.find_element(By.TAG_NAME, "button").click()
            users = page.script("return [...document.querySelectorAll('#clients tbody .identity b')].map(b => b.textContent)")
            marked = page.driver.find_elements(By.CSS_SELECTOR, "#clients [aria-sort]")
            assert marked == [head], names
            return "".join(users), head.get_attribute("aria-sort")

        assert order("client") == ("abcd", "ascending")
        assert order("client") == ("dcba", "descending")
        # By number, not by letter; the largest first.
        assert order("requests") == ("acbd", "descending")
        assert order("requests") == ("dbca", "ascending")
        # The gravest first, what has no verdict yet last.
        assert order("verdict") == ("adbc", "ascending")
        assert "grpc-<b>python</b>/1" in page.text("clients"), "text that is taken for markup"
        lost, late = page.script("return [...document.querySelectorAll('#clients tbody tr')].slice(0, 2).map(r => r.innerText)")
        assert "lost work" in lost and "not back yet" not in lost and "not back yet" in late, (lost, late)
        assert "2 abandoned" in lost and "UNKNOWN 2" in lost, lost
        told = page.text("clients-count")
        assert told == "4 clients: ✗ 1 lost work ◷ 1 late ✓ 1 followed · 1 none yet", told
        earlier = page.script("return document.querySelector('#clients .earlier').ariaLabel")
        assert earlier == "before, the latest first: followed, recovered", earlier


def filters_calls(address):
    with open_page(address) as page:
        rows = lambda: [row.text for row in page.driver.find_elements(By.CSS_SELECTOR, "#calls tbody tr.call")]
        page.until(lambda: page["calls"].is_displayed() and rows() == [], "no calls")
        print("looking", flush=True)
        page.until(lambda: any("clear" in row for row in rows()), "the calls of a client")
        said = api(address, "calls")
        page.until(lambda: len(rows()) == len(said["calls"]), "all calls")
        assert page.text("calls-count").startswith(f"{len(rows())} calls so far"), page.text("calls-count")
        page["calls-filter"].send_keys("prepare")
        page.until(lambda: rows() != [] and all("prepareStatement" in row for row in rows()), "a filter")
        page["calls-filter"].clear()
        page["calls-filter"].send_keys("method=clear* status=ok")
        page.until(lambda: len(rows()) == 1 and "clear" in rows()[0], "a filter of fields")
        assert "someone@example.com" in rows()[0] and "blue" in rows()[0], rows()
        # The details, by the keyboard, and away again.
        button = page.driver.find_element(By.CSS_SELECTOR, "#calls tr.call button")
        button.send_keys(Keys.ENTER)
        details = lambda: page.driver.find_elements(By.CSS_SELECTOR, "#calls tr.details")
        page.until(lambda: len(details()) == 1, "the details")
        call = next(call for call in said["calls"] if call["method"].startswith("clear"))
        for word in ["request bytes", call["query"], call["session"], call["user_agent"], "built-in", "let_in"]:
            assert word in details()[0].text, (word, details()[0].text)
        assert page.focused().get_attribute("aria-expanded") == "true", "the focus is lost"
        page.driver.find_element(By.CSS_SELECTOR, "#calls tr.call").click()
        page.until(lambda: details() == [], "no details")
        page["calls-filter"].send_keys(" nothing")
        page.until(lambda: "none of them matches" in page.text("calls"), "words for none")


def shows_messages(address):
    with open_page(address) as page:
        calls = lambda: page.driver.find_elements(By.CSS_SELECTOR, "#calls tbody tr.call")
        details = lambda: page.driver.find_element(By.CSS_SELECTOR, "#calls tr.details")
        page["calls-filter"].send_keys("method=prepareStatement*")
        page.until(lambda: len(calls()) == 1, "the statement's call")
        calls()[0].click()
        page.until(lambda: "x<b>y" in details().text and "queryString" in details().text, "the statement")
        page["calls-filter"].clear()
        page["calls-filter"].send_keys("method=getNextResult*")
        page.until(lambda: len(calls()) > 0 and all("getNextResult" in call.text for call in calls()), "the fetches")
        calls()[-1].click()
        cells = lambda part: [cell.text for cell in page.driver.find_elements(By.CSS_SELECTOR, f"#calls .rows {part}")]
        page.until(lambda: cells("td") == ["1", "x<b>y", "2", "null"], "the rows")
        assert cells("th") == ["id", "name"], cells("th")
        assert page.driver.find_elements(By.CSS_SELECTOR, "#calls b, #calls script") == [], "it is taken for markup"
        assert "S3cret" not in page.driver.page_source


def reads_the_chart_by_keys(address):
    with open_page(address, is_open=False) as page:
        page.cdp("Page.addScriptToEvaluateOnNewDocument", source=CLIENTS)
        page.open()
        page.until(lambda: page.driver.find_elements(By.CSS_SELECTOR, "#chart svg"), "a chart")
        label = page.script("return document.querySelector('#chart svg').getAttribute('aria-label')")
        assert "green 2 requests per second now, 2 at most; 3 456s" in label, label
        cursors = lambda: len(page.driver.find_elements(By.CSS_SELECTOR, "#chart .cursor"))
        assert "green 2/s" in page.text("readout") and cursors() == 0, page.text("readout")
        page["chart"].send_keys(Keys.ARROW_LEFT)
        assert "green 1/s" in page.text("readout") and cursors() == 1, page.text("readout")
        assert page["readout"].get_attribute("aria-live") == "polite", "what was asked for is not read out"
        page["chart"].send_keys(Keys.HOME)
        assert "green 0/s" in page.text("readout") and "0 456s" in page.text("readout"), page.text("readout")
        page["chart"].send_keys(Keys.ESCAPE)
        assert "green 2/s" in page.text("readout") and cursors() == 0, page.text("readout")
        assert page["readout"].get_attribute("aria-live") is None, "every second is read out"


def is_operated_by_keys(address):
    with open_page(address) as page:
        press = lambda *keys: ActionChains(page.driver).send_keys(*keys).perform()

        def tab_to(name):
            for _ in range(60):
                press(Keys.TAB)
                if page.focused().get_attribute("id") == name:
                    break
            assert page.focused().get_attribute("id") == name, name
            assert page.focused().value_of_css_property("outline-style") == "solid", "the focus isn't seen"

        press(Keys.TAB)
        assert page.focused().get_attribute("class") == "skip"
        tab_to("do-switch")
        press(Keys.ENTER)
        page.until_phase("ANNOUNCED", "blue")
        assert page.focused().get_attribute("id") == "do-switch", "the focus is lost"
        tab_to("do-cutover")
        press(Keys.ENTER)
        page.until(lambda: page["ask"].is_displayed(), "a question")
        assert page.focused().get_attribute("id") == "ask-no", "the harmless answer comes first"
        press(Keys.ESCAPE)
        page.until(lambda: not page["ask"].is_displayed(), "no question any more")
        assert page.focused().get_attribute("id") == "do-cutover"
        assert api(address, "state")["phase"] == "ANNOUNCED"
        press(Keys.ENTER)
        page.until(lambda: page["ask"].is_displayed(), "a question")
        press(Keys.TAB, Keys.ENTER)
        page.until_phase("DRAINING", "green")


# Texts that stand out too little (WCAG AA), by what is behind them.
CONTRAST = """
const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const ground = (element) => { for (let e = element; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if ((c[3] ?? 1) > 0) return c; } return [255, 255, 255]; };
return [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && e.tagName !== 'OPTION' &&
        [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .map((e) => { const [a, b] = [light(parse(e instanceof SVGElement ? getComputedStyle(e).fill : getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
        return [(a + 0.05) / (b + 0.05), e.outerHTML.slice(0, 90)]; });
"""


def is_readable_everywhere(address):
    with open_page(address, is_open=False) as page:
        page.cdp("Page.addScriptToEvaluateOnNewDocument", source=CLIENTS)
        page.open()
        page.until(lambda: page.driver.find_elements(By.CSS_SELECTOR, "#chart svg"), "a chart")
        api(address, "faults", {"rule": f"metadata.{'x' * 80}={'y' * 200},delay=1ms"})
        page.until(lambda: page["rules"].is_displayed(), "a rule")
        grounds = set()
        for phase, active, verb in [("STABLE", "blue", "switch"), ("ANNOUNCED", "blue", "cutover"), ("DRAINING", "green", None)]:
            page.until_phase(phase, active)
            for theme in ["light", "dark"]:
                page.theme(theme)
                grounds.add(page.script("return getComputedStyle(document.body).backgroundColor"))
                found = page.script(CONTRAST)
                assert len(found) > 50, found
                faint = [text for text in found if text[0] < 4.5]
                assert faint == [], (phase, theme, faint)
            for width in [320, 375, 768, 1280]:
                page.width(width)
                needed = page.script("return document.documentElement.scrollWidth")
                assert needed <= width, (phase, width, needed)
            if verb:
                api(address, verb, {})
        assert len(grounds) == 2, grounds


def asks_for_a_token(address, token):
    with open_page(address, is_open=False) as page:
        page.driver.get(f"http://{address}/")
        for shown, said in [("not-this-one", "asks operators for a token"), (token, "was not accepted")]:
            page.until(lambda: page["token"].is_displayed() and said in page.text("token-text"), said)
            page["token-value"].send_keys(shown, Keys.ENTER)
        page.until(lambda: page.text("link").endswith("live"), "a live page")
        page["do-switch"].click()
        page.until_phase("ANNOUNCED", "blue")
        # It is not asked for again in the same tab.
        page.driver.refresh()
        page.until_phase("ANNOUNCED", "blue")
        assert not page["token"].is_displayed()


def works_without_a_switch(address):
    with open_page(address) as page:
        assert page["no-switch"].is_displayed()
        assert not page["verbs"].is_displayed()


def shows_instances(address):
    """Two of them; the second one dies before a line comes, and its lease is not over then."""
    with open_page(address) as page:
        rows = lambda: [row.text for row in page.driver.find_elements(By.CSS_SELECTOR, "#instances tbody tr")]
        page.until(lambda: len(rows()) == 2, "both instances")
        assert page.text("instances-count").startswith("2 live"), page.text("instances-count")
        assert page.text("etcd") == "✓ etcd: live", page.text("etcd")
        assert rows()[0].startswith("web-1 (this page)"), rows()
        assert "settings differ: grace" in rows()[1], rows()
        print("both are shown", flush=True)
        input()
        page["do-switch"].click()
        page.until_phase("ANNOUNCED", "blue")
        waited = lambda: page.driver.find_elements(By.CSS_SELECTOR, "#instances tr.waited")
        page.until(lambda: len(waited()) == 1 and waited()[0].text.startswith("web-2"), "the one that is waited for")
        assert page.text("instances-count") == "2 live: 1 of 2 let green in, 0 tell clients of it", page.text("instances-count")
        page.until(lambda: any(row.startswith("web-2") and "gone" in row for row in rows()), "it is gone")
        page.until(lambda: page.driver.find_elements(By.CSS_SELECTOR, "#events .instance_gone"), "the event")
        page.until(lambda: "those of this instance" in page.text("clients-of"), "whose clients these are")


globals()[sys.argv[1]](*sys.argv[2:])

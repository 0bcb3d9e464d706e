// The live parts of the page. One poller per tab; every part draws what /studio/state says and nothing else, so a
// reload, a second tab and a restarted server all show the same. Names come from strangers: only textContent here.
(() => {
  "use strict";
  const query = () => new URLSearchParams(location.search);
  // The project is in the address: the server leads every page to one that has it. Whatever is below BASE is about it.
  const PROJECT = query().get("project") || "";
  const BASE = PROJECT ? `/studio/@${encodeURIComponent(PROJECT)}` : "/studio";
  const place = (wanted = {}) => `/?${new URLSearchParams(PROJECT ? { project: PROJECT, ...wanted } : wanted)}`;
  const ACTIVE = ["running", "stopping", "queued"];

  const el = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    if (made.classList.contains("ss-scroll")) wide.observe(made);
    return made;
  };
  // What can be scrolled sideways can be reached by the keyboard, and only then.
  const wide = new ResizeObserver((seen) => {
    for (const { target } of seen) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  const svg = (tag, attributes = {}) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const text = (node, value) => {
    if (node.textContent !== value) node.textContent = value;
  };
  const many = (count, one, more = `${one}s`) => `${count} ${count === 1 ? one : more}`;
  const percent = (value) => `${(100 * value).toFixed(1)} %`;
  const duration = (seconds) => {
    const s = Math.max(0, Math.round(seconds));
    if (s < 60) return `${s} s`;
    const h = Math.floor(s / 3600),
      m = Math.floor((s % 3600) / 60);
    return h ? `${h}:${String(m).padStart(2, "0")} h` : `${m}:${String(s % 60).padStart(2, "0")} min`;
  };
  const rate = (value, unit) =>
    value >= 1 ? `${value.toFixed(1)} ${unit}/s` : `${(60 * value).toFixed(1)} ${unit}/min`;
  const leaveRun = () => {
    const wanted = query();
    if (wanted.has("run")) {
      wanted.delete("run");
      history.replaceState(null, "", `${location.pathname}?${wanted}`);
    }
  };
  const flash = (selector) => {
    const found = document.querySelector(selector);
    if (!found) return;
    found.scrollIntoView({ behavior: "smooth", block: "center" });
    found.classList.remove("ss-flash");
    void found.offsetWidth;
    found.classList.add("ss-flash");
    (found.matches("button") ? found : found.querySelector("button"))?.focus({ preventScroll: true });
  };
  const progressWords = (run) =>
    run.total
      ? `${run.done} / ${run.total} ${run.total === 1 ? run.unit.replace(/s$/, "") : run.unit}`
      : run.state_words || run.state;

  const send = async (path, body) => {
    const answer = await fetch(BASE + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body || {}),
    });
    const found = await answer.json().catch(() => ({}));
    if (!answer.ok && typeof found.detail !== "string") found.detail = `The server answered ${answer.status}.`;
    poke();
    return { ok: answer.ok, found };
  };
  const post = async (path, body) => {
    const { ok, found } = await send(path, body);
    if (!ok) say(found.detail);
    return ok ? found : null;
  };
  // A button works once per press: it is disabled until the server has answered.
  const act = (label, path, kind = "") => {
    const button = el("button", { type: "button", class: `ss-button ${kind}` }, label);
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        const found = await post(path);
        if (found?.said) say(found.said, "note");
      } catch {
        say("The server cannot be reached. It was not done.");
      }
      button.disabled = false;
    });
    return button;
  };
  const say = (message, kind = "bad") => {
    const box =
      document.querySelector("#ss-toast") || document.body.appendChild(el("div", { id: "ss-toast", role: "alert" }));
    box.textContent = message;
    box.dataset.kind = kind;
    box.classList.add("shown");
    clearTimeout(say.timer);
    say.timer = setTimeout(() => box.classList.remove("shown"), 7000);
  };

  // A name in its place: a button that becomes a field. `thing` is an id; `renamed(name)` hears of the new name.
  const renaming = (thing, name, renamed) => {
    const press = el("button", { type: "button", class: "ss-link ss-rename" }, "rename");
    press.addEventListener("click", () => {
      const box = el("input", { class: "ss-input", maxlength: 120, "aria-label": "new name" }),
        why = el("span", { class: "ss-fielderror", role: "alert" });
      const form = el(
        "form",
        { class: "ss-renaming" },
        box,
        el("button", { class: "ss-button strong" }, "Save"),
        el("button", { type: "button", class: "ss-button", onclick: () => form.replaceWith(press) }, "Cancel"),
        why,
      );
      form.addEventListener("submit", async (event) => {
        event.preventDefault();
        const { ok, found } = await send("/runs-named", { thing, name: box.value }).catch(() => ({
          found: { detail: "The server cannot be reached." },
        }));
        if (ok) {
          form.replaceWith(press);
          renamed(found.name);
        } else text(why, found.detail);
      });
      form.addEventListener("keydown", (event) => {
        if (event.key === "Escape") form.replaceWith(press);
      });
      box.value = name();
      press.replaceWith(form);
      box.select();
    });
    return press;
  };

  // A notification of the browser when work has ended: only if somebody asked for it on this very machine.
  const NOTIFY = "synthstudio.notify";
  const notifies = () => {
    try {
      return localStorage.getItem(NOTIFY) === "on" && Notification.permission === "granted";
    } catch {
      return false;
    }
  };
  const setNotify = (on) => {
    try {
      localStorage.setItem(NOTIFY, on ? "on" : "off");
    } catch {
      say("This browser keeps nothing, so the choice cannot be remembered.");
    }
  };
  const ENDINGS = { done: "is done", failed: "failed", stopped: "was stopped" };
  const ended = (before, now) => {
    const running = new Map(before.pipelines.filter((one) => one.state === "running").map((one) => [one.id, one]));
    const over = now.pipelines
      .filter((one) => running.has(one.id) && ENDINGS[one.state])
      .map((one) => `${one.named ? one.name : one.title} ${ENDINGS[one.state]}`);
    const idle = (one) => !one.running.length && !one.queued;
    return over.length || !idle(now) || idle(before) || now.pipelines.some((one) => one.state === "running")
      ? over
      : ["All runs have ended"];
  };
  const notify = (before, now) => {
    if (before && before.project === now.project && notifies())
      for (const words of ended(before, now)) new Notification("SynthStudio", { body: words, tag: words });
  };

  // A form's values stay in this browser, for each project its own. Until they were put back nothing is kept: mounting a
  // form changes it too.
  const returned = new Set();
  const kept = (name) => `synthstudio.${PROJECT}.${name}`;
  const restoreForm = (name, fields) => {
    returned.add(name);
    try {
      const values = JSON.parse(localStorage.getItem(kept(name)));
      return Array.isArray(values) && values.length === fields ? values : [];
    } catch {
      return [];
    } // storage is off, or was written by an earlier version
  };
  const rememberForm = (name, values) => {
    if (!returned.has(name)) return;
    try {
      localStorage.setItem(kept(name), JSON.stringify(values));
    } catch {
      /* full or off: nothing else is lost */
    }
  };

  // The page is ready when every form has its values: the reader's own after a reload, else what there is to choose.
  const FORMS = ["recipe", "adapt", "sample", "distil", "train"],
    filled = new Set();
  const loaded = (name) => {
    filled.add(name);
    if (FORMS.every((one) => filled.has(one))) {
      document.documentElement.classList.add("ss-ready");
      poke();
    }
  };

  // What there is to choose from follows what happens, wherever it happened: when the version in the state is another
  // than that of the lists shown, the server is asked for all lists anew. It keeps what was chosen, and says what is gone.
  const gone = new Set(),
    held = new Set();
  let shown = null,
    asked = null,
    patience = 0,
    leadTo = [];
  const freshen = (choose = {}) =>
    window.dispatchEvent(new CustomEvent("studio:lists", { detail: { choose, gone: [...gone], held: [...held] } }));
  const follow = (now) => {
    const page = document.documentElement.classList;
    if (!page.contains("ss-ready") || !page.contains("ss-listening") || now.lists === shown || Date.now() < patience)
      return;
    asked = now.lists;
    patience = Date.now() + 5000; // an answer that was lost is asked for again
    freshen();
  };
  const listed = (said) => {
    shown = asked;
    patience = 0;
    document.documentElement.classList.add("ss-listed");
    const answer = new DOMParser().parseFromString(said || "", "text/html"),
      lines = [...answer.querySelectorAll("[data-field]")];
    for (const one of answer.querySelectorAll("[data-held]")) held.add(one.dataset.held);
    const news = lines.filter((one) => !gone.has(one.dataset.field)).map((one) => one.textContent);
    gone.clear();
    for (const one of lines) gone.add(one.dataset.field);
    window.studio.answered("lists", said, null);
    if (news.length) say(news.join(" "));
    for (const tab of leadTo.splice(0)) go(tab);
  };
  // Choose something in a form for the reader (a value, or `run:` and the run that made it), then open its tab.
  const choose = (wanted, tab) => {
    leadTo.push(tab);
    freshen(wanted);
  };

  // ---- the poller

  let state = null,
    offline = "",
    timer = 0,
    busy = false,
    delay = 700;
  const baseTitle = "SynthStudio",
    LOST = "No contact with the server; trying again…";
  const poll = async () => {
    clearTimeout(timer);
    if (busy) return;
    busy = true;
    try {
      if (
        !document.hidden ||
        state === null ||
        ACTIVE.includes(state.pipeline?.state) ||
        (notifies() && (state.running.length || state.queued))
      ) {
        const wanted = query().get("run");
        const answer = await fetch(`${BASE}/state${wanted ? `?pipeline=${encodeURIComponent(wanted)}` : ""}`);
        const found = await answer.json();
        if (!answer.ok) throw new Error(found.detail || answer.status);
        notify(state, found);
        state = found;
        offline = "";
        follow(found);
        const working = state.running.length || state.queued || state.pipeline?.state === "running";
        delay = document.hidden ? 5000 : working ? 700 : 3000;
      } else delay = 3000;
    } catch (error) {
      // What a server says of itself ("cannot be opened") or nothing at all.
      offline = error instanceof TypeError || error instanceof SyntaxError ? LOST : error.message;
      delay = Math.min(8000, delay * 1.6);
    } finally {
      busy = false;
    }
    document.documentElement.classList.toggle("ss-offline", offline !== "");
    title();
    window.dispatchEvent(new CustomEvent("studio:state", { detail: state }));
    timer = setTimeout(poll, delay);
  };
  const poke = () => {
    delay = 300;
    clearTimeout(timer);
    timer = setTimeout(poll, 60);
  };
  const overall = (pipeline) => {
    const parts = pipeline.nodes.map((n) => (n.state === "done" ? 1 : n.total ? n.done / n.total : 0));
    return parts.reduce((a, b) => a + b, 0) / Math.max(1, parts.length);
  };
  const title = () => {
    const pipeline = state?.pipeline;
    let head = "";
    if (pipeline?.state === "running") head = `${Math.round(100 * overall(pipeline))} % · `;
    else if (state?.running.length) head = "working · ";
    document.title = head + (state && state.project !== "default" ? `${state.project} · ` : "") + baseTitle;
  };
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) poke();
  });

  class Part extends HTMLElement {
    connectedCallback() {
      if (!this.built) {
        this.built = true;
        this.build();
      }
      this.listen = () => state && this.draw(state);
      window.addEventListener("studio:state", this.listen);
      this.listen();
    }
    disconnectedCallback() {
      window.removeEventListener("studio:state", this.listen);
    }
  }

  // ---- the bar above the tabs: what works now

  class Bar extends Part {
    build() {
      this.words = el("span", { class: "ss-bar-words" });
      this.meter = el("progress", { max: 100, value: 0, "aria-label": "progress of the current run" });
      this.lost = el("span", { class: "ss-bar-lost", role: "status" });
      this.open = el("button", { type: "button", class: "ss-link", onclick: () => go("start") }, "show");
      this.bell = el(
        "button",
        { type: "button", class: "ss-link ss-bell", hidden: !("Notification" in window) },
        "Tell me when it is done",
      );
      this.bell.addEventListener("click", () => this.ring());
      this.append(this.words, this.meter, this.open, this.bell, this.lost);
      this.rings();
    }
    rings() {
      const on = notifies();
      this.bell.setAttribute("aria-pressed", String(on));
      text(this.bell, on ? "Telling you when it is done" : "Tell me when it is done");
    }
    async ring() {
      if (notifies()) setNotify(false);
      else if ((await Notification.requestPermission()) === "granted") setNotify(true);
      else say("This browser allows no notifications from this page. Its settings for this site can allow them.");
      this.rings();
    }
    draw(now) {
      const run = now.running[0];
      this.classList.toggle("idle", !run && !offline);
      text(this.lost, offline);
      this.meter.hidden = this.open.hidden = !run;
      if (!run) {
        text(this.words, now.queued ? `${now.queued} queued` : "");
        return;
      }
      const left = run.left ? `, about ${duration(run.left)} left` : "";
      const more = now.queued ? ` · ${now.queued} queued` : "";
      text(
        this.words,
        `${run.state === "stopping" ? "Stopping: " : ""}${kindWords(now, run)}: ${progressWords(run)}${left}${more}`,
      );
      this.meter.value = run.total ? (100 * run.done) / run.total : 0;
    }
  }
  const kindWords = (now, run) =>
    now.pipeline?.nodes.find((n) => n.run === run.run)?.words || run.kind_words || run.kind;

  // ---- times in the reader's zone

  class When extends HTMLElement {
    connectedCallback() {
      const at = new Date(this.getAttribute("at"));
      if (!isNaN(at)) {
        this.textContent = at.toLocaleString([], {
          day: "numeric",
          month: "short",
          hour: "2-digit",
          minute: "2-digit",
        });
        this.title = at.toString();
      }
    }
  }

  // ---- the place: which tab, kept in the address

  const tabs = () => [
    ...document.querySelectorAll(
      "#ss-tabs > .tab-wrapper button[role=tab], #ss-tabs > .tab-container button[role=tab], #ss-tabs button[role=tab]",
    ),
  ];
  const idOf = (button) =>
    (button.dataset.tabId || button.id || "").replace(/-button$/, "").replace(/^ss-tab-/, "") ||
    button.textContent.trim().toLowerCase();
  const go = (id) => {
    const button = tabs().find((one) => idOf(one) === id);
    if (button) button.click();
  };
  // By name: the server leads on to the project's own address.
  const openProject = (name) => location.assign(`/?${new URLSearchParams({ project: name })}`);
  // Open Review on exactly some images: of a run, a recipe run (or one fold, from 0) or a set, and of some classes.
  const review = ({ what, fold = null, labels = [] }) => {
    const wanted = query();
    for (const name of ["only", "fold", "class"]) wanted.delete(name);
    wanted.set("only", what);
    if (fold !== null) wanted.set("fold", fold);
    for (const label of labels) wanted.append("class", label);
    history.replaceState(null, "", `${location.pathname}?${wanted}`);
    go("review");
    window.dispatchEvent(new CustomEvent("studio:review"));
  };
  // Show a recipe's panel: the one that the address names.
  const watch = (pipeline) => {
    const wanted = query();
    wanted.set("run", pipeline);
    history.replaceState(null, "", `${location.pathname}?${wanted}`);
    go("start");
    poke();
  };
  const remember = (id, replace) => {
    const wanted = query();
    if (wanted.get("tab") === id || (!wanted.get("tab") && id === "start")) return;
    wanted.set("tab", id);
    history[replace ? "replaceState" : "pushState"](null, "", `${location.pathname}?${wanted}`);
  };
  let restoring = false;
  const restore = () => {
    const id = query().get("tab");
    if (!id) return;
    const until = Date.now() + 15000;
    const look = () => {
      if (!tabs().length) {
        if (Date.now() < until) setTimeout(look, 50);
        return;
      }
      // Gradio may still be mounting: ask until the tab is the chosen one.
      const button = tabs().find((one) => idOf(one) === id);
      if (button && button.getAttribute("aria-selected") !== "true") {
        restoring = true;
        button.click();
        restoring = false;
        if (Date.now() < until) setTimeout(look, 150);
      }
    };
    look();
  };
  document.addEventListener(
    "click",
    (event) => {
      const button = event.target.closest?.("#ss-tabs button[role=tab]");
      if (!button) return;
      const id = idOf(button);
      if (!restoring) remember(id, false);
      window.dispatchEvent(new CustomEvent("studio:tab", { detail: id }));
    },
    true,
  );
  addEventListener("popstate", () => {
    restoring = true;
    go(query().get("tab") || "start");
    restoring = false;
  });

  window.studio = {
    BASE,
    PROJECT,
    place,
    kept,
    openProject,
    choose,
    listed,
    leaveRun,
    watch,
    review,
    renaming,
    ended,
    flash,
    query,
    remember,
    progressWords,
    rate,
    el,
    svg,
    text,
    send,
    post,
    act,
    say,
    go,
    poke,
    loaded,
    restoreForm,
    rememberForm,
    duration,
    many,
    percent,
    Part,
    get state() {
      return state;
    },
  };
  customElements.define("studio-bar", Bar);
  customElements.define("studio-time", When);
  window.addEventListener("studio:state", () => {
    const name = document.querySelector("#ss-project-name");
    if (name && state) text(name, state.project);
  });
  // The name in the header leads to the list of projects.
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("#ss-project-name")) return;
    go("start");
    document.querySelector("#ss-open")?.click();
    setTimeout(() => {
      flash("#ss-project");
      document.querySelector("#ss-project input")?.focus();
    }, 300);
  });
  restore();
  poll();
})();

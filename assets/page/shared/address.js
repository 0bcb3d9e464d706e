// The place, kept in the address: which tab, and what is open on it. A reload and a colleague see the same.
import { PROJECT } from "./server.js";

export const query = () => new URLSearchParams(location.search);

/** The address of a place in this project: `wanted` says what is open there. */
export const place = (wanted = {}) => `/?${new URLSearchParams(PROJECT ? { project: PROJECT, ...wanted } : wanted)}`;

/** The address of this page with something changed: a value for each name, null to take it out. */
export function changed(changes) {
  const wanted = query();
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) wanted.delete(name);
    else wanted.set(name, value);
  }
  return `${location.pathname}?${wanted}`;
}

/** Say in the address what is open, without going there. */
export const keep = (changes) => history.replaceState(null, "", changed(changes));

/** Go to a project by its name: the server leads on to its own address. */
export const openProject = (name) => location.assign(`/?${new URLSearchParams({ project: name })}`);

// ---- tabs

const tabs = () => [...document.querySelectorAll("#ss-tabs button[role=tab]")];
const idOf = (tab) =>
  (tab.dataset.tabId || tab.id || "").replace(/-button$/, "").replace(/^ss-tab-/, "") ||
  tab.textContent.trim().toLowerCase();
const find = (id) => tabs().find((one) => idOf(one) === id);

/** Open a tab. */
export function go(id) {
  find(id)?.click();
}

/** Note in the address that a tab is open, as a step that Back undoes. */
export function remember(id) {
  const now = query().get("tab");
  if (now !== id && (now || id !== "start")) history.pushState(null, "", changed({ tab: id }));
}

let restoring = false;
function restored(tab) {
  restoring = true;
  tab?.click();
  restoring = false;
}

/** Open the tab that the address names, and follow what is opened from now on. */
export function followTabs() {
  document.addEventListener(
    "click",
    (event) => {
      const tab = event.target.closest?.("#ss-tabs button[role=tab]");
      if (!tab) return;
      if (!restoring) remember(idOf(tab));
      window.dispatchEvent(new CustomEvent("studio:tab", { detail: idOf(tab) }));
    },
    true,
  );
  addEventListener("popstate", () => restored(find(query().get("tab") || "start")));
  const wanted = query().get("tab"),
    until = Date.now() + 15000;
  // Gradio may still be mounting: ask until the tab is the chosen one.
  const look = () => {
    if (query().get("tab") !== wanted) return; // somebody has gone elsewhere meanwhile
    const known = tabs(),
      tab = find(wanted),
      chosen = tab?.getAttribute("aria-selected") === "true";
    if (tab && !chosen) restored(tab);
    if ((!known.length || (tab && !chosen)) && Date.now() < until) setTimeout(look, known.length ? 150 : 50);
  };
  if (wanted) look();
}

/** Open Review on exactly some images: of a run, a recipe run (or one fold, from 0) or a set, and of some classes. */
export function review({ what, fold = null, labels = [] }) {
  const wanted = query();
  for (const name of ["only", "fold", "class"]) wanted.delete(name);
  wanted.set("only", what);
  if (fold !== null) wanted.set("fold", fold);
  for (const label of labels) wanted.append("class", label);
  history.replaceState(null, "", `${location.pathname}?${wanted}`);
  go("review");
  window.dispatchEvent(new CustomEvent("studio:review"));
}

/** Bring something into sight and give it the keys. */
export function flash(selector) {
  const found = document.querySelector(selector);
  if (!found) return;
  found.scrollIntoView({ behavior: "smooth", block: "center" });
  found.classList.remove("ss-flash");
  void found.offsetWidth;
  found.classList.add("ss-flash");
  (found.matches("button") ? found : found.querySelector("button"))?.focus({ preventScroll: true });
}

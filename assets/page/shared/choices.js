// What there is to choose from follows what happens, wherever it happened: when the version in the state is another than
// that of the lists shown, the server is asked for all lists anew. It keeps what was chosen, and says what is gone.
import { go } from "./address.js";
import { answered, linesOf } from "./answers.js";
import { say } from "./say.js";
import { offline, state } from "./state.js";

const gone = new Set(),
  held = new Set(),
  leadTo = [];
let shown = null,
  asked = null,
  patience = 0;

/** Ask for all lists: `synthstudio/ui/session/lists.py` hears it. */
const freshen = (choose = {}) =>
  window.dispatchEvent(new CustomEvent("studio:lists", { detail: { choose, gone: [...gone], held: [...held] } }));

function follow() {
  const page = document.documentElement.classList;
  if (offline || !page.contains("ss-ready") || !page.contains("ss-listening")) return;
  if (state.lists === shown || Date.now() < patience) return;
  asked = state.lists;
  patience = Date.now() + 5000; // an answer that was lost is asked for again
  freshen();
}

export function followLists() {
  window.addEventListener("studio:state", () => state && follow());
}

/** After all lists have come: `said` is what the server has to say of them. */
export function listed(said) {
  shown = asked;
  patience = 0;
  document.documentElement.classList.add("ss-listed");
  const lines = linesOf(said);
  for (const one of new DOMParser().parseFromString(said || "", "text/html").querySelectorAll("[data-held]"))
    held.add(one.dataset.held);
  const news = lines.filter((one) => !gone.has(one.dataset.field)).map((one) => one.textContent);
  gone.clear();
  for (const one of lines) gone.add(one.dataset.field);
  answered("lists", said, null);
  if (news.length) say(news.join(" "));
  for (const tab of leadTo.splice(0)) go(tab);
}

/** Choose something in a form for the reader (a value, or `run:` and the run that made it), then open its tab. */
export function choose(wanted, tab) {
  leadTo.push(tab);
  freshen(wanted);
}

// The keyboard. Keys count while the review tab is shown and nobody is typing.

const TYPING = "input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable]";
const LISTS = "select"; // letters choose in a list; it has nothing of its own to undo
const SLIDES = /^(Arrow|Page|Home|End)/; // what moves a slider
const DIGITS = "1234567890";
const PRESSABLE = "button, a, summary, input, [role=tab]";

/** Which class each digit key means, as a Map: a class that is called by a digit has that key; the other classes that are
 * listed have the keys that are left, in order: 1 to 9, then 0 for the tenth. */
export function digitKeys(names, listed = names) {
  const keys = new Map(names.filter((name) => /^[0-9]$/.test(name)).map((name) => [name, name]));
  const rest = listed.filter((name) => !keys.has(name));
  for (const key of DIGITS) if (!keys.has(key) && rest.length) keys.set(key, rest.shift());
  return keys;
}

/** Listen for keys; returns a function that stops. `act` has one function per gesture. */
export function listen(root, act) {
  const plain = {
    p: () => act.decide("keep"),
    x: () => act.decide("reject"),
    u: () => act.decide("clear"),
    delete: () => act.decide("reject"),
    backspace: () => act.decide("reject"),
    i: act.details,
    s: act.similar,
    w: act.words,
    t: act.tag,
    r: act.refresh,
    a: act.advance,
    "?": act.help,
    " ": act.preview,
    escape: act.escape,
    "+": () => act.zoom(1),
    "=": () => act.zoom(1),
    "-": () => act.zoom(-1),
    z: () => act.zoom(0),
    f: () => act.zoom(null),
    home: () => act.jump(-Infinity),
    end: () => act.jump(Infinity),
  };
  const moves = { arrowleft: -1, arrowright: 1 };
  const rows = { arrowup: -1, arrowdown: 1 };
  const leaps = { pageup: -1, pagedown: 1 };

  function handle(event) {
    const key = event.key.toLowerCase();
    if (event.ctrlKey || event.metaKey) {
      if ((key === "z" && event.shiftKey) || key === "y") return act.redo();
      if (key === "z") return act.undo();
      if (key === "a") return act.all();
      return false;
    }
    if (event.altKey) return false;
    if (key in moves) return act.step(moves[key], event.shiftKey);
    if (key in rows) return act.row(rows[key], event.shiftKey);
    if (key in leaps) return act.leap(leaps[key]);
    if (/^[0-9]$/.test(key)) return act.move(key);
    return key in plain ? plain[key]() : false;
  }

  function onKey(event) {
    const target = event.target instanceof Element ? event.target : document.body;
    if (!root.isConnected || root.offsetParent === null || event.defaultPrevented) return;
    const command = (event.ctrlKey || event.metaKey) && target.matches(LISTS);
    if ((target.closest(TYPING) && !command) || document.querySelector("dialog[open]")) return;
    if (target !== document.body && !root.contains(target)) return;
    const pressed = target.closest(PRESSABLE);
    if (pressed && ([" ", "Enter"].includes(event.key) || (pressed.matches("input") && SLIDES.test(event.key)))) return;
    if (handle(event) !== false) event.preventDefault();
  }
  document.addEventListener("keydown", onKey);
  return () => document.removeEventListener("keydown", onKey);
}

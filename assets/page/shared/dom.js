// Elements, and drawing them anew only where something has changed. Text from outside only ever becomes a text node or
// an attribute: a class name full of HTML stays a class name.

const PROPERTIES = ["value", "checked", "selected"]; // set last: a value needs its options and its bounds

/** An element with attributes, listeners (on…) and children; null, undefined and false stand for nothing. */
export function h(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  const given = Object.entries(attributes).filter(([, value]) => !nothing(value));
  for (const [name, value] of given) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (!PROPERTIES.includes(name)) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...some(children));
  for (const [name, value] of given) if (PROPERTIES.includes(name)) made[name] = value;
  if (made.classList.contains("ss-scroll")) wide().observe(made);
  return made;
}

/** The same for a drawing, without listeners. */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...some(children));
  return made;
}

const nothing = (value) => value === null || value === undefined || value === false;
const some = (children) => [children].flat(Infinity).filter((child) => !nothing(child));

// What can be scrolled sideways can be reached by the keyboard, and only then.
let observer = null;
const wide = () =>
  (observer ??= new ResizeObserver((seen) => {
    for (const { target } of seen) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  }));

// ---- drawing

const drawn = new WeakMap();

/** Whether what is shown at a place is not what it showed last; from now on it is. */
export function differs(place, data) {
  const looks = JSON.stringify(data) ?? "";
  if (drawn.get(place) === looks) return false;
  drawn.set(place, looks);
  return true;
}

/** Make what is in a place anew, where its data differs from what it showed last: focus, scroll and listeners stay with
 * what has not changed. `data` is everything that `make` looks at; `make(data)` returns children as `h` takes them. */
export function render(place, data, make) {
  const changed = differs(place, data);
  if (changed) place.replaceChildren(...some(make(data)));
  return changed;
}

/** The next `render` makes a place anew, whatever it shows. */
export function forget(place) {
  drawn.delete(place);
}

/** Put these children into a place, whatever was there. */
export const fill = (place, ...children) => place.replaceChildren(...some(children));

/** A text that is touched only where it differs. */
export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

/** One child of a place for each item of a list, in its order. What is there stays, with its focus; what is new is made
 * (`make(item)`, an object whose `root` is the element) and everything is brought up to date (`update(row, item)`). */
export class Rows {
  constructor(place, make, update = () => {}, key = (item) => item.id) {
    Object.assign(this, { place, make, update, key });
    this.known = new Map();
  }
  draw(items) {
    const keys = items.map((item) => this.key(item)),
      left = new Set(keys);
    for (const [key, row] of this.known)
      if (!left.has(key)) {
        row.root.remove();
        this.known.delete(key);
      }
    items.forEach((item, at) => {
      if (!this.known.has(keys[at])) this.known.set(keys[at], this.make(item));
      const row = this.known.get(keys[at]);
      this.update(row, item, at);
      if (this.place.children[at] !== row.root) this.place.insertBefore(row.root, this.place.children[at] ?? null);
    });
  }
  get(key) {
    return this.known.get(key);
  }
  [Symbol.iterator]() {
    return this.known[Symbol.iterator]();
  }
}

/** Offer [value, words] in a select; what is chosen stays chosen while it is offered. Returns whether the offer changed. */
export function offer(select, options) {
  const chosen = select.value;
  const changed = render(select, options, () => options.map(([value, words]) => h("option", { value }, words)));
  if (changed && options.some(([value]) => String(value) === chosen)) select.value = chosen;
  return changed;
}

// ---- what is on every tab

export const button = (words, onclick, kind = "", more = {}) =>
  h("button", { type: "button", class: `ss-button ${kind}`.trim(), onclick, ...more }, words);
export const link = (words, onclick, more = {}) =>
  h("button", { type: "button", class: "ss-link", onclick, ...more }, words);

/** A control below its name. */
export const field = (words, control) =>
  h("div", { class: "ss-field" }, h("label", { for: control.id }, words), control);

/** What a run or a thing is, in its colour. */
export const stateBadge = (state, words = state) => h("span", { class: "ss-state", "data-state": state }, words);

/** A table: heads by `th`, rows by `tr` and `td`. `kind` is a class: "n" for numbers, "ss-wide" for what a phone omits. */
export const table = (heads, rows, kind = "", more = {}) =>
  h(
    "table",
    { class: `ss-table ${kind}`.trim(), ...more },
    heads.length ? h("thead", {}, h("tr", {}, heads)) : null,
    h("tbody", {}, rows),
  );
export const tr = (...cells) => h("tr", {}, cells);
export const th = (kind, words, more = {}) => h("th", { class: kind || null, ...more }, words);
export const td = (kind, ...children) => h("td", { class: kind || null }, ...children);

/** A fold: closed until somebody opens it. */
export const fold = (title, ...content) => h("details", {}, h("summary", {}, title), ...content);

/** Whether somebody can see it now. */
export const inSight = (node) => node.isConnected && node.offsetParent !== null;

/** A place where files can be dropped: `take` hears of what was. */
export function dropZone(attributes, take, ...content) {
  const zone = h("div", attributes, ...content);
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    take(event.dataTransfer);
  });
  return zone;
}

// ---- odds and ends of browsers

/** A random id in the form of a UUID; crypto.randomUUID is missing on plain http. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** Call at most once per animation frame. */
export function perFrame(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      work();
    });
  };
}

export const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Copy text, also where the clipboard is not offered. */
export async function copy(words) {
  try {
    await navigator.clipboard.writeText(words);
    return;
  } catch {
    /* plain http: the old way */
  }
  const area = h("textarea", { value: words, style: "position:fixed;opacity:0" });
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

// What is kept in this browser. Storage may be full, forbidden or damaged: that costs comfort, nothing else.
import { PROJECT } from "./server.js";

/** The key of something that each project has for itself. */
export const ofProject = (name) => `synthstudio.${PROJECT}.${name}`;

/** What was kept under a key, or the fallback. `where`: localStorage, or sessionStorage for this tab alone. */
export function recall(key, fallback, where = "localStorage") {
  try {
    return JSON.parse(globalThis[where].getItem(key)) ?? fallback;
  } catch {
    return fallback;
  }
}

/** Keep a value under a key; returns whether the browser lets us. */
export function remember(key, value, where = "localStorage") {
  try {
    globalThis[where].setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

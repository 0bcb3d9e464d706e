// Put the review grid into its place and keep it in step with the server.
import { h } from "../shared/dom.js";
import { Api } from "./api.js";
import { Review } from "./review.js";

/** Called once by the page; `use` tells the page that the settings of an image are wanted. */
export async function mount(place, use) {
  await Promise.all(["review.css", "map.css"].map((name) => style(new URL(name, import.meta.url).pathname)));
  await new Review(new Api(), place, use).start();
}

function style(href) {
  return new Promise((done) => {
    if (document.querySelector(`link[href="${href}"]`)) {
      done();
      return;
    }
    document.head.append(h("link", { rel: "stylesheet", href, onload: done, onerror: done }));
  });
}

// Put the review grid into its place and keep it in step with the server.
import { Api } from "./api.js";
import { h } from "./dom.js";
import { Review } from "./review.js";

/** Called once by the page; `use` tells the page that the settings of an image are wanted. */
export async function mount(element, base, use) {
  await style(import.meta.url.replace(/[^/]*$/, "review.css"));
  const api = new Api(base);
  const place = element.querySelector(".ss-review") ?? element;
  const review = new Review(api, place, use);
  await review.start();
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

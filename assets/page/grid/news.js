// What other tabs and runs have done, asked for again and again while somebody looks.
import { sleep } from "../shared/dom.js";
import { NOTHING } from "./filters.js";

const POLL = 1500; // ms

/** Ends when the grid is no longer on the page. */
export async function follow(review) {
  const { api, place, view } = review;
  while (place.isConnected) {
    if (!document.hidden && place.offsetParent !== null) {
      try {
        await take(review, await api.ask("changes", { since: view.last }));
      } catch {
        /* the connection line says so */
      }
    }
    await sleep(POLL);
  }
}

async function take(review, news) {
  const { store, view } = review;
  if (news.project !== review.project) {
    await another(review);
    return;
  }
  const decided = news.last > view.last,
    arrived = news.newest > view.newest;
  view.last = Math.max(view.last, news.last);
  if (news.reset) store.refresh();
  else if (news.rows.length) store.learn(news.rows);
  if (arrived) {
    view.newest = news.newest;
    await view.offer();
    if (store.total === 0) {
      await view.refresh();
      return;
    }
  }
  if (decided || arrived) view.tally();
}

/** Another project was opened at this address. */
async function another(review) {
  review.view.last = review.view.newest = 0;
  review.open(await review.api.insist("start"));
  await review.view.show({ ...NOTHING });
  review.queue.start();
}

// What people decide: of one image or of many, undone and done again, and what became of it at the server.
import { many, number } from "../shared/format.js";

const NAMED = 400; // so many images are named one by one; more are said by their places in the list

export class Deciding {
  constructor(review) {
    this.review = review;
  }

  /** Keep, reject, clear or move the selection, or the current image if nothing is selected. */
  decide(verdict, label = "") {
    const { advance, grid, preview, selection, store, view } = this.review;
    if (!store.total) return;
    const act = {
      verdict,
      ...(verdict === "relabel" && { label }),
      run: view.filter.run,
      image_set: view.filter.image_set,
    };
    if (selection.size && !preview.isOpen) {
      this.#decideMany(act);
      return;
    }
    const row = store.row(grid.current);
    if (!row) return; // not here yet: nobody can have seen it
    this.#add(act, [row]);
    if (advance) this.review.step(1);
    else this.review.redraw();
  }

  /** Put tags on the selection or the current image, or take them off: one act. */
  tag(tags, off) {
    const { grid, queue, selection, store } = this.review;
    const act = { tags, off };
    if (selection.size) {
      const rows = selection.size <= NAMED ? [...selection].map((place) => store.row(place)) : [];
      if (rows.length && rows.every(Boolean)) queue.add({ ...act, images: rows.map((row) => row.digest) });
      else queue.add({ ...act, query: store.query, spans: selection.spans });
    } else if (store.row(grid.current)) queue.add({ ...act, images: [store.row(grid.current).digest] });
    this.review.redraw();
  }

  /** Take a tag off one image. */
  untag(digest, tag) {
    this.review.queue.add({ tags: [tag], off: true, images: [digest] });
  }

  /** Reject every pending image of the view that was made in one way: one act, which one undo takes back. */
  rejectAll({ cause, says }) {
    const { queue, store, view } = this.review;
    const { run, image_set } = view.filter;
    queue.add({ verdict: "reject", query: store.query, cause, why: says.slice(0, 500), run, image_set });
    this.review.redraw();
  }

  /** Take an earlier act back, whoever made it. */
  takeBack(act) {
    this.review.queue.add({ undoes: act });
    this.review.redraw();
  }

  moveTo(label) {
    if (label !== undefined) this.decide("relabel", label);
  }

  undo() {
    this.#turned(this.review.queue.undo(), "Nothing to undo.");
  }

  redo() {
    this.#turned(this.review.queue.redo(), "Nothing to redo.");
  }

  /** What the queue says of an act on its way. */
  heard({ type, act, batch, answer, error }) {
    const { status, store } = this.review;
    const ids = batch?.map((one) => one.id);
    if (type === "queued") store.expect(act.id, act.shows);
    if (type === "failing") store.problem(ids, error);
    if (type === "refused") {
      store.settle(ids);
      status.say(`Refused: ${error}`);
    }
    if (type === "stored") {
      store.settle(ids);
      this.#stored(answer);
      batch.forEach((one, at) => one.cause && this.#gone(one, answer.outcomes[at]));
      batch.forEach((one, at) => one.tags && this.#tagged(one, answer.outcomes[at]));
      if (batch.some((one) => one.tags || one.undoes)) this.#tagsChanged();
    }
    this.review.redraw();
  }

  #gone({ why }, { changed }) {
    this.review.status.say(`${many(changed, "image")} rejected: ${why}. Undo takes all of them back.`);
  }

  #tagged({ tags, off }, { changed }) {
    this.review.status.say(`${off ? "Taken off" : "Tagged"}: ${tags.join(", ")} (${many(changed, "change")})`);
  }

  #tagsChanged() {
    const { drawer, grid, store, view } = this.review;
    view.offer();
    const row = store.row(grid.current);
    if (row) drawer.show(row.digest, true);
  }

  #decideMany(act) {
    const { queue, selection, store } = this.review;
    const places = selection.size <= NAMED ? [...selection] : [];
    const rows = places.map((place) => store.row(place));
    if (places.length && rows.every(Boolean)) this.#add(act, rows);
    else queue.add({ ...act, query: store.query, spans: selection.spans });
    this.review.redraw();
  }

  #add(act, rows) {
    const { queue, store } = this.review;
    queue.add(
      { ...act, images: rows.map((row) => row.digest) },
      rows.map((row) => {
        const { verdict, label, moved } = store.shown(row);
        return [row.digest, verdict || "clear", moved ? label : ""];
      }),
    );
  }

  /** After an undo of one image, that image is the current one again. */
  #turned(states, otherwise) {
    const { grid, status, store } = this.review;
    if (!states) {
      status.say(otherwise);
      return;
    }
    const place = states.length === 1 ? store.placeOf(states[0][0]) : -1;
    if (place >= 0) grid.go(place);
    else this.review.redraw();
  }

  #stored({ outcomes, reset, rows }) {
    const { drawer, grid, status, store, view } = this.review;
    store.learn(rows);
    if (reset) store.refresh();
    const kept = outcomes.reduce((sum, one) => sum + one.kept_elsewhere, 0);
    if (kept) status.say(`${number(kept)} decided elsewhere since: left as they are.`);
    view.tally();
    const row = store.row(grid.current);
    if (row && rows.some(([digest]) => digest === row.digest)) drawer.show(row.digest, true);
  }
}

// What is done with what was chosen: a set is made of it, or it is asked whether the review helped.
import { watch } from "../shared/state.js";
import { freezing, judging } from "./dialogs.js";
import { NOTHING } from "./filters.js";

/** Ask for a name and make a set: of what is accepted, of what is not rejected, or of what is selected. */
export async function freeze(review) {
  if (stillSaving(review)) return;
  const { api, place, project, selection, store, view } = review;
  const { labels, origins, run, image_set, image_sets, scorer, limits } = view.filter;
  const filter = { ...NOTHING, labels, origins, run, image_set, image_sets, scorer, limits };
  const frozen = (query, name, spans = []) => api.say("freeze", { project, query, spans, name });
  const viewed = (standings) => api.insist("view", { q: JSON.stringify({ ...filter, standings }) });
  const views = await Promise.all([["accepted"], ["accepted", "pending"]].map(viewed));
  freezing(
    place,
    [
      ["Accepted images", views[0].total, (name) => frozen(views[0].query, name)],
      ["Everything that is not rejected", views[1].total, (name) => frozen(views[1].query, name)],
      // The classes of a hand-made selection are those of now, not those of when the list was made.
      ["The selected images", selection.size, (name) => frozen(store.query, name, selection.spans)],
    ],
    (made) => judge(review, made.image_set),
  );
}

/** Ask which selection to judge. */
export async function helped(review) {
  if (stillSaving(review)) return;
  const { selections } = await review.api.insist("selections");
  judging(review.place, selections, (name) => judge(review, name));
}

/** Ask what a selection was worth ('': what is accepted now) and show how it goes; throws the reason of a refusal. */
async function judge({ api, project }, name) {
  const { pipeline } = await api.say("helped", { project, name });
  watch(pipeline);
}

function stillSaving({ queue, status }) {
  if (queue.waiting.length) status.say("Wait until all decisions are saved.");
  return queue.waiting.length > 0;
}

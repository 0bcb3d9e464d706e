// The page's own code: everything that lives on it. Each tab defines its elements; gradio holds their places.
import "./door.js"; // for gradio, also when the server is away
import "./tabs/bar.js";
import "./tabs/data.js";
import "./tabs/distil.js";
import "./tabs/evaluate.js";
import "./tabs/export.js";
import "./tabs/image_settings.js";
import "./tabs/latest.js";
import "./tabs/library.js";
import "./tabs/live.js";
import "./tabs/measures.js";
import "./tabs/models.js";
import "./tabs/review.js";
import "./tabs/runs.js";
import "./tabs/settings_grid.js";
import "./tabs/shrink.js";
import "./tabs/theme.js";
import "./tabs/sweep.js";
import "./tabs/until.js";
import { followTabs } from "./shared/address.js";
import { followLists } from "./shared/choices.js";
import { startPolling } from "./shared/state.js";

followTabs();
followLists();
startPolling();

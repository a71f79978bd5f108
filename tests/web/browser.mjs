// What pages see in headless Chromium, as JSON: node browser.mjs CONFIG.json, which names the browser and playwright-core, the
// checks (`only`), and what they are of: `golden` and `mutated` (folders' files), `photo` (one of 768x512), `clip`, of several
// segments, `site`, a gallery, and `out`, a folder.

import { readFileSync } from "node:fs";
import * as clips from "./clips.mjs";
import { start } from "./page.mjs";
import * as pictures from "./pictures.mjs";

const config = JSON.parse(readFileSync(process.argv[2]));
const checks = { ...pictures, ...clips };
const started = await start(config);
const results = {};
for (const name of config.only) results[name] = await checks[name](started);
await started.close();
console.log(JSON.stringify(results));

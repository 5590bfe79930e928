/** The incidents that the first line must name: injected for real, read in Chromium, and compared with API and command. */

import { afterAll, beforeAll, describe, setDefaultTimeout, test } from "bun:test";
import type { Browser } from "playwright-core";

import { findChromium, launchChromium } from "../support/browser.ts";
import { temporaryFolder } from "../support/folder.ts";
import { Stories } from "./incidents/story.ts";
import { balancer } from "./incidents/balancer.ts";
import { fleet } from "./incidents/fleet.ts";
import { pools } from "./incidents/pools.ts";
import { processes } from "./incidents/processes.ts";
import { traffic } from "./incidents/traffic.ts";
import { upstreams } from "./incidents/upstreams.ts";

const executable = findChromium();

// Bun kills the browser, and with it every other test, when one test takes longer than this.
setDefaultTimeout(180_000);

const inFolder = temporaryFolder("incidents");
const stories = new Stories();
let browser: Browser;

/** The part of a story, and the incident. */
const incidents = [
  ["1", "one of 12 answers 30 % with 500, and its probe passes"],
  ["2", "one of 16 takes eight times as long"],
  ["3", "the same with three requests a minute on it: nothing"],
  ["4", "one of 24 is killed, and retries hide it"],
  ["5", "three of 12 are killed at once"],
  ["6", "all of a pool are killed"],
  ["7", "all of a pool are ejected, and all serve again"],
  ["8", "two slots, and more requests than they serve"],
  ["9", "the queue is 60 % full, and none is turned away"],
  ["10", "memory is at its limit"],
  ["11", "the disk is full, and an upstream is drained"],
  ["12", "a certificate ends in six days"],
  ["13", "a certificate has ended"],
  ["14", "a reload with weight -1"],
  ["15", "a check goes up and down six times"],
  ["16", "one is frozen"],
  ["17", "one is ejected again each time it comes back"],
  ["18", "all of a pool are four times slower since a reload"],
  ["19", "one of four balancers stops"],
  ["20", "the balancer stops answering"],
  ["rank", "1 and 2 together rank 1, 2"],
  ["drain", "draining the culprit closes its problem as soon as it is empty"],
  ["restart", "a restart after a drain opens nothing"],
] as const;

describe.skipIf(!executable)("the first line of the page", () => {
  beforeAll(async () => {
    browser = await launchChromium(executable ?? "");
    stories.begin({ browser, inFolder }, [traffic, upstreams, pools, processes, balancer, fleet]);
  });
  afterAll(async () => {
    await stories.end();
    await browser?.close();
  });

  for (const [part, incident] of incidents) test(`${part}: ${incident}`, () => stories.seen(part));
});

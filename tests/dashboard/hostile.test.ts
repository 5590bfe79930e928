import { describe, expect, test } from "bun:test";
import { eventOf } from "../../src/dashboard/live.ts";
import { renderDone, renderLive, renderNotice, renderPage } from "../../src/dashboard/page.tsx";
import type { Picture } from "../../src/dashboard/picture.ts";
import { busySnapshot } from "../support/admin-stand-in.ts";

const hostile = `<i>"'&raw`;

/** The same value with every string in it, keys of open records included, replaced by the hostile one. */
function poisoned(value: unknown): unknown {
  if (typeof value === "string") return hostile;
  if (Array.isArray(value)) return value.map(poisoned);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) =>
      key === "refusals" ? [key, { [hostile]: 3 }] : [key, poisoned(part)],
    ),
  );
}

const picture: Picture = {
  at: Date.now(),
  readAt: Date.now(),
  adminUrl: hostile,
  frontDoor: {
    url: hostile,
    reachable: true,
    status: 200,
    detail: hostile,
    latencyMs: 1,
    checkedAt: Date.now(),
  },
  snapshot: poisoned(busySnapshot()) as Picture["snapshot"],
  outage: undefined,
};
const { snapshot } = picture;
const backups = snapshot && {
  ...snapshot,
  pools: snapshot.pools.map((pool) => ({
    ...pool,
    upstreams: pool.upstreams.map((upstream) => ({
      ...upstream,
      backup: true,
      weight: 7,
      mode: "ready" as const,
      status: "failing" as const,
      modeSet: null,
    })),
  })),
};

const pictures: Readonly<Record<string, Picture>> = {
  "a known state": picture,
  "an outage": { ...picture, outage: { reason: "refused", message: hostile, since: picture.at } },
  "an outage from the start": {
    ...picture,
    snapshot: undefined,
    readAt: 0,
    outage: { reason: "unreachable", message: hostile, since: picture.at },
  },
  "a shut front door": { ...picture, frontDoor: { ...picture.frontDoor, reachable: false, status: null } },
  "failing backups": { ...picture, snapshot: backups },
  "an empty pool beside one that serves": {
    ...picture,
    snapshot: snapshot && {
      ...snapshot,
      pools: [...snapshot.pools, ...snapshot.pools.map((pool) => ({ ...pool, upstreams: [] }))],
    },
  },
  "no pools": { ...picture, snapshot: snapshot && { ...snapshot, pools: [] } },
};

const renderings: Readonly<Record<string, (picture: Picture) => string>> = {
  "the page": (each) => renderPage({ picture: each }),
  "the page with a notice": (each) => renderPage({ picture: each, notice: hostile }),
  "the live fragment": renderLive,
  "a live event": (each) => eventOf(renderLive(each)),
  "the answer to an action": renderDone,
  "a notice": () => renderNotice(hostile),
};

describe("a hostile string never reaches the markup raw", () => {
  for (const [state, each] of Object.entries(pictures)) {
    for (const [name, render] of Object.entries(renderings)) {
      test(`${name}, ${state}`, () => {
        const html = render(each);
        expect(html).toContain("&lt;i");
        for (const raw of ["<i>", `"'`, "&raw"]) expect(html).not.toContain(raw);
      });
    }
  }
});

test("numbers that are not numbers become no markup either", () => {
  const text = JSON.stringify(busySnapshot(), (_, value) => (typeof value === "number" ? hostile : value));
  const html = renderPage({ picture: { ...picture, snapshot: JSON.parse(text) as Picture["snapshot"] } });
  for (const raw of ["<i>", `"'`, "&raw"]) expect(html).not.toContain(raw);
});

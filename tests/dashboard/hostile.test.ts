import { describe, expect, test } from "bun:test";
import { marks, personal } from "../../src/dashboard/login/marks.tsx";
import { renderLogin, renderRefusal, renderRefusalPart } from "../../src/dashboard/login/pages.tsx";
import { eventOf } from "../../src/dashboard/live.ts";
import { renderNumbers } from "../../src/dashboard/numbers.tsx";
import {
  renderConfigPage,
  renderDone,
  renderLive,
  renderNotice,
  renderPage,
  renderUpstreamLive,
  renderUpstreamPage,
} from "../../src/dashboard/page.tsx";
import type { Picture } from "../../src/dashboard/picture.ts";
import type { UpstreamPicture } from "../../src/dashboard/upstream-feeds.ts";
import { viewOf } from "../../src/dashboard/view.ts";
import type { UpstreamDetail } from "../../src/detail.ts";
import type { RehearsalSnapshot } from "../../src/snapshot.ts";
import { columnsOf } from "../../src/history/point.ts";
import { busySnapshot, detailOf, upstreamsOf, wavesUntil } from "../support/admin-stand-in.ts";

const hostile = `<i>"'&raw`;

const openRecords: ReadonlySet<string> = new Set(["refusals", "errorsByReason", "codes"]);

/** The same value with every string in it, keys of open records included, replaced by the hostile one. */
function poisoned(value: unknown): unknown {
  if (typeof value === "string") return hostile;
  if (Array.isArray(value)) return value.map(poisoned);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) =>
      openRecords.has(key) ? [key, { [hostile]: 3 }] : [key, poisoned(part)],
    ),
  );
}

/** Numbers from far away may be anything as well. */
function poisonedColumns() {
  const columns = columnsOf(wavesUntil(Date.now(), { spanMs: 60_000, stepMs: 1_000, since: 0 }));
  return { ...columns, p50Ms: columns.p50Ms.map(() => hostile as unknown as number) };
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
  trends: [{ pool: hostile, upstream: hostile, columns: poisonedColumns() }],
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

/** Something is played on every upstream. */
const rehearsed = {
  ...{ latencyMs: 2_000, errorShare: 0.3, error: hostile, probes: true },
  ...{ until: picture.at + 20_000, by: hostile, why: hostile },
} as unknown as RehearsalSnapshot;
const rehearsing = snapshot && {
  ...snapshot,
  pools: snapshot.pools.map((pool) => ({
    ...pool,
    upstreams: pool.upstreams.map((upstream) => ({ ...upstream, rehearsal: rehearsed })),
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
  "rehearsals everywhere": { ...picture, snapshot: rehearsing },
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
  "the page": (each) => renderPage({ picture: each, columnsOf: poisonedColumns }),
  "the page, sorted and filtered": (each) =>
    renderPage({ picture: each, view: viewOf({ sort: "errors-down", filter: hostile }) }),
  "the page with a notice": (each) => renderPage({ picture: each, notice: hostile }),
  "the live fragment": (each) => renderLive(each),
  "a live event": (each) => eventOf(renderLive(each)),
  "the answer to an action": (each) => renderDone(renderLive(each)),
  "a notice": () => renderNotice(hostile),
};

const detail = poisoned(detailOf(upstreamsOf(busySnapshot())[1] as UpstreamDetail)) as UpstreamDetail;
const trend = { pool: hostile, upstream: hostile, columns: poisonedColumns() };
const shown: UpstreamPicture = { at: picture.at, picture, id: hostile, detail, trend, trouble: undefined };
const refused = { reason: "refused", message: hostile } as const;

const furtherRenderings: Readonly<Record<string, () => string>> = {
  "an upstream's page": () => renderUpstreamPage({ shown, columns: poisonedColumns(), notice: hostile }),
  "an upstream's page without its history": () => renderUpstreamPage({ shown }),
  "an upstream's page, failing": () =>
    renderUpstreamPage({ shown: { ...shown, detail: { ...detail, mode: "ready", status: "failing" } } }),
  "an upstream's page, by configuration": () =>
    renderUpstreamPage({ shown: { ...shown, detail: { ...detail, mode: "draining", modeSet: null } } }),
  "an upstream's page in an outage": () => renderUpstreamPage({ shown: { ...shown, trouble: refused } }),
  "the page of an upstream that is not there": () =>
    renderUpstreamPage({
      shown: { ...shown, detail: undefined, trouble: { ...refused, reason: "missing" } },
    }),
  "an upstream's live fragment": () => renderUpstreamLive(shown),
  "an upstream's page during a rehearsal": () =>
    renderUpstreamPage({ shown: { ...shown, detail: { ...detail, rehearsal: rehearsed } } }),
  "the configuration": () =>
    renderConfigPage({ value: [{ name: hostile, value: hostile, source: hostile }] }),
  "the login": () =>
    renderLogin({ csrf: hostile, next: hostile, name: hostile, words: hostile, tone: "bad" }),
  "a refusal": () => renderRefusal({ title: hostile, words: hostile }),
  "a refusal for htmx": () => renderRefusalPart({ title: hostile, words: hostile }),
  "who is logged in": () => personal(marks.who, { name: hostile, role: "viewer", csrf: "token" }),
  "the configuration that cannot be read": () => renderConfigPage({ trouble: refused }),
};

describe("a hostile string never reaches the markup of the further pages raw", () => {
  for (const [name, render] of Object.entries(furtherRenderings)) {
    test(name, () => {
      const html = render();
      expect(html).toContain("&lt;i");
      for (const raw of ["<i>", `"'`, "&raw"]) expect(html).not.toContain(raw);
    });
  }

  test("the table of numbers", () => {
    const html = renderNumbers(poisonedColumns(), "5m");
    for (const raw of ["<i>", `"'`, "&raw"]) expect(html).not.toContain(raw);
  });
});

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

test("numbers of an upstream that are not numbers become no markup either", () => {
  const text = JSON.stringify(detail, (_, value) => (typeof value === "number" ? hostile : value));
  const html = renderUpstreamPage({ shown: { ...shown, detail: JSON.parse(text) as UpstreamDetail } });
  for (const raw of ["<i>", `"'`, "&raw"]) expect(html).not.toContain(raw);
});

/** What a route changes in the head of a response that is compressed. */

import { expect, test } from "bun:test";

import { createCompression, defaultTypes } from "../../src/filter/compression.ts";
import { contentCodings } from "../../src/proxy/compression.ts";
import { FilteredRequest } from "../../src/proxy/filter.ts";
import { FilterRun } from "../../src/proxy/filter-run.ts";
import { type Field, PlainNames } from "../../src/proxy/head-edit.ts";
import type { RequestHead } from "../../src/proxy/request-head.ts";

function runWith(removed: readonly string[], added: readonly Field[] = []): FilterRun {
  const head: RequestHead = {
    ...{ method: "GET", target: "/", host: "a", peerAddress: "::1", clientAddress: "::1", scheme: "http" },
    listener: "main",
    header: (name) => (name === "accept-encoding" ? "gzip" : undefined),
  };
  const request = new FilteredRequest(
    head,
    { route: { place: "routes[0]" } },
    { requestId: "", trace: undefined },
  );
  const compression = createCompression({ types: defaultTypes, minBytes: 0, codings: contentCodings });
  const edit = { removed: new PlainNames(removed), defaults: [], added };
  return new FilterRun(request, { filters: [], compression, responseEditor: { edit: () => edit } });
}

const fields: Readonly<Record<string, string>> = { "content-type": "text/html", etag: '"v1"' };
const response = { status: 200, bodyBytes: 5_000, header: (name: string) => fields[name] };

test("a route cannot take the name of the coding away, but what else the compression writes", () => {
  const run = runWith(["Content-*", "ETag"], [["X-Served", "yes"]]);
  expect(run.compress(response)).toEqual({ coding: "gzip", level: 5 });
  const edit = run.responseEdit(undefined);
  expect(edit?.added).toEqual([
    ["Content-Encoding", "gzip"],
    ["Vary", "Accept-Encoding"],
    ["X-Served", "yes"],
  ]);
  expect(edit?.removed.has("accept-ranges")).toBe(true);
});

test("the balancer's own response is not told to be compressed after an upstream's was", () => {
  const run = runWith([]);
  run.compress(response);
  run.forgetResponse();
  expect(run.responseEdit(undefined)?.added).toEqual([]);
});

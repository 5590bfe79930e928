/** The filters that answer a route's requests or change their messages, from their settings in the configuration. */

import type { Config, RouteConfig } from "../config/config.ts";
import { ageSecondsOf } from "../config/values.ts";
import { createCors } from "../filter/cors.ts";
import { createErrorPages } from "../filter/error-pages.ts";
import { createRequestEditor, createResponseEditor } from "../filter/header-edits.ts";
import { createPathChange } from "../filter/path-change.ts";
import { createRedirect } from "../filter/redirect.ts";
import { createRespond } from "../filter/respond.ts";
import type { RequestFilter } from "../proxy/filter.ts";
import type { FoundRoute, RouteHandling } from "../proxy/route.ts";

/** Preflights come before limits and authentication: browsers send them without credentials. */
export function corsFilters({ settings: { cors } }: RouteConfig): readonly RequestFilter[] {
  if (!cors) return [];
  const { maxAge, ...settings } = cors;
  return [createCors({ ...settings, ...(maxAge !== undefined && { maxAgeSeconds: ageSecondsOf(maxAge) }) })];
}

/** The end of a route that no pool serves. */
export function answerFilters({ redirect, respond, texts }: RouteConfig): readonly RequestFilter[] {
  if (redirect) return [createRedirect(redirect)];
  if (!respond) return [];
  const { file, retryAfter, ...settings } = respond;
  return [
    createRespond({
      ...settings,
      ...(file !== undefined && { file: { name: file, content: texts[file] ?? "" } }),
      ...(retryAfter !== undefined && { retryAfterSeconds: ageSecondsOf(retryAfter) }),
    }),
  ];
}

/** The last of all: servers that authenticate see what the client asked for. */
export function pathFilters({ settings, conditions }: RouteConfig): readonly RequestFilter[] {
  const change = createPathChange(settings, conditions.path);
  return change ? [change] : [];
}

/** What a route does with messages when its filters have let a request pass, or answered it. */
export function messageEdits({ pool, settings, texts }: RouteConfig): Omit<RouteHandling, "filters"> {
  const { requestHeaders, responseHeaders, errorPages } = settings;
  const pages = Object.entries(errorPages ?? {}).map(([status, file]) => [status, texts[file] ?? ""]);
  return {
    ...(requestHeaders && { requestEditor: createRequestEditor(requestHeaders, pool) }),
    ...(responseHeaders && { responseEditor: createResponseEditor(responseHeaders, pool) }),
    ...(errorPages && { errorPages: createErrorPages(Object.fromEntries(pages)) }),
  };
}

/** The defaults of routes apply to requests without a route too, as far as they concern the response. */
export function unmatchedRequests(defaults: Config["defaults"]): FoundRoute | undefined {
  if (!defaults) return undefined;
  const place = "defaults";
  const { requestEditor: _, ...edits } = messageEdits({ place, conditions: {}, ...defaults });
  return Object.keys(edits).length > 0
    ? { route: { place, handling: { filters: [], ...edits } } }
    : undefined;
}

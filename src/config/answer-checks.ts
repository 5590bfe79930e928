/** Checks of what routes answer themselves: redirects, responses, and the answers to browsers' preflights. */

import { withoutBody } from "../proxy/refusal.ts";
import type { Path, Problem } from "./problem.ts";
import { capturesOf, type SettingsOwner, settingsOwners, templateProblems } from "./route-settings.ts";
import { type ConfigSources, entriesOf, valueAt } from "./sources.ts";

export function answerChecks(sources: ConfigSources): readonly Problem[] {
  const routes = entriesOf(valueAt(sources.value, ["routes"])).map(([index, value]) => ({
    path: ["routes", index],
    value,
  }));
  return [
    ...routes.flatMap((route) => redirectProblems(sources, route)),
    ...routes.flatMap((route) => respondProblems(sources, route)),
    ...settingsOwners(sources).flatMap((owner) => corsProblems(sources, owner)),
  ];
}

/** An authority without variables, or that of the request; and what may follow it. */
const fixedAuthority =
  /^https?:\/\/(?:\$\{host\}|[a-z\d_-]+(?:\.[a-z\d_-]+)*|\[[\da-f:.]+\])(?::\d{1,5})?(?:$|[/?#]|\$\{(?:target|path)\})/i;

function redirectProblems(sources: ConfigSources, { path, value: route }: SettingsOwner): readonly Problem[] {
  const short = valueAt(route, ["redirect"]);
  const isShort = typeof short === "string";
  const to: unknown = isShort ? short : valueAt(short, ["to"]);
  if (typeof to !== "string" || (isShort && to === "none")) return [];
  const found: SettingsOwner = { path: [...path, "redirect", ...(isShort ? [] : ["to"])], value: to };
  const problem = (why: string) => [sources.problemOf({ ...found, why })];
  const variables = templateProblems(sources, found, "address", capturesOf(route));
  if (variables.length > 0) return variables;
  const isUrl = /^https?:/i.test(to);
  if (!isUrl && /^\/[/\\]/.test(to)) return problem("an address that begins with two slashes names a host");
  if (isUrl && !fixedAuthority.test(to))
    return problem(
      "variables could decide which host a client is sent to; expected a host, and a slash or ${target} behind it",
    );
  if (isUrl && /^https?:\/\/\$\{host\}/i.test(to) && valueAt(route, ["host"]) === undefined)
    return problem("an open redirect: without host in the route, the sender of a link chooses ${host}");
  return [];
}

function respondProblems(sources: ConfigSources, { path, value: route }: SettingsOwner): readonly Problem[] {
  const respond = valueAt(route, ["respond"]);
  const bodies = ["text", "json", "file"].filter((key) => valueAt(respond, [key]) !== undefined);
  const status = valueAt(respond, ["status"]);
  if (bodies.length > 1)
    return [
      sources.problemOf({ path: [...path, "respond"], why: `expected only one of ${bodies.join(" and ")}` }),
    ];
  if (bodies.length === 1 && withoutBody.some((one) => one === status))
    return [
      sources.problemOf({
        path: [...path, "respond", "status"],
        why: `a response of this status has no body; leave out ${bodies[0]}`,
        value: status,
      }),
    ];
  return [];
}

function corsProblems(sources: ConfigSources, { path, value }: SettingsOwner): readonly Problem[] {
  const cors: Path = [...path, "cors"];
  if (valueAt(value, ["cors", "credentials"]) !== true) return [];
  return entriesOf(valueAt(value, ["cors", "origins"])).flatMap(([index, origin]) => {
    const why = openOrigins.get(origin);
    if (why === undefined) return [];
    return [sources.problemOf({ path: [...cors, "origins", index], why, value: origin })];
  });
}

const openOrigins: ReadonlyMap<unknown, string> = new Map([
  ["*", "with credentials every page could act as its visitor; name the origins, or leave out credentials"],
  ["null", "with credentials every page could act as its visitor from a frame without an origin"],
]);

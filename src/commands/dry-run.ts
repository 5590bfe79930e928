/** `evenkeel dry-run`: shows the route of a request and why, its filters, and the upstream. */

import type { DryRunCommand } from "../cli/dry-run.ts";
import type { Verb } from "../cli/verbs.ts";
import { splitCause } from "../wording/request-outcome.ts";
import { asArray, asRecord } from "../lib/json.ts";
import type { AdminCall, Failed } from "./admin-call.ts";
import { type ExitCode, plainText, type Terminal } from "./terminal.ts";

/** Exit code 0: it would be sent or answered; 1: it would be refused. */
export async function showDryRun(
  { request, asJson }: Extract<Verb, { verb: "dry-run" }>,
  call: AdminCall,
  terminal: Terminal,
): Promise<ExitCode | Failed> {
  const response = await call({ method: "POST", path: "/api/requests/dry-run", body: request });
  if (response.kind === "failed") return response;
  if (asJson) terminal.write(`${JSON.stringify(response.value)}\n`);
  else terminal.write(`${renderDryRun(request, response.value).join("\n")}\n`);
  return asRecord(response.value)["refusal"] === null ? 0 : 1;
}

type Row = readonly [name: string, text: string];

/** The result as lines: a heading, then one line for each fact. */
export function renderDryRun(request: DryRunCommand, result: unknown): readonly string[] {
  const run = asRecord(result);
  const { method, host, target, clientAddress = "127.0.0.1" } = request;
  const heading = `${method} ${target} for ${host}, from ${clientAddress} over ${text(run["scheme"])} on listener ${text(run["listener"])}`;
  const rows: readonly Row[] = [
    ["route", routeText(run["route"])],
    ...(run["matchedPath"] === null ? [] : [["path", `matched as ${text(run["matchedPath"])}`] as const]),
    ...listRows(
      "reads as",
      run["readings"],
      ({ path, route }) => `${text(path)} → ${text(route ?? "no route")}`,
    ),
    ...listRows("over", run["over"], ({ route, why }) => `${text(route)}: ${text(why)}`),
    ...listRows("not", run["not"], ({ route, why }) => `${text(route)}: ${text(why)}`),
    ...asArray(run["filters"])
      .map(asRecord)
      .map(({ name, verdict, why }): Row => [text(name), `${text(verdict)}: ${text(why)}`]),
    ...destinationRows(run),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return [heading, ...rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`)].map(plainText);
}

function text(value: unknown): string {
  return value === undefined || value === null ? "" : String(value);
}

function routeText(route: unknown): string {
  if (route === null || route === undefined) return "none";
  const { place, name, host, path } = asRecord(route);
  const title = [name, place].map(text).filter(Boolean).join(", ");
  const conditions = [
    ...(host === null ? [] : [`host ${text(host)}`]),
    ...(path === null ? [] : [`path ${text(path)}`]),
  ];
  return `${title}: ${conditions.join(", ") || "every host and path"}`;
}

/** The name only in the first of several rows. */
function listRows(
  name: string,
  list: unknown,
  textOf: (entry: ReturnType<typeof asRecord>) => string,
): readonly Row[] {
  return asArray(list).map((entry, index): Row => [index === 0 ? name : "", textOf(asRecord(entry))]);
}

function destinationRows(run: ReturnType<typeof asRecord>): readonly Row[] {
  const { pool, policy, key, candidates, others } = run;
  const from =
    pool === null
      ? []
      : [["pool", `${text(pool)} (${text(policy)}${key === null ? "" : `, key ${text(key)}`})`] as const];
  const available = asArray(candidates).map((candidate) => text(asRecord(candidate)["upstream"]));
  return [
    ...splitRows(run["split"]),
    ...from,
    ["result", resultText(run)],
    ...(available.length > 1 ? [["available", available.join(", ")] as const] : []),
    ...listRows("unavailable", others, ({ upstream, why }) => `${text(upstream)}: ${text(why)}`),
  ];
}

/** An older balancer does not tell it. */
function splitRows(split: unknown): readonly Row[] {
  if (split === null || split === undefined) return [];
  const { pool, by, point, isFallback } = asRecord(split);
  const why = isFallback === true ? ", as the chosen pool has no available upstream" : "";
  return [["split", `${text(pool)} ${splitCause(text(by), Number(point))}${why}`]];
}

function resultText(run: ReturnType<typeof asRecord>): string {
  const { pool, chosen, refusal, complaint, answeredBy } = run;
  if (typeof answeredBy === "string")
    return `the filter ${answeredBy} would ${refusal === null ? "answer it" : `refuse it: ${text(refusal)}`}`;
  if (typeof chosen === "string") return `it would go to ${chosen}`;
  if (refusal !== null)
    return `it would be refused: ${text(refusal)}${complaint ? `, ${text(complaint)}` : ""}`;
  return pool === null ? "its route would answer it without an upstream" : "it would wait in the queue";
}

/** `evenkeel explain`: explains one request in sentences, with its attempts and phases as tables. */

import type { Verb } from "../cli/verbs.ts";
import { asArray, asRecord } from "../lib/json.ts";
import type { AdminCall, Failed } from "./admin-call.ts";
import { type ExitCode, plainText, renderColumns, type Terminal } from "./terminal.ts";

export async function explain(
  { request, asJson }: Extract<Verb, { verb: "explain" }>,
  call: AdminCall,
  terminal: Terminal,
): Promise<ExitCode | Failed> {
  const response = await call({ path: `/api/requests/${encodeURIComponent(request)}` });
  if (response.kind === "failed") return response;
  if (asJson) terminal.write(`${JSON.stringify(response.value)}\n`);
  else terminal.write(`${renderExplanation(response.value, terminal.hasColour).join("\n")}\n`);
  return 0;
}

/**
 * Renders a request record with its explanation as lines.
 * @param record `account` has the sentences; each other list of maps becomes a table with its keys as headings
 */
export function renderExplanation(record: unknown, hasColour: boolean): readonly string[] {
  const { account, ...details } = asRecord(record);
  const sentences = [
    ...headingOf(details),
    ...asArray(account).map((sentence) => plainText(String(sentence))),
  ];
  const tables = Object.entries(details).flatMap(([name, value]) => {
    const rows = asArray(value).map(asRecord);
    const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((key) =>
      rows.every((row) => typeof row[key] !== "object" || row[key] === null || Array.isArray(row[key])),
    );
    if (rows.length === 0 || keys.length === 0) return [];
    const isNumber = (key: string) =>
      rows.every((row) => typeof row[key] === "number" || row[key] === null) &&
      rows.some((row) => row[key] !== null);
    const lines = renderColumns(
      [
        keys.map((key) => ({ text: headingText(key).toUpperCase(), tone: "dim" as const })),
        ...rows.map((row) => keys.map((key) => cellText(row[key]))),
      ],
      { right: keys.flatMap((key, column) => (isNumber(key) ? [column] : [])), hasColour },
    );
    return ["", headingText(name), ...lines];
  });
  return [...sentences, ...tables];
}

/** "GET /path of example.com, from 10.0.0.1, at 2026-01-31T14:03:12.000Z" */
function headingOf({
  at,
  method,
  host,
  target,
  clientAddress,
}: ReturnType<typeof asRecord>): readonly string[] {
  if (typeof at !== "number" || typeof method !== "string") return [];
  const request = method === "" ? "invalid request" : `${method} ${String(target)} of ${String(host)}`;
  return [plainText(`${request}, from ${String(clientAddress)}, at ${new Date(at).toISOString()}`)];
}

/** Headings for keys whose name differs from the word in the documentation. */
const headings: Readonly<Record<string, string | undefined>> = {
  choices: "selections",
  fit: "available",
  rehearsed: "fault injected",
};

/** "startedAt" → "started at" */
function headingText(key: string): string {
  return headings[key] ?? plainText(key.replace(/([A-Z])/g, " $1").toLowerCase());
}

function cellText(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (Array.isArray(value)) return value.map(nameOf).join(", ");
  return typeof value === "number" ? String(Math.round(value * 100) / 100) : String(value);
}

/** The first text of a list item, which is its name. */
function nameOf(item: unknown): string {
  return typeof item === "object" ? String(Object.values(asRecord(item)).find(isText) ?? "") : String(item);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

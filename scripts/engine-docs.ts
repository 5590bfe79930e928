/** Generates the table of fetch engine limits in docs/engines.md: `bun scripts/engine-docs.ts`. A test checks that it is current. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { fetchExceptions } from "../tests/engine/fetch/exceptions.ts";

export const enginesFile = join(import.meta.dirname, "../docs/engines.md");

const head = ["what a proxy should do", "why this engine cannot"] as const;
const table = /^\| what a proxy should do .*\n(?:\|.*\n)+/m;

/** The page with the current table. Throws if the page has no table. */
export function enginesPage(page = readFileSync(enginesFile, "utf8")): string {
  if (!table.test(page))
    throw new Error(`Cannot write ${enginesFile}: the header row of the table is missing`);
  return page.replace(table, () => limitsTable());
}

/** Aligned in the way of the formatter. */
function limitsTable(): string {
  const rows: readonly (readonly [string, string])[] = [head, ...Object.entries(fetchExceptions)];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |\n`;
  const rule = line(widths.map((width) => "-".repeat(width)));
  return [line(head), rule, ...rows.slice(1).map(line)].join("");
}

if (import.meta.main) writeFileSync(enginesFile, enginesPage());

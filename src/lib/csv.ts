/** Writes tables as comma-separated values (RFC 4180). */

export type CsvCell = string | number | null;

/** With a heading row; lines end with CRLF. Null is an empty cell. */
export function csvOf(heading: readonly string[], rows: Iterable<readonly CsvCell[]>): string {
  const lines = [heading.map(cellText).join(",")];
  for (const row of rows) lines.push(row.map(cellText).join(","));
  return `${lines.join("\r\n")}\r\n`;
}

/**
 * A text that begins like a formula gets an apostrophe: spreadsheets would run what a client sent as its path (OWASP, "CSV
 * Injection").
 */
function cellText(cell: CsvCell): string {
  if (cell === null) return "";
  if (typeof cell === "number") return String(cell);
  const text = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
